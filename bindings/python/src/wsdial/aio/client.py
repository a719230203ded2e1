"""Dialing on an event loop: asyncio connects, the library does the rest over the bytes."""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import AsyncIterator, Generator, Sequence
from ctypes import byref, c_void_p
from types import TracebackType
from typing import Any, Callable

from .._lib import held
from ..exceptions import InvalidURI, SecurityError, failure
from ..options import (
    MAX_REDIRECTS,
    USER_AGENT,
    Address,
    Options,
    c_text,
    check_duration,
    check_kinds,
    dialer_for,
    parse_uri,
    proxy_of_environment,
    redirected,
    request_of,
    route,
    unix_socket_of,
)
from ..typing import HeadersLike, LoggerLike, PathLike
from .connection import ClientConnection
from .limits import Limits, Marks
from .reconnect import backoff, process_exception
from .tools import time_limit
from .wire import Wire

#: Seconds until the next of a host's addresses is tried beside those that have not answered (RFC 8305).
HAPPY_EYEBALLS_DELAY = 0.25


class connect:
    """Connects to the WebSocket server at ``uri``.

    ``async with connect(...) as ws`` closes the connection at the end; ``ws = await connect(...)`` leaves that to you;
    ``async for ws in connect(...)`` connects again whenever the body is through or the connection was lost::

        async for ws in connect(uri):
            try:
                async for message in ws:
                    ...
            except wsdial.ConnectionClosed:
                continue

    Args:
        uri: ``ws://``, ``wss://``, or ``ws+unix:/path/of/socket:/path``.
        origin: value of the ``Origin`` header field.
        subprotocols: offered in this order; :attr:`ClientConnection.subprotocol` tells which one the server picked.
        compression: ``"deflate"`` or ``None``.
        additional_headers: fields of the handshake request.
        user_agent_header: value of the ``User-Agent`` field, ``None`` for none.
        proxy: ``True`` for the environment's, ``None`` for none, or a proxy's address.
        process_exception: tells of an exception whether ``async for`` tries again (``None``) or raises what it returns.
        open_timeout: seconds for the whole dial; ``None`` for no limit.
        ping_interval: seconds between keepalive pings; ``None`` for none.
        ping_timeout: seconds until the pong must have come; ``None`` for no limit.
        close_timeout: seconds that the end of the connection is awaited; ``None`` for no limit.
        reconnect_delays: makes the seconds between two tries of ``async for``.
        max_size: bytes that one received message may have; ``None`` for no limit.
        max_queue: so many messages may wait before nothing more is read, or a pair: nothing more is read above the first
            number, and again at the second; ``None`` for no limit.
        write_limit: ``send`` waits when more bytes are unsent, or a pair as above.
        logger: for what ``async for`` does, and as :attr:`ClientConnection.logger`.
        create_connection: a subclass of :class:`ClientConnection`.
        ssl: an :class:`ssl.SSLContext`, used by asyncio as it is, or ``True`` for Python's default one. Without it ``wss``
            is the library's own TLS with the operating system's roots.
        server_hostname: the name to check in TLS instead of the address's host.
        **kwargs: for the loop's ``create_connection``: ``host`` and ``port`` to connect to instead of the address's,
            ``sock``, ``family``, ``local_addr``, ``ssl_handshake_timeout`` ...

    Raises:
        InvalidURI: the address cannot be dialed; raised here, before anything is awaited.
        InvalidHandshake: the server refused, or answered what is no WebSocket handshake.
        OSError: the connection was not to be had.
        TimeoutError: it took longer than ``open_timeout``.
        ValueError: an option cannot be used.
    """

    def __init__(
        self,
        uri: str,
        *,
        origin: str | None = None,
        extensions: Sequence[Any] | None = None,
        subprotocols: Sequence[str] | None = None,
        compression: str | None = "deflate",
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = USER_AGENT,
        proxy: str | bool | None = True,
        process_exception: Callable[[Exception], Exception | None] = process_exception,
        open_timeout: float | None = 10,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        reconnect_delays: Callable[[], Generator[float, None, None]] = backoff,
        max_size: Marks = 2**20,
        max_queue: Marks = 16,
        write_limit: Marks = 2**15,
        logger: LoggerLike | None = None,
        create_connection: type[ClientConnection] | None = None,
        **kwargs: Any,
    ) -> None:
        uri = self._beside_unix(uri, kwargs)
        self.uri = uri
        address = checked_uri(uri)
        self._ssl = kwargs.pop("ssl", None)
        if not address.secure and self._ssl is not None:
            raise ValueError("ssl argument is incompatible with a ws:// URI")
        if self._ssl is True:
            import ssl

            self._ssl = ssl.create_default_context()
        self._server_hostname = kwargs.pop("server_hostname", None)
        for what, seconds in (("open_timeout", open_timeout), ("close_timeout", close_timeout)):
            check_duration(seconds, what)
        check_kinds(create_connection=create_connection, logger=logger, sock=kwargs.get("sock"), ssl=self._ssl)
        self._options = Options(
            origin=origin,
            extensions=extensions,
            subprotocols=subprotocols,
            compression=compression,
            additional_headers=additional_headers,
            user_agent_header=user_agent_header,
            proxy=proxy,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            max_size=max_size,
            ca_file=kwargs.pop("ca_file", None),
            server_hostname=self._server_hostname if self._ssl is None else None,
        )
        self._limits = Limits(uri, (ping_interval, ping_timeout, close_timeout), max_queue, write_limit)
        self._open_timeout = open_timeout
        self._process_exception = process_exception
        self._reconnect_delays = reconnect_delays
        self._logger = logger if logger is not None else logging.getLogger("wsdial.client")
        self._create_connection = create_connection if create_connection is not None else ClientConnection
        self._kwargs = kwargs
        # Bad options are told now, before anything is awaited.
        dialer_for(self._settings(address, self._options.proxy))

    def __await__(self) -> Generator[Any, None, ClientConnection]:
        return self._connect().__await__()

    async def __aenter__(self) -> ClientConnection:
        if hasattr(self, "_connection"):
            raise RuntimeError("connect() isn't reentrant")
        self._connection = await self
        return await self._connection.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection = self._connection
        del self._connection
        await connection.__aexit__(kind, value, traceback)

    async def __aiter__(self) -> AsyncIterator[ClientConnection]:
        delays: Generator[float, None, None] | None = None
        while True:
            try:
                async with self as connection:
                    yield connection
            except Exception as error:
                try:
                    verdict = self._process_exception(error)
                except Exception as raised:
                    verdict = raised
                if verdict is error:
                    raise
                if verdict is not None:
                    raise verdict from error
                delays = delays if delays is not None else self._reconnect_delays()
                delay = next(delays)
                said = traceback.format_exception_only(type(error), error)[-1].strip()
                self._logger.info("connect failed; reconnecting in %.1f seconds: %s", delay, said)
                await asyncio.sleep(delay)
            else:
                delays = None

    async def _connect(self) -> ClientConnection:
        uri, redirects = self.uri, 0
        try:
            async with time_limit(self._open_timeout):
                while True:
                    wire = await self._open_wire(uri)
                    try:
                        opening = wire.opening
                        if opening is not None:
                            await opening
                        elif wire.over is not None:
                            raise wire.over
                        break
                    except BaseException as error:
                        wire.drop()
                        target = redirected(uri, error, self._options, fixed=self._fixed)
                        if target is None:
                            raise
                        redirects += 1
                        if redirects > MAX_REDIRECTS:
                            raise SecurityError(f"more than {MAX_REDIRECTS} redirects") from error
                        uri = target
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise TimeoutError("timed out during opening handshake") from error
        try:
            return self._create_connection(wire, request_of(uri, self._options), self._logger)
        except BaseException:
            wire.drop()
            raise

    @staticmethod
    def _beside_unix(uri: str, kwargs: dict[str, Any]) -> str:
        """What to ask a socket for, with a ``ws+unix`` address's socket among the keywords; another as it is."""
        if not (isinstance(uri, str) and uri[:8].lower() == "ws+unix:"):
            return uri
        refusal = _refusal(uri)
        if refusal is not None:
            raise refusal
        if kwargs.get("sock") is None:
            kwargs.update(unix=True, path=unix_socket_of(uri)[0])
        return "ws://localhost" + unix_socket_of(uri)[1]

    @property
    def _fixed(self) -> str | None:
        """Why no other address can be connected to, if so."""
        if self._kwargs.get("sock") is not None:
            return "with a preexisting socket"
        if self._kwargs.get("unix"):
            return "with a Unix socket"
        if self._kwargs.get("host") is not None or self._kwargs.get("port") is not None:
            return "with an explicit host or port"
        return None

    def _settings(self, address: Address, proxy: str | bool | None) -> tuple[tuple[Any, ...], ...]:
        """For the library, which sees a ``ws`` address where asyncio makes the TLS."""
        is_foreign = address.secure and self._ssl is not None
        return self._options.settings(host=address.host_field if is_foreign else None, proxy=proxy)

    def _route(self, uri: str, address: Address) -> tuple[str | bool | None, tuple[str, int]]:
        """The proxy to go through, if there is one, and where to connect to."""
        there = (address.host, address.port)
        proxy = self._options.proxy
        if proxy is None or self._fixed is not None:
            return None, there
        target = route(dialer_for(self._settings(address, proxy)), uri)
        if target == there:
            return (None if proxy is True else proxy), there
        # To the library the address is a ws one, for which the environment names another proxy.
        return (proxy_of_environment(address.secure) if proxy is True else proxy), target

    async def _open_wire(self, uri: str) -> Wire:
        """Connects, and has the handshake begun."""
        loop = asyncio.get_running_loop()
        address = parse_uri(uri)
        proxy, target = self._route(uri, address)
        dialer = dialer_for(self._settings(address, proxy))
        url = address.plain() if address.secure and self._ssl is not None else uri
        conn, error = c_void_p(), c_void_p()
        result = held.ws_dial_memory(c_text(url), dialer.handle, byref(conn), byref(error))
        if result < 0:
            raise failure(result, error, uri)
        assert conn.value is not None
        wire = Wire(loop, conn.value, self._limits)
        kwargs = dict(self._kwargs)
        secured = {name: kwargs.pop(name) for name in list(kwargs) if name.startswith("ssl_")}
        if self._ssl is not None:
            secured["server_hostname"] = self._server_hostname or address.host
            if proxy is None:
                kwargs.update(secured, ssl=self._ssl)
            else:
                wire.tunnel = loop.create_future()
        try:
            if kwargs.pop("unix", False):
                await loop.create_unix_connection(lambda: wire, **kwargs)
            else:
                if kwargs.get("sock") is None:
                    kwargs.setdefault("host", target[0])
                    kwargs.setdefault("port", target[1])
                    if _races(loop) and not _is_literal(target[0]):
                        kwargs.setdefault("happy_eyeballs_delay", HAPPY_EYEBALLS_DELAY)
                await loop.create_connection(lambda: wire, **kwargs)
            if wire.tunnel is not None:
                await self._secure(wire, secured)
        except BaseException:
            wire.drop()
            raise
        return wire

    async def _secure(self, wire: Wire, options: dict[str, Any]) -> None:
        """TLS of asyncio's through the proxy, which has opened the way, or has failed, as the handshake will say."""
        assert wire.tunnel is not None
        await wire.tunnel
        wire.tunnel = None
        if wire.transport is None or wire.over is not None:
            return
        transport = await wire.loop.start_tls(wire.transport, wire, self._ssl, **options)
        if transport is not None:
            wire.carry_on(transport)
            wire.advance()


def checked_uri(uri: str) -> Address:
    """The parts of an address; of one that cannot be dialed the library says why not."""
    try:
        return parse_uri(uri)
    except InvalidURI as error:
        raise _refusal(uri) or error from None


def _refusal(uri: str) -> Exception | None:
    """What the library has against an address."""
    conn, error = c_void_p(), c_void_p()
    result = held.ws_dial_memory(c_text(uri), None, byref(conn), byref(error))
    if result < 0:
        return failure(result, error, uri)
    held.ws_conn_free(conn)
    return None


def _races(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop can try a host's addresses beside each other: uvloop's has no such parameter, and asyncio's fail at it
    when tasks are eager (before 3.12.8 and 3.13.1)."""
    return isinstance(loop, asyncio.BaseEventLoop) and loop.get_task_factory() is None


def _is_literal(host: str) -> bool:
    """Whether it is an address itself, so that there is one alone and nothing to race."""
    return ":" in host or host.replace(".", "").isdigit()


def unix_connect(path: PathLike | None = None, uri: str | None = None, **kwargs: Any) -> connect:
    """Connects to a server on a unix socket.

    Args:
        path: of the socket.
        uri: what to ask the server for; ``ws://localhost/``, or ``wss://localhost/`` when there is an ``ssl`` argument.
        **kwargs: as for :class:`connect`.
    """
    if uri is None:
        uri = "ws://localhost/" if kwargs.get("ssl") is None else "wss://localhost/"
    return connect(uri, unix=True, path=path, **kwargs)
