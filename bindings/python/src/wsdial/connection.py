"""A connection: the surface of ``websockets.sync.connection.Connection`` over one ``ws_conn``."""

from __future__ import annotations

import ctypes
import math
import threading
import time
import warnings
from collections.abc import Iterator
from ctypes import byref, c_size_t, c_void_p
from types import TracebackType
from typing import Any, Callable, Union

from . import _lib
from ._lib import lib
from .exceptions import ConcurrencyError, ConnectionClosedOK, closed, ends_connection, failure
from .http import read_headers, response
from .options import milliseconds

Message = Union[str, bytes]
Data = Union[str, bytes, bytearray, memoryview]
BytesLike = (bytes, bytearray, memoryview)

# Python's signal handlers run when the main thread is back from C, so it comes back that often (milliseconds).
SLICE = 100


class Connection:
    """A WebSocket connection, made by :func:`wsdial.connect`.

    Any method may be called from any thread at any time; one thread receives at a time. Somebody must receive: pings
    are answered, and the server's close is met, there.
    """

    def __init__(self, handle: c_void_p, *, close_timeout: float | None = 10) -> None:
        self._handle = handle
        self._close_timeout = close_timeout
        self._receiving = threading.Lock()
        self._message = _lib.MessageStruct()
        self._closing = False
        self.response = response(lib.ws_response_status(handle), read_headers(lib.ws_response_header_at, handle))

    # Facts.

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server picked, or ``None``."""
        return lib.ws_subprotocol(self._handle).decode() or None

    @property
    def local_address(self) -> Any:
        """``(host, port)``, for IPv6 ``(host, port, 0, 0)``; ``None`` on a unix socket."""
        return _address(lib.ws_local_address(self._handle))

    @property
    def remote_address(self) -> Any:
        """As :attr:`local_address`, of the server."""
        return _address(lib.ws_peer_address(self._handle))

    @property
    def close_code(self) -> int | None:
        """How the connection ended: the server's code, 1005 when it gave none, 1006 without a close; ``None`` before."""
        return lib.ws_close_code(self._handle) or None

    @property
    def close_reason(self) -> str | None:
        """The reason beside :attr:`close_code`; ``None`` while the connection lives."""
        if self.close_code is None:
            return None
        size = c_size_t()
        reason = lib.ws_close_reason(self._handle, byref(size))
        return ctypes.string_at(reason, size.value).decode() if reason else ""

    # Messages.

    def recv(self, timeout: float | None = None, decode: bool | None = None) -> Message:
        """Receives the next message: ``str`` for text, ``bytes`` for binary, or what ``decode`` says.

        Raises:
            TimeoutError: none came within ``timeout`` seconds; nothing is lost.
            ConnectionClosed: the connection is over, and every message that came before was received.
            ConcurrencyError: another thread is receiving.
        """
        if not self._receiving.acquire(blocking=False):
            raise ConcurrencyError("another thread is receiving on this connection")
        try:
            message = self._message
            # A kind is there already when a signal handler raised between the library's return and our taking it.
            if not message.kind:
                error = c_void_p()
                call = lib.ws_recv
                result = _wait(lambda ms: call(self._handle, ms, message, byref(error)), milliseconds(timeout))
                if result != _lib.OK:
                    raise self._ended(result, error)
            data = ctypes.string_at(message.data, message.len) if message.data else b""
            text = message.kind == _lib.TEXT if decode is None else decode
            # Text was checked while it arrived; bytes were not.
            taken: Message = data.decode() if text else data
            message.kind = 0
            return taken
        except UnicodeDecodeError:
            self._message.kind = 0
            raise
        finally:
            self._receiving.release()

    def __iter__(self) -> Iterator[Message]:
        """Every message until the connection is closed with 1000, 1001 or no code."""
        try:
            while True:
                yield self.recv()
        except ConnectionClosedOK:
            return

    def send(self, message: Data, text: bool | None = None) -> None:
        """Sends one message: ``str`` as text, bytes-like as binary; ``text`` says otherwise. Returns when it is written.

        Raises:
            ConnectionClosed: the connection is over.
            ValueError: ``text=True`` with bytes that are not UTF-8; nothing was sent.
        """
        if isinstance(message, str):
            kind, raw = (_lib.BINARY if text is False else _lib.TEXT), message.encode()
            return self._send(lib.ws_send, kind, raw)
        if isinstance(message, BytesLike):
            return self._send(lib.ws_send, _lib.TEXT if text else _lib.BINARY, message)
        raise TypeError(f"message must be str or bytes-like, not {type(message).__name__}")

    def ping(self, data: Data = b"") -> None:
        """Sends a ping with at most 125 bytes. The server's pong is read, and dropped, by whoever receives."""
        self._send(lib.ws_ping, None, data.encode() if isinstance(data, str) else data)

    def pong(self, data: Data = b"") -> None:
        """Sends a pong that nobody asked for, with at most 125 bytes."""
        self._send(lib.ws_pong, None, data.encode() if isinstance(data, str) else data)

    def _send(self, function: Callable[..., int], kind: int | None, data: bytes | bytearray | memoryview) -> None:
        error = c_void_p()
        pointer, size, keep = _buffer(data)
        head = (self._handle,) if kind is None else (self._handle, kind)
        result = _wait(lambda ms: function(*head, pointer, size, ms, byref(error)), _lib.FOREVER)
        # Taken whole, but a slice ended before all was written: wait on, for the writing only.
        if result == _lib.PENDING:
            result = _wait(lambda ms: lib.ws_flush(self._handle, ms, byref(error)), _lib.FOREVER)
        del keep
        if result != _lib.OK:
            raise self._ended(result, error)

    # The end.

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes: the close handshake, at most ``close_timeout`` seconds, then TCP. Again does nothing.

        A connection that is over already, or a server that does not answer in time, is no exception here:
        :attr:`close_code` tells.
        """
        if "\0" in reason:
            raise ValueError("a NUL in the close reason")
        error = c_void_p()
        limit = milliseconds(self._close_timeout, "close_timeout")
        result = lib.ws_close(self._handle, code, reason.encode(), limit if limit < 0 else max(limit, 1), byref(error))
        self._closing = True
        if result < 0 and not ends_connection(result):
            self._closing = False
            raise failure(result, error)
        if error:
            lib.ws_error_free(error)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(1000 if kind is None else 1011)

    def __del__(self) -> None:
        handle, self._handle = getattr(self, "_handle", None), c_void_p()
        if not handle:
            return
        if not self._closing and not lib.ws_close_code(handle):
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        lib.ws_message_free(self._message)
        lib.ws_conn_free(handle)

    def __reduce__(self) -> str:
        raise TypeError("a connection belongs to its process: it cannot be pickled")

    def _ended(self, result: int, error: c_void_p) -> BaseException:
        """The exception for a call that did not answer OK."""
        if result in (_lib.TIMEOUT, _lib.AGAIN):
            return TimeoutError("timed out while waiting for a message")
        if ends_connection(result):
            return closed(self._handle, None, result, error)
        return failure(result, error)


def _wait(call: Callable[[int], int], limit: int) -> int:
    """Calls with that limit. In the main thread in slices, so that Ctrl-C and other signals are seen between them."""
    if threading.current_thread() is not threading.main_thread() or 0 <= limit <= SLICE:
        return call(limit)
    end = None if limit < 0 else time.monotonic() + limit / 1000
    while True:
        left = SLICE if end is None else max(0, min(SLICE, math.ceil((end - time.monotonic()) * 1000)))
        result = call(left)
        if result not in (_lib.TIMEOUT, _lib.AGAIN) or (end is not None and time.monotonic() >= end):
            return result


def _buffer(data: bytes | bytearray | memoryview) -> tuple[Any, int, Any]:
    """Address, size, and what must stay alive meanwhile. Without a copy where ctypes can: writable, or ``bytes``."""
    if isinstance(data, bytes):
        return data, len(data), data
    view = memoryview(data)
    if not view.c_contiguous or view.readonly or not view.nbytes:
        copy = view.tobytes()
        return copy, len(copy), copy
    window = (ctypes.c_char * view.nbytes).from_buffer(view.cast("B"))
    return window, view.nbytes, window


def _address(raw: bytes | None) -> Any:
    if not raw:
        return None
    host, _, port = raw.decode().rpartition(":")
    if host.startswith("["):
        return (host[1:-1], int(port), 0, 0)
    return (host, int(port))
