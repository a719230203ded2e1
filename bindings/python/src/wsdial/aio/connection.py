"""A connection on an event loop: the surface of ``websockets.asyncio.client.ClientConnection``."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
import warnings
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable
from ctypes import byref, c_uint64, c_void_p
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Literal, overload

from .. import _lib
from .._lib import held
from ..exceptions import ConcurrencyError, ConnectionClosedOK, failure, sendable
from ..frames import CloseCode, State
from ..http import Request, Response, read_headers, response
from ..typing import Data, DataLike, LoggerLike
from .sending import buffer_of, fragments_of, is_bytes_like, is_iterable
from .streaming import pieces_of
from .tools import FRAMED
from .wire import Wire

if TYPE_CHECKING:
    from typing_extensions import Self


class ClientConnection:
    """A WebSocket connection of an event loop, made by :func:`wsdial.aio.connect`.

    Its methods are called in the thread of that loop. Any number of tasks send, one receives at a time. Pings are answered
    whether or not anybody receives, as long as no more than ``max_queue`` messages wait.
    """

    __slots__ = ("__dict__", "__weakref__", "_id", "_logger", "_request", "_response", "_wire")

    def __init__(self, wire: Wire, request: Request, logger: LoggerLike) -> None:
        self._wire = wire
        self._request = request
        self._logger = logger
        self._response: Response | None = None
        self._id: uuid.UUID | None = None

    # Facts.

    @property
    def id(self) -> uuid.UUID:
        """Unlike any other connection's, for logs."""
        if self._id is None:
            self._id = uuid.uuid4()
        return self._id

    @property
    def logger(self) -> LoggerLike:
        """The logger that ``connect`` was given, or ``wsdial.client``; its records have the connection as ``websocket``."""
        return logging.LoggerAdapter(self._logger, {"websocket": weakref.proxy(self)})

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop whose connection it is."""
        return self._wire.loop

    @property
    def transport(self) -> asyncio.Transport | None:
        """asyncio's transport, for its ``get_extra_info``; ``None`` once the connection is closed. Neither read nor write."""
        return self._wire.transport

    @property
    def request(self) -> Request:
        """The request of the opening handshake."""
        return self._request

    @property
    def response(self) -> Response:
        """The answer of the opening handshake."""
        if self._response is None:
            conn = c_void_p(self._wire.conn)
            headers = read_headers(held.ws_response_header_at, conn)
            self._response = response(held.ws_response_status(conn), headers)
        return self._response

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server picked, or ``None``."""
        name: bytes = held.ws_subprotocol(self._wire.conn)
        return name.decode() or None

    @property
    def local_address(self) -> Any:
        """Our address as :meth:`socket.socket.getsockname` has it."""
        return self._wire.address("sockname")

    @property
    def remote_address(self) -> Any:
        """The server's address, or the proxy's, as :meth:`socket.socket.getpeername` has it."""
        return self._wire.address("peername")

    @property
    def state(self) -> State:
        """What the connection is in; to know whether a call will work, call it."""
        return self._wire.state

    @property
    def close_code(self) -> int | None:
        """The server's close code, 1005 when it gave none, 1006 when no close frame came; ``None`` while it lives."""
        over = self._wire.verdict()
        return over.code if over else None

    @property
    def close_reason(self) -> str | None:
        """The reason beside :attr:`close_code`; ``None`` while the connection lives."""
        over = self._wire.verdict()
        return over.reason if over else None

    @property
    def latency(self) -> float:
        """The seconds that the last answered ping took, of :meth:`ping` or of the keepalive; 0 before."""
        wire = self._wire
        if wire.keepalive_pong or not wire.latency:
            figure = c_uint64()
            held.ws_stat(wire.conn, _lib.STAT_ROUND_TRIP, byref(figure), None)
            wire.latency, wire.keepalive_pong = figure.value / 1e6 or wire.latency, False
        return wire.latency

    @property
    def ping_interval(self) -> float | None:
        """As ``connect`` was told."""
        return self._wire.limits.ping_interval

    @property
    def ping_timeout(self) -> float | None:
        """As ``connect`` was told."""
        return self._wire.limits.ping_timeout

    @property
    def close_timeout(self) -> float | None:
        """As ``connect`` was told."""
        return self._wire.limits.close_timeout

    # Receiving.

    @overload
    async def recv(self, decode: Literal[True]) -> str: ...

    @overload
    async def recv(self, decode: Literal[False]) -> bytes: ...

    @overload
    async def recv(self, decode: bool | None = None) -> Data: ...

    async def recv(self, decode: bool | None = None) -> Data:
        """Receives the next message: ``str`` for text, ``bytes`` for binary, or what ``decode`` says.

        Cancelling it loses nothing: the next call gets the message.

        Raises:
            ConnectionClosed: the connection is over, and every message that came before was received.
            ConcurrencyError: another task is receiving.
        """
        wire = self._wire
        if wire.waiter is not None or not wire.queue:
            await wire.message()
        message: Data = wire.queue.popleft()
        wire.answering = True
        if wire.reading_paused:
            wire.maybe_resume()
        if decode is None or decode == isinstance(message, str):
            return message
        return wire.decoded(message) if decode else message.encode()  # type: ignore[union-attr, arg-type]

    async def __aiter__(self) -> AsyncIterator[Data]:
        """Every message until the connection is closed with 1000, 1001 or no code."""
        wire = self._wire
        try:
            while True:
                if wire.waiter is not None or not wire.queue:
                    await wire.message()
                message = wire.queue.popleft()
                wire.answering = True
                if wire.reading_paused:
                    wire.maybe_resume()
                yield message
        except ConnectionClosedOK:
            return

    @overload
    def recv_streaming(self, decode: Literal[True]) -> AsyncIterator[str]: ...

    @overload
    def recv_streaming(self, decode: Literal[False]) -> AsyncIterator[bytes]: ...

    @overload
    def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Data]: ...

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Data]:
        """Receives the next message in pieces, as they come: a message of any length in little memory.

        It must be iterated to its end; else nothing more can be received. The server waits while you do not ask for the
        next piece. Raises what :meth:`recv` raises.
        """
        async for piece in pieces_of(self._wire, decode):
            yield piece

    # Sending.

    async def send(
        self,
        message: DataLike | Iterable[DataLike] | AsyncIterable[DataLike],
        *,
        text: bool | None = None,
    ) -> None:
        """Sends one message: ``str`` as text, bytes-like as binary; ``text`` says otherwise.

        An iterable or asynchronous iterable of either sends a message in fragments, an item each. Returns when fewer than
        ``write_limit`` bytes wait to be written. Cancelling it sends the message whole or not at all; in the middle of an
        iterable it ends the connection, as a message that is cut would be taken for a whole one.

        Raises:
            ConnectionClosed: the connection is over.
            TypeError: not something that can be sent.
            ValueError: ``text=True`` with bytes that are not UTF-8; nothing was sent.
        """
        wire = self._wire
        while wire.fragments is not None:
            await asyncio.shield(wire.fragments)
        if isinstance(message, (str, bytes)):
            if isinstance(message, str):
                data, kind = message.encode(), _lib.BINARY if text is False else _lib.TEXT
            else:
                data, kind = message, _lib.TEXT if text else _lib.BINARY
            if len(data) > FRAMED or not wire.send(kind, data):
                await self._put(kind, data, len(data))
            elif wire.writing_paused and wire.unsent > wire.limits.write_high:
                await wire.drained(wire.limits.write_high)
        elif is_bytes_like(message):
            with buffer_of(message) as (pointer, size):
                await self._put(_lib.TEXT if text else _lib.BINARY, pointer, size)
        elif is_iterable(message):
            await self._send_fragments(message, text)  # type: ignore[arg-type]
        else:
            raise TypeError("data must be str, bytes, iterable, or async iterable")

    async def _send_fragments(self, message: Iterable[DataLike] | AsyncIterable[DataLike], text: bool | None) -> None:
        wire = self._wire
        done = wire.fragments = wire.loop.create_future()
        kind, is_text = 0, None
        try:
            async for item, is_final in fragments_of(message):
                if is_text is None:
                    is_text = isinstance(item, str)
                elif is_text != isinstance(item, str):
                    raise TypeError("iterable must contain uniform types")
                if not is_text and not is_bytes_like(item):
                    raise TypeError("iterable must contain bytes or str")
                said = is_text if text is None else text
                with buffer_of(item.encode() if isinstance(item, str) else item) as (pointer, size):
                    await self._put(_lib.TEXT if said else _lib.BINARY, pointer, size, is_final)
                kind = _lib.TEXT
        except BaseException:
            if kind:
                # What was sent is no whole message and must not be taken for one.
                wire.begin_close(CloseCode.INTERNAL_ERROR, "error in fragmented message")
            raise
        finally:
            done.set_result(None)
            wire.fragments = None

    async def _put(self, kind: int, pointer: Any, size: int, is_final: bool | None = None) -> None:
        """Gives the library a message, or the fragment of one, and waits until not too much is unsent."""
        wire = self._wire
        tools = wire.tools
        while True:
            if is_final is None:
                result = held.ws_send(wire.conn, kind, pointer, size, 0, tools.at_error)
            else:
                result = held.ws_send_fragment(wire.conn, kind, pointer, size, is_final, 0, tools.at_error)
            if result == _lib.OK or result == _lib.PENDING:
                break
            await self._not_taken(result)
        if wire.writing_paused:
            wire.backlog += size
        else:
            wire.flush()
        if wire.writing_paused and wire.unsent > wire.limits.write_high:
            await wire.drained(wire.limits.write_high)
            if wire.lost:
                raise wire.ending()

    async def _not_taken(self, result: int) -> None:
        """Waits until it is worth trying again, or raises why it is not."""
        wire = self._wire
        if result == _lib.AGAIN:
            await wire.written()
            wire.flush()
            return
        error = c_void_p(wire.tools.error.value)
        if -300 < result < 0:
            raise failure(result, error, "")
        if result < 0:
            held.ws_error_free(error)
            wire.advance()
        raise await wire.ended()

    async def ping(self, data: DataLike | None = None) -> Awaitable[float]:
        """Sends a ping with at most 125 bytes. Returns a future of the seconds until its pong.

        Raises:
            ConnectionClosed: the connection is over; the future raises it as well when it ends before the pong.
            ConcurrencyError: the pong of a ping with the same data is awaited.
        """
        wire = self._wire
        payload = _control(data) if data is not None else None
        if wire.pings is None:
            wire.pings = {}
            held.ws_set_control(wire.conn, 1, 1, 1, None)
        if payload in wire.pings:
            raise ConcurrencyError("already waiting for a pong with the same data")
        while payload is None or payload in wire.pings:
            # Not eight bytes, which the keepalive's own have.
            payload = os.urandom(4)
        waiter: asyncio.Future[float] = wire.loop.create_future()
        wire.pings[payload] = (waiter, wire.loop.time())
        try:
            await self._send_control(held.ws_ping, payload)
        except BaseException:
            if wire.pings:
                wire.pings.pop(payload, None)
            raise
        return waiter

    async def pong(self, data: DataLike = b"") -> None:
        """Sends a pong that nobody asked for, with at most 125 bytes."""
        await self._send_control(held.ws_pong, _control(data))

    async def _send_control(self, function: Callable[..., int], payload: bytes) -> None:
        wire = self._wire
        while True:
            result = function(wire.conn, payload, len(payload), 0, wire.tools.at_error)
            if result == _lib.OK or result == _lib.PENDING:
                wire.flush()
                return
            await self._not_taken(result)

    # The end.

    async def close(self, code: CloseCode | int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Closes: the close handshake, then the end of TCP, at most ``close_timeout`` seconds. Again does nothing more.

        A connection that is over already, or a server that does not answer in time, is no exception here:
        :attr:`close_code` tells. Cancelling it leaves the close going on.
        """
        wire, code = self._wire, sendable(code)
        if "\0" in reason:
            raise ValueError("a NUL in the close reason")
        wire.begin_close(code, reason)
        wire.limit_end(wire.limits.close_timeout)
        await wire.until_lost()

    async def wait_closed(self) -> None:
        """Waits until the connection is closed."""
        await self._wire.until_lost()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close(CloseCode.NORMAL_CLOSURE if kind is None else CloseCode.INTERNAL_ERROR)

    def __del__(self) -> None:
        wire = getattr(self, "_wire", None)
        if wire is None or wire.lost or wire.transport is None:
            return
        if wire.sent is None and wire.over is None:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        wire.drop()

    def __reduce__(self) -> str:
        raise TypeError("a connection belongs to its event loop: it cannot be pickled")

    def __repr__(self) -> str:
        return f"<wsdial.aio.ClientConnection to {self._wire.limits.uri}: {self.state.name}>"


def _control(data: DataLike) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if is_bytes_like(data):
        return bytes(data)
    raise TypeError("data must be str or bytes-like")
