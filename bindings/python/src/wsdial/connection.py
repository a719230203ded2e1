"""A blocking connection: the surface of ``websockets.sync.client.ClientConnection`` over one ``ws_conn``."""

from __future__ import annotations

import codecs
import os
import struct
import sys
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from ctypes import byref, c_int, c_size_t, c_uint64, c_void_p, string_at
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Literal, NamedTuple, NoReturn, Optional, overload

from . import _lib
from ._lib import held, lib
from ._memory import buffer_of, room_of
from ._servicing import servicer
from .exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    close_received,
    closed,
    ends_connection,
    failure,
    sendable,
)
from .frames import Close, CloseCode, State
from .http import Request, Response, read_headers, response
from .options import c_text, end_of, milliseconds
from .typing import BytesLike, Data, DataLike, LoggerLike, Subprotocol

if TYPE_CHECKING:
    import uuid

    from ._carrier import Carrier

# A signal that comes in the microsecond between Python's last look and the wait is seen this much later (milliseconds).
SLICE = 500

# As much as one call brings when messages come in a storm.
BATCH_BYTES, BATCH_MESSAGES = c_size_t(2**16), c_size_t(256)

# As much as recv_streaming gives at once.
PIECE = 2**16

# The least memory for a piece: a control frame's.
CONTROL = 125

# A lone message is fetched by itself; after so many of them a batch is tried again.
LONE = 8

_message_fields = struct.Struct("@NNi").unpack_from
_batch_fields = struct.Struct("@4N").unpack_from
_main_thread = threading.main_thread()

#: The queue of those that have none: an empty one of its own would be a fifth of what an idle connection costs.
NO_MESSAGES: deque[Any] = deque(maxlen=0)


class Piece(NamedTuple):
    """What :meth:`ClientConnection.recv_into` received: so many bytes, of text or binary, and whether the message ends."""

    size: int
    text: bool
    final: bool


class Pong(threading.Event):
    """Set when the pong has come. Waiting for it receives, if nobody else does."""

    def __init__(self, connection: ClientConnection, ack_on_close: bool) -> None:
        super().__init__()
        self._connection = connection
        self.ack_on_close = ack_on_close
        self.sent_at = time.monotonic()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the pong; whether it has come."""
        end = end_of(timeout)
        while not self.is_set():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            if not self._connection._receive_for_pong(left):
                # Somebody else receives, or there is nothing to receive for.
                super().wait(0.02 if left is None else min(left, 0.02))
        return self.is_set()


class ClientConnection:
    """A WebSocket connection, made by :func:`wsdial.connect`.

    Any method may be called from any thread at any time; one thread receives at a time, any number send. Pings are
    answered and keepalive pings sent by whoever receives, and by a thread of the package's where nobody does.
    """

    # An idle connection is half as large with them; a program may set names of its own all the same.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_addresses",
        "_batch",
        "_batch_ref",
        "_calls",
        "_carrier",
        "_closed",
        "_delivers",
        "_draining",
        "_entered",
        "_failure",
        "_fd",
        "_fragmenting",
        "_fragments",
        "_given_logger",
        "_handle",
        "_id",
        "_in_pieces",
        "_inside",
        "_latency",
        "_logger",
        "_lone",
        "_message",
        "_message_ref",
        "_pid",
        "_pings",
        "_pings_lock",
        "_read_ahead",
        "_ready",
        "_receiving",
        "_sent",
        "_stat_seen",
        "_wake_on_leaving",
        "_ws_recv",
        "_ws_recv_batch",
        "_ws_send",
        "close_timeout",
        "debug",
        "request",
        "response",
    )

    def __init__(
        self,
        handle: c_void_p,
        *,
        carrier: Carrier | None = None,
        request: Request | None = None,
        close_timeout: float | None = 10,
        max_queue: int | None = 16,
        logger: LoggerLike | None = None,
        servicing: bool = True,
        addresses: tuple[Any, Any] | None = None,
    ) -> None:
        self._pid = os.getpid()
        self._fd = -1
        self._closed = False
        self._carrier = carrier
        self._message, self._batch = _lib.MessageStruct(), _lib.BatchStruct()
        # From here on the handle is this object's to free, also if what follows raises.
        self._handle = c_void_p(handle.value)
        handle.value = None
        handle = self._handle
        # Who makes the calls that wait: the library itself, or a carrier that moves the bytes for it.
        calls: Any = carrier or _lib.fast
        self._ws_send: Callable[..., int] = calls.ws_send
        self._ws_recv: Callable[..., int] = calls.ws_recv
        self._ws_recv_batch: Callable[..., int] = calls.ws_recv_batch
        self._calls: Any = carrier or lib
        self._receiving = threading.Lock()
        self._ready: deque[tuple[bytes, int]] = NO_MESSAGES
        self._message_ref, self._batch_ref = byref(self._message), byref(self._batch)
        # A batch is tried only behind some messages: what is fetched ahead is read ahead, to a violation too, and the end
        # that it makes of the connection would come before the answers to the messages in front of it.
        self._lone = LONE
        self._in_pieces: str | None = None
        self._draining = False
        # For the servicer: whether a thread is in recv, how often one has been, whether it says so on leaving.
        self._inside = False
        self._entered = 0
        self._wake_on_leaving = False
        self._pings: dict[bytes, Pong] = {}
        self._pings_lock = threading.RLock()
        self._delivers = False
        self._latency: float | None = None
        self._stat_seen = 0
        self._fragmenting: int | None = None
        self._fragments = threading.Lock()
        self._sent: Close | None = None
        self._failure: ConnectionClosed | None = None
        self._given_logger = logger
        self._logger: LoggerLike | None = None
        self._id: uuid.UUID | None = None
        self._addresses = addresses
        self._read_ahead = max_queue
        self.close_timeout = close_timeout
        self.request: Request | None = request
        self.response: Response | None = response(
            held.ws_response_status(handle), read_headers(held.ws_response_header_at, handle)
        )
        #: Whether what happens is logged.
        self.debug = self._debugging()
        if self.debug:
            self._log_handshake()
        if servicing:
            fd = carrier.fileno() if carrier else held.ws_fd(handle)
            servicer().add(self, fd)
            self._fd = fd

    # Facts.

    @property
    def subprotocol(self) -> Subprotocol | None:
        """The subprotocol that the server picked, or ``None``."""
        name = held.ws_subprotocol(self._handle).decode()
        return Subprotocol(name) if name else None

    @property
    def local_address(self) -> Any:
        """``(host, port)``, for IPv6 ``(host, port, 0, 0)``; a path, mostly empty, on a unix socket."""
        return self._addresses[0] if self._addresses else _address(held.ws_local_address(self._handle))

    @property
    def remote_address(self) -> Any:
        """As :attr:`local_address`, of the server."""
        return self._addresses[1] if self._addresses else _address(held.ws_peer_address(self._handle))

    @property
    def state(self) -> State:
        """RFC 6455's word for what the connection is in; ``recv`` and ``send`` tell by themselves."""
        if self._closed or held.ws_close_code(self._handle):
            return State.CLOSED
        return State.CLOSING if self._sent is not None else State.OPEN

    @property
    def close_code(self) -> int | None:
        """The server's close code, 1005 when it gave none, 1006 when no close came; ``None`` while the connection lives."""
        if self.state is not State.CLOSED:
            return None
        received = self._received()
        return int(CloseCode.ABNORMAL_CLOSURE) if received is None else received.code

    @property
    def close_reason(self) -> str | None:
        """The reason beside :attr:`close_code`; ``None`` while the connection lives."""
        if self.state is not State.CLOSED:
            return None
        received = self._received()
        return "" if received is None else received.reason

    def _received(self) -> Close | None:
        """The server's close frame, of a connection that is over."""
        if self._failure is not None:
            return self._failure.rcvd
        # After a failure, which every later call answers, the library's close code is ours.
        return None if held.ws_process(self._handle, None) < 0 else close_received(self._handle)

    @property
    def latency(self) -> float:
        """The last round trip of a ping in seconds, a keepalive ping's or one of :meth:`ping`; 0 before the first."""
        figure = c_uint64()
        held.ws_stat(self._handle, _lib.STAT_ROUND_TRIP, byref(figure), None)
        if figure.value != self._stat_seen or self._latency is None:
            self._stat_seen = figure.value
            self._latency = figure.value / 1e6
        return self._latency

    @property
    def id(self) -> uuid.UUID:
        """Another for each connection; for logs."""
        if self._id is None:
            import uuid

            self._id = uuid.uuid4()
        return self._id

    @property
    def logger(self) -> LoggerLike:
        """Where it is logged, with the connection as ``websocket`` beside each record."""
        if self._logger is None:
            import logging

            base = self._given_logger or logging.getLogger("wsdial.client")
            self._logger = logging.LoggerAdapter(base, {"websocket": weakref.proxy(self)})
        return self._logger

    def fileno(self) -> int:
        """The descriptor, for ``select`` and its like; nobody else may read, write or close it."""
        return self._carrier.fileno() if self._carrier else int(held.ws_fd(self._handle))

    # Receiving.

    @overload
    def recv(self, timeout: float | None, decode: Literal[True]) -> str: ...

    @overload
    def recv(self, timeout: float | None, decode: Literal[False]) -> bytes: ...

    @overload
    def recv(self, timeout: float | None = None, *, decode: Literal[True]) -> str: ...

    @overload
    def recv(self, timeout: float | None = None, *, decode: Literal[False]) -> bytes: ...

    @overload
    def recv(self, timeout: float | None = None, decode: bool | None = None) -> Data: ...

    def recv(self, timeout: float | None = None, decode: bool | None = None) -> Data:
        """Receives the next message: ``str`` for text, ``bytes`` for binary, or what ``decode`` says.

        Args:
            timeout: seconds to wait; ``None`` for ever, 0 or less for a message that is here already.
            decode: ``True`` for ``str``, ``False`` for ``bytes``, whatever the message is.

        Raises:
            TimeoutError: none came in time; nothing is lost.
            ConnectionClosed: the connection is over, and every message that came before was received.
            ConcurrencyError: another thread is receiving.
        """
        try:
            if self._in_pieces is not None:
                raise ConcurrencyError(f"cannot call recv before {self._in_pieces} has given the whole message")
            data, kind = self._ready.popleft()
        except IndexError:
            data, kind = self._fetch(timeout)
        if (kind == 1) if decode is None else decode:
            if kind == 1:
                # Checked while it arrived.
                return data.decode()
            return self._decoded(data)
        return data

    def recv_batch(
        self, timeout: float | None = None, decode: bool | None = None, max_messages: int | None = None
    ) -> list[Any]:
        """Receives what is here already, at least one message: waits as :meth:`recv` for the first."""
        ready = self._queue()
        if not ready or self._in_pieces is not None:
            ready.appendleft(self._fetch(timeout, batch=True))
        taken: list[tuple[bytes, int]] = []
        try:
            while max_messages is None or len(taken) < max_messages:
                taken.append(ready.popleft())
        except IndexError:
            pass
        if decode is None:
            return [data.decode() if kind == 1 else data for data, kind in taken]
        if decode:
            return [data.decode() if kind == 1 else self._decoded(data) for data, kind in taken]
        return [data for data, _ in taken]

    def __iter__(self) -> Iterator[Data]:
        """Every message until the connection is closed with 1000, 1001 or no code."""
        recv = self.recv
        try:
            while True:
                yield recv()
        except ConnectionClosedOK:
            return

    def _queue(self) -> deque[tuple[bytes, int]]:
        """The queue of messages that wait, to put some in."""
        if self._ready is NO_MESSAGES:
            with self._pings_lock:
                if self._ready is NO_MESSAGES:
                    self._ready = deque()
        return self._ready

    def _decoded(self, data: bytes) -> str:
        """Binary as text: what is not UTF-8 ends the connection, as text that is not would have."""
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            reason = f"{error.reason} at position {error.start}"
            self._fail(CloseCode.INVALID_DATA, reason, error)

    def _fail(self, code: int, reason: str, cause: BaseException) -> NoReturn:
        """Ends the connection for a reason of ours, and says so."""
        self.close(code, reason)
        exception = ConnectionClosedError(None, Close(code, reason))
        exception.__cause__ = cause
        self._failure = exception
        raise exception

    def _enter(self, what: str, goes_on: str | None = None) -> None:
        """Becomes the receiver; inside a message that is received in pieces only what ``goes_on`` with it may."""
        receiving = self._receiving
        if not receiving.acquire(False):
            if os.getpid() != self._pid:
                raise RuntimeError("the connection belongs to the parent of this forked process")
            if not self._draining or not receiving.acquire(timeout=1):
                raise ConcurrencyError(
                    f"cannot call {what} while another thread is already running recv or recv_streaming"
                )
        if self._in_pieces is not None and self._in_pieces != goes_on:
            receiving.release()
            raise ConcurrencyError(f"cannot call {what} before {self._in_pieces} has given the whole message")
        self._entered += 1
        self._inside = True

    def _leave(self) -> None:
        self._inside = False
        self._receiving.release()
        if self._wake_on_leaving:
            self._wake_on_leaving = False
            if self._fd >= 0:
                servicer().wake(self._fd)

    def _fetch(self, timeout: float | None, batch: bool = False) -> tuple[bytes, int]:
        """The next message from the library; more that came with it are ready behind it."""
        self._enter("recv")
        try:
            if self._failure is not None:
                raise self._failure
            end = end_of(timeout)
            while True:
                if self._message.kind or self._batch.count:
                    # A signal handler raised between the library's return and our taking it.
                    result = _lib.OK
                else:
                    result = self._receive(end, batch)
                if result == _lib.OK:
                    taken = self._take()
                    if taken is not None:
                        return taken
                    if self._ready:
                        return self._ready.popleft()
                elif result in (_lib.TIMEOUT, _lib.AGAIN):
                    if end is not None and time.monotonic() >= end:
                        raise TimeoutError(f"timed out in {timeout} s")
                elif result != _lib.INTERRUPTED:
                    raise self._ended(result)
        finally:
            self._leave()

    def _receive(self, end: float | None, batch: bool) -> int:
        """One call of the library's, no longer than until ``end``."""
        left = self._patience(end)
        if batch or self._lone <= 0:
            return self._ws_recv_batch(self._handle, left, BATCH_BYTES, BATCH_MESSAGES, self._batch_ref, None)
        self._lone -= 1
        return self._ws_recv(self._handle, left, self._message_ref, None)

    def _patience(self, end: float | None) -> int:
        """How long a call may wait."""
        left = _lib.FOREVER if end is None else milliseconds(max(end - time.monotonic(), 0))
        if (left < 0 or left > SLICE) and threading.current_thread() is _main_thread:
            return SLICE
        return left

    def _take(self) -> tuple[bytes, int] | None:
        """What the library has given: a message, or ``None`` with what it was put where it belongs."""
        message = self._message
        address, size, kind = _message_fields(message)
        if kind:
            data = string_at(address, size) if size else b""
            message.kind = 0
            return self._sorted(data, kind)
        batch = self._batch
        address, offsets, kinds, count = _batch_fields(batch)
        if count == 1:
            self._lone = LONE
        kinds = string_at(kinds, count)
        bounds = struct.unpack(f"@{count + 1}N", string_at(offsets, (count + 1) * _WORD))
        block = string_at(address, bounds[-1]) if bounds[-1] else b""
        cuts = iter(bounds)
        next(cuts)
        pieces: Iterable[tuple[bytes, int]] = zip([block[begin:end] for begin, end in zip(bounds, cuts)], kinds)
        if self.debug or kinds.strip(b"\1\2"):
            pieces = [piece for piece in pieces if self._sorted(*piece) is not None]
        ready = self._queue()
        try:
            ready.extend(pieces)
        finally:
            # Whatever raises here: taken once, and not twice.
            if ready:
                batch.count = 0
        batch.count = 0
        return None

    def _sorted(self, data: bytes, kind: int) -> tuple[bytes, int] | None:
        """A message as it is; what controls the connection is seen to, and is ``None``."""
        if kind <= _lib.BINARY:
            if self.debug:
                self.logger.debug("< %s", _shown(data, kind))
            return (data, kind)
        if kind == _lib.PONG:
            self._acknowledge(data)
        if self.debug:
            self.logger.debug("< %s", _shown(data, kind))
        return None


    # Receiving in pieces.

    @overload
    def recv_streaming(self, decode: Literal[True]) -> Iterator[str]: ...

    @overload
    def recv_streaming(self, decode: Literal[False]) -> Iterator[bytes]: ...

    @overload
    def recv_streaming(self, decode: bool | None = None) -> Iterator[Data]: ...

    def recv_streaming(self, decode: bool | None = None) -> Iterator[Data]:
        """Receives the next message in the pieces in which it comes, so that a huge one needs no huge memory.

        The iterator is to be used up: until it is, nothing else can be received. Where pieces begin and end is the
        network's choice, not the sender's. Raises as :meth:`recv`.
        """
        room = bytearray(PIECE)
        view = memoryview(room)
        decoder: codecs.IncrementalDecoder | None = None
        first = True
        while True:
            self._enter("recv_streaming", "recv_streaming" if not first else None)
            try:
                piece = self._piece(room, None)
                self._in_pieces = None if piece.final else "recv_streaming"
            finally:
                self._leave()
            if first and (piece.text if decode is None else decode):
                decoder = codecs.getincrementaldecoder("utf-8")()
            data: Any = bytes(view[: piece.size])
            if decoder is not None:
                try:
                    data = decoder.decode(data, piece.final)
                except UnicodeDecodeError as error:
                    self._in_pieces = None
                    self._fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}", error)
            if data or first:
                yield data
            first = False
            if piece.final:
                return

    def recv_into(self, buffer: Any, timeout: float | None = None) -> Piece:
        """Receives the next piece of a message into writable memory, as much as is here and fits, without a copy.

        A message is begun by the first call and ends with the piece that is ``final``; until then nothing else can be
        received. The memory must have 125 bytes or more. Raises as :meth:`recv`.
        """
        self._enter("recv_into", "recv_into")
        try:
            piece = self._piece(buffer, timeout)
            self._in_pieces = None if piece.final else "recv_into"
            return piece
        finally:
            self._leave()

    def _piece(self, buffer: Any, timeout: float | None) -> Piece:
        """The next piece of data, in the memory; the caller is the receiver."""
        address, room, keep = room_of(buffer)
        if room < CONTROL:
            raise ValueError(f"the memory for a piece has {room} bytes; it needs {CONTROL}")
        if self._failure is not None:
            raise self._failure
        while self._message.kind or self._batch.count:
            taken = self._take()
            if taken is not None:
                self._queue().append(taken)
        if self._ready:
            return self._piece_of_ready(buffer, room)
        end = end_of(timeout)
        size, kind, final = c_size_t(), c_int(), c_int()
        places = byref(size), byref(kind), byref(final)
        while True:
            result = self._calls.ws_recv_into(self._handle, self._patience(end), address, room, *places, None)
            if result == _lib.OK:
                if kind.value <= _lib.BINARY:
                    del keep
                    return Piece(size.value, kind.value == _lib.TEXT, bool(final.value))
                self._sorted(bytes(memoryview(buffer).cast("B")[: size.value]), kind.value)
            elif result in (_lib.TIMEOUT, _lib.AGAIN):
                if end is not None and time.monotonic() >= end:
                    raise TimeoutError(f"timed out in {timeout} s")
            elif result != _lib.INTERRUPTED:
                raise self._ended(result)

    def _piece_of_ready(self, buffer: Any, room: int) -> Piece:
        """A piece of a message that was fetched whole."""
        data, kind = self._ready.popleft()
        piece, rest = data[:room], data[room:]
        memoryview(buffer).cast("B")[: len(piece)] = piece
        if rest:
            self._ready.appendleft((rest, kind))
        return Piece(len(piece), kind == _lib.TEXT, not rest)

    # Sending.

    def send(self, message: DataLike | Iterable[DataLike], text: bool | None = None) -> None:
        """Sends a message: ``str`` as text, bytes-like as binary; ``text`` says otherwise. Returns when it is written.

        Anything with a contiguous buffer is bytes-like (``array``, numpy's arrays), and is not copied. An iterable of
        pieces, all ``str`` or all bytes-like, is sent as one message, a fragment for each piece.

        Raises:
            ConnectionClosed: the connection is over.
            TypeError: neither of these.
            ValueError: ``text=True`` with bytes that are not UTF-8; nothing was sent.
        """
        keep: Any = None
        data: Any
        if isinstance(message, str):
            kind = _lib.BINARY if text is False else _lib.TEXT
            data = message.encode()
            size = len(data)
        elif isinstance(message, bytes):
            kind = _lib.TEXT if text else _lib.BINARY
            data, size = message, len(message)
        else:
            buffer = buffer_of(message)
            if buffer is None:
                return self._send_pieces(message, text)  # type: ignore[arg-type]
            kind = _lib.TEXT if text else _lib.BINARY
            data, size, keep = buffer
        if self._fragmenting is not None and self._fragmenting == threading.get_ident():
            raise ConcurrencyError("cannot call send while this thread is sending the pieces of another message")
        if self.debug:
            self.logger.debug("> %s", _shown(message, kind))
        # The GIL is let go of; a signal ends the wait, with nothing of the message taken.
        result = self._ws_send(self._handle, kind, data, c_size_t(size), SLICE, None)
        if result:
            self._send_on(result, lambda: self._ws_send(self._handle, kind, data, c_size_t(size), SLICE, None))
        del keep

    def _send_on(self, result: int, again: Callable[[], int]) -> None:
        """What a call that sends answered, and was not done at once."""
        while result != _lib.OK:
            if result == _lib.PENDING:
                # Taken whole, with bytes left inside: wait on, for the writing only.
                again = self._flush_once
            elif result not in (_lib.TIMEOUT, _lib.AGAIN, _lib.INTERRUPTED):
                raise self._ended(result)
            result = again()

    def _flush_once(self) -> int:
        return int(self._calls.ws_flush(self._handle, SLICE, None))

    def _send_pieces(self, pieces: Iterable[DataLike], text: bool | None) -> None:
        if isinstance(pieces, Mapping):
            raise TypeError("data is a dict-like object")
        if not isinstance(pieces, Iterable):
            raise TypeError(f"message must be str, bytes-like, or an iterable of these, not {type(pieces).__name__}")
        chunks = iter(pieces)
        try:
            chunk = next(chunks)
        except StopIteration:
            return
        is_text = isinstance(chunk, str)
        if not is_text and buffer_of(chunk) is None:
            raise TypeError(f"the pieces must be str or bytes-like, not {type(chunk).__name__}")
        if self._fragmenting is not None and self._fragmenting == threading.get_ident():
            raise ConcurrencyError("cannot call send while this thread is sending the pieces of another message")
        kind = _lib.TEXT if (is_text if text is None else text) else _lib.BINARY
        with self._fragments:
            self._send_begun(kind, chunk, chunks)

    def _send_begun(self, kind: int, chunk: Any, chunks: Iterator[Any]) -> None:
        """Sends a message whose first piece is there."""
        is_text = isinstance(chunk, str)
        self._fragmenting = threading.get_ident()
        begun = False
        try:
            self._send_piece(kind, chunk, False)
            begun = True
            for chunk in chunks:
                if isinstance(chunk, str) is not is_text or (not is_text and buffer_of(chunk) is None):
                    raise TypeError("the pieces must all be str, or all be bytes-like")
                self._send_piece(kind, chunk, False)
            self._send_piece(kind, b"", True)
        except ConnectionClosed:
            raise
        except BaseException:
            # Half a message is out, and there is no way to take it back.
            self._fragmenting = None
            if begun:
                self.close(CloseCode.INTERNAL_ERROR, "error in fragmented message")
            raise
        finally:
            self._fragmenting = None

    def _send_piece(self, kind: int, chunk: Any, final: bool) -> None:
        data, size, keep = buffer_of(chunk.encode() if isinstance(chunk, str) else chunk) or (b"", 0, None)

        def once() -> int:
            return int(self._calls.ws_send_fragment(self._handle, kind, data, size, int(final), SLICE, None))

        self._send_on(once(), once)
        del keep

    # Pings.

    def ping(self, data: DataLike | None = None, ack_on_close: bool = False) -> Pong:
        """Sends a ping with at most 125 bytes, or four of its own.

        Returns:
            What is set when the pong has come: ``ping().wait(timeout)``. With ``ack_on_close`` the end sets it too.

        Raises:
            ConnectionClosed: the connection is over.
            ConcurrencyError: a ping with the same data is on its way.
        """
        raw = None if data is None else _control(data)
        pong = Pong(self, ack_on_close)
        with self._pings_lock:
            if raw is not None and raw in self._pings:
                raise ConcurrencyError("already waiting for a pong with the same data")
            while raw is None or raw in self._pings:
                raw = os.urandom(4)
            self._pings[raw] = pong
        try:
            self._deliver_control()
            self._send_control(self._calls.ws_ping, raw)
        except BaseException:
            with self._pings_lock:
                self._pings.pop(raw, None)
            raise
        return pong

    def pong(self, data: DataLike = b"") -> None:
        """Sends a pong that nobody asked for, with at most 125 bytes: a sign of life."""
        self._send_control(self._calls.ws_pong, _control(data))

    def _deliver_control(self) -> None:
        """Lets pongs come as messages, from the first ping on that somebody may wait for."""
        if not self._delivers:
            self._delivers = True
            held.ws_set_control(self._handle, 1, 1, 1, None)

    def _send_control(self, function: Callable[..., int], raw: bytes) -> None:
        error = c_void_p()

        def once() -> int:
            return function(self._handle, raw, len(raw), SLICE, byref(error))

        result = once()
        if result < 0 and not ends_connection(result):
            raise failure(result, error)
        if error:
            lib.ws_error_free(error)
        self._send_on(result, once)

    def _acknowledge(self, data: bytes) -> None:
        """A pong answers its ping and those before it (RFC 6455 5.5.3)."""
        with self._pings_lock:
            if data not in self._pings:
                return
            for sent, pong in list(self._pings.items()):
                del self._pings[sent]
                if sent == data:
                    self._latency = time.monotonic() - pong.sent_at
                pong.set()
                if sent == data:
                    return

    def _receive_for_pong(self, timeout: float | None) -> bool:
        """Receives for a while, putting messages aside; ``False`` where that is not ours to do."""
        if len(self._ready) >= (self._read_ahead or sys.maxsize) or self._closed or self._failure is not None:
            return False
        try:
            self._enter("wait")
        except ConcurrencyError:
            return False
        try:
            end = time.monotonic() + (0.05 if timeout is None else min(timeout, 0.05))
            if not (self._message.kind or self._batch.count):
                result = self._receive(end, True)
                if ends_connection(result):
                    self._release_pings()
                    return False
                if result != _lib.OK:
                    return True
            taken = self._take()
            if taken is not None:
                self._queue().append(taken)
            return True
        finally:
            self._leave()

    def _release_pings(self) -> None:
        """No pong will come any more."""
        with self._pings_lock:
            pongs = list(self._pings.values())
            self._pings.clear()
        for pong in pongs:
            if pong.ack_on_close:
                pong.set()

    # The end.

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes: the close handshake, at most ``close_timeout`` seconds, then TCP. Again does nothing.

        A connection that is over already, or a server that does not answer in time, is no exception here:
        :attr:`close_code` tells.
        """
        raw, code = c_text(reason), sendable(code)
        first = self._sent is None and not self._closed and not held.ws_close_code(self._handle)
        if first and self._fragmenting is not None:
            code, raw = CloseCode.INTERNAL_ERROR, b"close during fragmented message"
        end = None if self.close_timeout is None else time.monotonic() + max(self.close_timeout, 0.001)
        if first:
            self._sent = Close(code, raw.decode())
        error = c_void_p()
        while True:
            left = SLICE if end is None else max(milliseconds(end - time.monotonic()), 1)
            if end is None or threading.current_thread() is not _main_thread:
                left = _lib.FOREVER if end is None else left
            result = self._calls.ws_close(self._handle, code, raw, left, byref(error))
            if result not in (_lib.INTERRUPTED, _lib.AGAIN):
                break
        if result < 0 and not ends_connection(result):
            if first:
                self._sent = None
            raise failure(result, error)
        if error:
            lib.ws_error_free(error)
        if first and result < 0 and close_received(self._handle) is None:
            # It had failed before, and our close frame was not sent.
            self._sent = None
        self._over()

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Waits until the connection is over; whether it is. Messages that come meanwhile are kept for :meth:`recv`."""
        end = end_of(timeout)
        while self.state is not State.CLOSED:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return False
            if not self._receive_for_pong(left):
                time.sleep(0.02 if left is None else min(left, 0.02))
        return True

    def _over(self) -> None:
        """The connection is over: nobody needs to look after it any more."""
        self._closed = True
        if self._fd >= 0:
            servicer().remove(self._fd)
        if self._carrier is not None:
            self._carrier.end()
        self._release_pings()
        if self.debug:
            self.logger.debug("= connection is CLOSED")

    def _ended(self, result: int) -> Exception:
        """The exception for a call that did not answer OK. What was not asked for with the call is asked for now."""
        if self._failure is not None:
            return self._failure
        if not ends_connection(result):
            return failure(result, c_void_p())
        error = c_void_p()
        if result != _lib.CLOSED:
            # Every later call answers the same failure; this one moves nothing.
            result = min(held.ws_process(self._handle, byref(error)), result) if not error else result
        exception = closed(self._handle, self._sent if not self._echoed() else None, result, error)
        if isinstance(exception, ConnectionClosed):
            self._over()
        return exception

    def _echoed(self) -> bool:
        """Whether the server closed first."""
        return self._sent is None

    def __enter__(self) -> ClientConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(1000 if kind is None else CloseCode.INTERNAL_ERROR)

    def __del__(self) -> None:
        handle, self._handle = getattr(self, "_handle", None), c_void_p()
        if not handle:
            return
        if not self._closed and not held.ws_close_code(handle) and os.getpid() == self._pid:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        if self._fd >= 0 and os.getpid() == self._pid:
            servicer().remove(self._fd)
        if self._carrier is not None:
            self._carrier.abandon()
        held.ws_message_free(self._message)
        held.ws_batch_free(self._batch)
        held.ws_conn_free(handle)

    def __reduce__(self) -> str:
        raise TypeError("a connection belongs to its process: it cannot be pickled")

    # For the servicer.

    def _service(self) -> int:
        """Does what can be done without a receiver; what is wanted next."""
        if self._pings and len(self._ready) < (self._read_ahead or sys.maxsize):
            self._drain()
        else:
            self._calls.ws_process(self._handle, None)
        return int(held.ws_wants(self._handle))

    def _due(self) -> float | None:
        """Seconds until :meth:`_service` is needed whatever comes."""
        left = held.ws_timeout(self._handle)
        return None if left < 0 else left / 1000

    def _drain(self) -> None:
        """Receives what is here, so that a pong that somebody waits for is seen."""
        self._draining = True
        try:
            if not self._receiving.acquire(False):
                return
            try:
                while len(self._ready) < (self._read_ahead or sys.maxsize) and self._in_pieces is None:
                    if not (self._message.kind or self._batch.count):
                        result = self._ws_recv(self._handle, _lib.NOWAIT, self._message_ref, None)
                        if ends_connection(result):
                            self._release_pings()
                        if result != _lib.OK:
                            break
                    taken = self._take()
                    if taken is not None:
                        self._queue().append(taken)
            finally:
                self._receiving.release()
        finally:
            self._draining = False

    # Logging.

    def _debugging(self) -> bool:
        if self._given_logger is None and "logging" not in sys.modules:
            return False  # what nobody has imported, nobody has turned on
        import logging

        return self.logger.isEnabledFor(logging.DEBUG)

    def _log_handshake(self) -> None:
        if self.request is not None:
            self.logger.debug("> GET %s HTTP/1.1", self.request.path)
            for name, value in self.request.headers.raw_items():
                secret = name.lower() in ("authorization", "cookie", "proxy-authorization")
                self.logger.debug("> %s: %s", name, "..." if secret else value)
        if self.response is not None:
            self.logger.debug("< HTTP/1.1 %d %s", self.response.status_code, self.response.reason_phrase)
            for name, value in self.response.headers.raw_items():
                self.logger.debug("< %s: %s", name, value)
        self.logger.debug("= connection is OPEN")


_WORD = struct.calcsize("@N")


def _control(data: DataLike) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"data must be str or bytes-like, not {type(data).__name__}")


_NAMES = {_lib.TEXT: "TEXT", _lib.BINARY: "BINARY", _lib.CLOSE: "CLOSE", _lib.PING: "PING", _lib.PONG: "PONG"}


def _shown(data: Any, kind: int) -> str:
    """A message for a log: its kind, its start, its size."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        size = len(data)
        start: Any = bytes(data[:48])
        start = start.decode("utf-8", "replace") if kind == _lib.TEXT else start.hex(" ")
    else:
        size, start = len(data) if hasattr(data, "__len__") else 0, str(data)[:48]
    return f"{_NAMES.get(kind, kind)} {start!r} [{size}]"


def _address(raw: Optional[bytes]) -> Any:
    if not raw:
        return None
    host, _, port = raw.decode().rpartition(":")
    if host.startswith("["):
        return (host[1:-1], int(port), 0, 0)
    return (host, int(port))
