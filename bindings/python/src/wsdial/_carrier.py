"""Moves the bytes of a connection over memory through a stream, and does the waiting: a blocking connection whose transport
is Python's. Its methods are called as the library's functions of the same names, with the same answers.

One thread at a time moves input; the others wait for it, or for their turn. Output is moved by whoever finds some.

A signal handler may call anything in the middle of a move of its own thread, between any two lines: it must not wait for
itself, nor write the same bytes twice. So it only says that output is owed, and the move that it stands on sees to that.
"""

from __future__ import annotations

import ctypes
import select
import threading
import time
from ctypes import byref, c_size_t, c_void_p
from typing import Any, Callable, Optional

from . import _lib
from ._lib import fast, held, lib
from ._streams import WANTS_READ, WANTS_WRITE, Stream, wait_for


def _window(address: int, size: int) -> memoryview:
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


class Carrier:
    """The mover of one connection's bytes."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._output = threading.Lock()
        self._turn = threading.Condition()
        self._reading: Optional[int] = None
        self._depth = 0
        self._moving: set[int] = set()
        self._owed = False
        self._ended = False
        self._raise: Optional[Callable[[Stream], Stream]] = None

    # Before there is a connection.

    def raise_stream(self, by: Callable[[Stream], Stream]) -> None:
        """Puts another stream on the one that there is."""
        self._stream = by(self._stream)

    def raise_stream_before_request(self, by: Callable[[Stream], Stream]) -> None:
        """The same, when the exchange with a proxy is over and the handshake's request is about to be written."""
        self._raise = by

    def handshake(self, handle: c_void_p, end: Optional[float], error: Any) -> int:
        """The opening handshake, no longer than until ``end``."""
        while True:
            result = lib.ws_handshake(handle, _lib.NOWAIT, error)
            if result != _lib.AGAIN:
                self._push(handle, None)
                return int(result)
            self._push(handle, end)
            if not self._pull(handle):
                wait_for(self._stream, read=True, write=not self._stream.flush(), end=end)

    # As the library's functions.

    def ws_recv(self, handle: c_void_p, ms: int, out: Any, error: Any) -> int:
        """As ``ws_recv``."""
        return self._until(handle, ms, lambda: fast.ws_recv(handle, _lib.NOWAIT, out, error))

    def ws_recv_batch(self, handle: c_void_p, ms: int, size: Any, count: Any, out: Any, error: Any) -> int:
        """As ``ws_recv_batch``."""
        return self._until(handle, ms, lambda: fast.ws_recv_batch(handle, _lib.NOWAIT, size, count, out, error))

    def ws_recv_into(self, handle: c_void_p, ms: int, *more: Any) -> int:
        """As ``ws_recv_into``."""
        return self._until(handle, ms, lambda: lib.ws_recv_into(handle, _lib.NOWAIT, *more))

    def ws_send(self, handle: c_void_p, kind: int, data: Any, size: Any, ms: int, error: Any) -> int:
        """As ``ws_send``."""
        return self._send(handle, ms, lambda: fast.ws_send(handle, kind, data, size, _lib.NOWAIT, error))

    def ws_send_fragment(self, handle: c_void_p, kind: int, data: Any, size: int, final: int, ms: int, error: Any) -> int:
        """As ``ws_send_fragment``."""
        return self._send(
            handle, ms, lambda: lib.ws_send_fragment(handle, kind, data, size, final, _lib.NOWAIT, error)
        )

    def ws_ping(self, handle: c_void_p, data: Any, size: int, ms: int, error: Any) -> int:
        """As ``ws_ping``."""
        return self._send(handle, ms, lambda: lib.ws_ping(handle, data, size, _lib.NOWAIT, error))

    def ws_pong(self, handle: c_void_p, data: Any, size: int, ms: int, error: Any) -> int:
        """As ``ws_pong``."""
        return self._send(handle, ms, lambda: lib.ws_pong(handle, data, size, _lib.NOWAIT, error))

    def ws_flush(self, handle: c_void_p, ms: int, error: Any) -> int:
        """As ``ws_flush``."""
        return self._send(handle, ms, lambda: lib.ws_flush(handle, _lib.NOWAIT, error))

    def ws_process(self, handle: c_void_p, error: Any) -> int:
        """As ``ws_process``: moves what can be moved without waiting."""
        if self._begin_reading():
            try:
                while held.ws_wants(handle) & _lib.WANT_READ and self._pull(handle):
                    lib.ws_process(handle, None)
            finally:
                self._end_reading()
        result = lib.ws_process(handle, error)
        self._push(handle, None)
        return int(result)

    def ws_close(self, handle: c_void_p, code: int, reason: bytes, ms: int, error: Any) -> int:
        """As ``ws_close``."""
        end = None if ms < 0 else time.monotonic() + ms / 1000
        while True:
            left = ms if end is None else max(int((end - time.monotonic()) * 1000), 0)
            # The library's own limit for the close begins with the first call.
            result = lib.ws_close(handle, code, reason, _lib.NOWAIT, error)
            self._push(handle, None)
            if result != _lib.AGAIN:
                return int(result)
            if end is not None and left <= 0:
                self.end()
                self._feed_end(handle)
                result = lib.ws_close(handle, code, reason, _lib.NOWAIT, error)
                return _lib.TIMEOUT if result == _lib.AGAIN else int(result)
            self._move(handle, 100 if end is None else min(left, 100))

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._stream.fileno()

    def end(self) -> None:
        """The connection is over: so is the transport. The descriptor is closed with the connection."""
        if not self._ended:
            self._ended = True
            self._stream.shut()

    def abandon(self) -> None:
        """Nobody uses it any more."""
        self._stream.close()

    # Moving.

    def _until(self, handle: c_void_p, ms: int, call: Callable[[], int]) -> int:
        """Receives: moves input until there is an answer."""
        end = None if ms < 0 else time.monotonic() + ms / 1000
        while True:
            result = call()
            if result < 0 or result == _lib.CLOSED or held.ws_wants(handle) & _lib.WANT_WRITE:
                self._push(handle, None)
            if result != _lib.AGAIN:
                return int(result)
            left = None if end is None else (end - time.monotonic()) * 1000
            if left is not None and left <= 0:
                # What is in the socket already counts as here.
                if not self._begin_reading():
                    return _lib.TIMEOUT if ms else _lib.AGAIN
                try:
                    moved = self._pull(handle)
                finally:
                    self._end_reading()
                if not moved:
                    return _lib.TIMEOUT if ms else _lib.AGAIN
                continue
            self._move(handle, left)

    def _send(self, handle: c_void_p, ms: int, call: Callable[[], int]) -> int:
        """Sends: what is taken is written, or stays inside when the time is over."""
        end = time.monotonic() + ms / 1000
        result = call()
        while result in (_lib.OK, _lib.PENDING):
            try:
                self._push(handle, end)
            except TimeoutError:
                return _lib.PENDING
            return _lib.OK
        if result == _lib.AGAIN:
            try:
                self._push(handle, end)
            except TimeoutError:
                return _lib.TIMEOUT
        return int(result)

    def _move(self, handle: c_void_p, ms: Optional[float]) -> None:
        """Waits until something has come, as far as that is ours to do, or the library wants a call."""
        due = held.ws_timeout(handle)
        ms = min((limit for limit in (ms, due if due >= 0 else None) if limit is not None), default=None)
        if not self._begin_reading():
            with self._turn:
                if self._reading is not None:
                    self._turn.wait(0.05 if ms is None else min(ms / 1000, 0.05))
            return
        try:
            if self._pull(handle):
                return
            poll = select.poll()
            poll.register(self._stream.fileno(), select.POLLIN | (0 if self._stream.flush() else select.POLLOUT))
            poll.poll(ms)
            self._pull(handle)
        finally:
            self._end_reading()
        lib.ws_process(handle, None)

    def _begin_reading(self) -> bool:
        me = threading.get_ident()
        with self._turn:
            # A handler that came while its thread was waiting for input may move it instead.
            if self._reading is not None and (self._reading != me or me in self._moving):
                return False
            self._reading = me
            self._depth += 1
            return True

    def _end_reading(self) -> None:
        with self._turn:
            self._depth -= 1
            if not self._depth:
                self._reading = None
            self._turn.notify_all()

    def _pull(self, handle: c_void_p) -> bool:
        """Moves what has come; whether anything did. The end is something."""
        me = threading.get_ident()
        self._moving.add(me)
        try:
            moved = self._pull_once(handle)
        finally:
            self._moving.discard(me)
        if self._owed:
            self._push(handle, None)
        return moved

    def _pull_once(self, handle: c_void_p) -> bool:
        room = c_size_t()
        address = held.ws_input(handle, byref(room))
        if not address:
            return False
        try:
            count = self._stream.read_into(_window(address, room.value))
        except OSError:
            count = 0
        if count in (WANTS_READ, WANTS_WRITE):
            # The room costs memory while it is ours.
            held.ws_input(handle, None)
            return False
        held.ws_input_done(handle, count, None)
        return True

    def _feed_end(self, handle: c_void_p) -> None:
        if self._begin_reading():
            try:
                held.ws_input_done(handle, 0, None)
            finally:
                self._end_reading()

    def _push(self, handle: c_void_p, end: Optional[float]) -> None:
        """Moves what is to be written: what fits, or with ``end`` all of it."""
        me = threading.get_ident()
        if me in self._moving:
            self._owed = True
            return
        while True:
            self._moving.add(me)
            try:
                self._owed = False
                done = self._push_once(handle)
            finally:
                self._moving.discard(me)
            if self._owed:
                continue
            if done or end is None:
                return
            wait_for(self._stream, read=False, write=True, end=end)

    def _push_once(self, handle: c_void_p) -> bool:
        """Whether nothing is left."""
        size = c_size_t()
        with self._output:
            try:
                while True:
                    address = held.ws_output(handle, byref(size))
                    if not address or not size.value:
                        return self._stream.flush()
                    data = _window(address, size.value)
                    if self._raise is not None and bytes(data[:4]) == b"GET ":
                        self.raise_stream(self._raise)
                        self._raise = None
                    count = self._stream.write(data)
                    if count < 0:
                        return False
                    held.ws_output_done(handle, count, None)
            except OSError:
                if self._raise is not None:
                    raise
                # The transport is gone, as reading from it will tell.
                if size.value:
                    held.ws_output_done(handle, size.value, None)
                self._feed_end(handle)
                return True
