"""Byte streams that never wait: a socket (an ``ssl.SSLSocket`` too), and TLS by an ``ssl.SSLContext`` over another stream."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from typing import Any, Optional, Union

#: What a read or a write answers that cannot be done now.
WANTS_READ, WANTS_WRITE = -1, -2


class SocketStream:
    """A connected socket of any kind; it is put into non-blocking mode, and one thread is in it at a time.

    Its lock, and that of :class:`TLSStream`, may be taken again by a signal handler, which ends the connection.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.RLock()
        sock.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._sock.fileno()

    def read_into(self, room: memoryview) -> int:
        """Reads what is there; 0 at the end."""
        try:
            with self._lock:
                return self._sock.recv_into(room)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
            return WANTS_READ
        except ssl.SSLWantWriteError:
            return WANTS_WRITE
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0

    def write(self, data: memoryview) -> int:
        """Writes what fits."""
        try:
            with self._lock:
                return self._sock.send(data)
        except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError):
            return WANTS_WRITE
        except ssl.SSLWantReadError:
            return WANTS_READ

    def flush(self) -> bool:
        """Whether nothing is left inside."""
        return True

    def shut(self) -> None:
        """Ends both directions, which wakes who waits; the descriptor stays."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """Closes the descriptor."""
        self._sock.close()


class TLSStream:
    """TLS by any ``ssl.SSLContext`` over a stream: an ``SSLObject`` and its two memories, one thread at a time."""

    def __init__(self, lower: Stream, context: ssl.SSLContext, server_hostname: Optional[str]) -> None:
        self._lower = lower
        self._lock = threading.RLock()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._unsent = memoryview(b"")
        self._chunk = bytearray(2**16)
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._lower.fileno()

    def handshake(self, end: Optional[float]) -> None:
        """The TLS handshake, no longer than until ``end`` of the monotonic clock."""
        while True:
            with self._lock:
                try:
                    self.object.do_handshake()
                    done = True
                except ssl.SSLWantReadError:
                    done = False
                except ssl.SSLError:
                    self._write_out()  # the alert
                    raise
                written = self._write_out()
                if done and written:
                    return
                came = 1 if done else self._read_in()
            if came == 0:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the connection ended inside the TLS handshake")
            if came < 0 or not written:
                wait_for(self, read=came < 0, write=not written, end=end)

    def read_into(self, room: memoryview) -> int:
        """Reads what is there; 0 at the end."""
        with self._lock:
            while True:
                try:
                    count = self.object.read(len(room), room)
                    self._write_out()
                    return int(count)
                except ssl.SSLWantReadError:
                    self._write_out()
                    came = self._read_in()
                    if came < 0:
                        return came
                except ssl.SSLZeroReturnError:
                    return 0
                except ssl.SSLEOFError:
                    # Cut without close_notify: whether that is an end is for the close handshake to tell.
                    return 0

    def write(self, data: memoryview) -> int:
        """Takes what fits."""
        with self._lock:
            if not self._write_out():
                return WANTS_WRITE
            count = int(self.object.write(data[: 2**16]))
            self._write_out()
            return count

    def flush(self) -> bool:
        """Whether nothing is left inside."""
        with self._lock:
            return self._write_out() and self._lower.flush()

    def shut(self) -> None:
        """Says close_notify, if there is room for it, then ends both directions."""
        with self._lock:
            try:
                self.object.unwrap()
            except (ssl.SSLError, OSError, ValueError):
                pass
            try:
                self._write_out()
            except OSError:
                pass
        self._lower.shut()

    def close(self) -> None:
        """Closes the descriptor."""
        self._lower.close()

    def _read_in(self) -> int:
        count = self._lower.read_into(memoryview(self._chunk))
        if count > 0:
            self._incoming.write(memoryview(self._chunk)[:count])
        elif count == 0:
            self._incoming.write_eof()
        return count

    def _write_out(self) -> bool:
        while True:
            if not self._unsent:
                if not self._outgoing.pending:
                    return True
                self._unsent = memoryview(self._outgoing.read())
            count = self._lower.write(self._unsent)
            if count < 0:
                return False
            self._unsent = self._unsent[count:]


Stream = Union[SocketStream, TLSStream]


def wait_for(stream: Any, *, read: bool, write: bool, end: Optional[float]) -> None:
    """Waits until the stream can go on, or raises TimeoutError at ``end``; signal handlers run, and may raise."""
    events = (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)
    poll = select.poll()
    poll.register(stream.fileno(), events)
    left = None if end is None else end - time.monotonic()
    if left is not None and left <= 0:
        raise TimeoutError("timed out")
    if not poll.poll(None if left is None else left * 1000):
        raise TimeoutError("timed out")
