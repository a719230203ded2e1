"""Dialing, blocking: the surface of ``websockets.sync.client``."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from ctypes import byref, c_void_p
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Literal, Optional, overload

from . import _lib
from ._lib import held, lib
from .connection import SLICE, ClientConnection
from .exceptions import E_INTERRUPTED, InvalidStatus, SecurityError, failure
from .options import (
    MAX_REDIRECTS,
    USER_AGENT,
    Address,
    Dialer,
    Limit,
    Options,
    c_text,
    check_duration,
    check_kinds,
    dialer_for,
    milliseconds,
    parse_uri,
    proxy_of_environment,
    redirected,
    request_of,
    route,
)
from .redial import backoff
from .redial import process_exception as default_process_exception
from .typing import HeadersLike, LoggerLike, PathLike

if TYPE_CHECKING:
    import http.cookiejar
    import socket as socket_module
    import ssl as ssl_module

__all__ = ["ClientConnection", "connect", "reconnect", "unix_connect", "unix_reconnect"]

# What socket.create_connection takes.
_SOCKET_KEYWORDS = frozenset(("address", "timeout", "source_address", "all_errors"))


class reconnect:
    """As :func:`connect`, whose keywords it takes, for a connection that is made again and again.

    ::

        for ws in wsdial.reconnect("wss://feed.example"):
            try:
                for message in ws:
                    ...
            except wsdial.ConnectionClosed:
                continue

    A dial that fails is tried again with growing, jittered delays where ``process_exception`` answers ``None`` for its
    exception, and raises what it answers otherwise. A connection is closed when the loop comes back for the next. As a
    context manager it gives one connection.

    Args:
        process_exception: tells failures worth another try; :func:`wsdial.redial.process_exception` unless given.
        reconnect_delays: makes an iterator of seconds; :func:`wsdial.redial.backoff` unless given.
    """

    def __init__(
        self,
        uri: str,
        *,
        sock: socket_module.socket | None = None,
        ssl: ssl_module.SSLContext | None = None,
        server_hostname: str | None = None,
        origin: str | None = None,
        extensions: Sequence[Any] | None = None,
        subprotocols: Sequence[str] | None = None,
        compression: str | None = "deflate",
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = USER_AGENT,
        proxy: str | bool | None = True,
        proxy_ssl: ssl_module.SSLContext | None = None,
        proxy_server_hostname: str | None = None,
        process_exception: Callable[[Exception], Optional[Exception]] = default_process_exception,
        open_timeout: float | None = 10,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        reconnect_delays: Callable[[], Iterator[float]] = backoff,
        max_size: Limit = 2**20,
        max_queue: Limit = 16,
        logger: LoggerLike | None = None,
        create_connection: Callable[..., ClientConnection] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        cookies: http.cookiejar.CookieJar | None = None,
        servicing: bool = True,
        **kwargs: Any,
    ) -> None:
        if ssl is None:
            ssl = kwargs.pop("ssl_context", None)
        self._unix: PathLike | None = kwargs.pop("path", None) if kwargs.pop("unix", False) else None
        unknown = set(kwargs) - _SOCKET_KEYWORDS
        if unknown:
            raise TypeError(f"connect() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        c_text(uri)
        check_kinds(create_connection=create_connection, logger=logger, sock=sock, ssl=ssl, proxy_ssl=proxy_ssl)
        if ssl is not None:
            if not parse_uri(uri).secure:
                raise ValueError("ssl argument is incompatible with a ws:// URI")
            if ca_file is not None:
                raise ValueError("ca_file is for the library's own TLS: an SSLContext brings its own roots")
        for what, seconds in (("open_timeout", open_timeout), ("close_timeout", close_timeout)):
            check_duration(seconds, what)
            milliseconds(seconds, what)
        self.uri = uri
        self.sock, self.ssl, self.server_hostname = sock, ssl, server_hostname
        self.proxy_ssl, self.proxy_server_hostname = proxy_ssl, proxy_server_hostname
        self.process_exception, self.reconnect_delays = process_exception, reconnect_delays
        self.open_timeout, self.close_timeout = open_timeout, close_timeout
        self.logger, self.cookies, self.servicing = logger, cookies, servicing
        self.create_connection = create_connection or ClientConnection
        self._socket_keywords = kwargs
        self._keywords = dict(
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
            max_queue=max_queue,
            ca_file=ca_file,
            server_hostname=server_hostname,
            interruptible=True,
        )
        self._connection: ClientConnection | None = None
        # Bad keywords are told now, by whoever checks them: this package, or the library.
        self._options = Options(**self._keywords)  # type: ignore[arg-type]
        dialer_for(self._options.settings(proxy=self._options.proxy))

    def connect(self) -> ClientConnection:
        """Dials once, following redirects."""
        uri, options = self.uri, self._options
        self._options = Options(**self._keywords)  # type: ignore[arg-type]
        end = None if self.open_timeout is None else time.monotonic() + max(self.open_timeout, 0.001)
        fixed = None
        if self.sock is not None:
            fixed = "with a preexisting socket"
        elif self._unix is not None:
            fixed = "with a Unix socket"
        elif self._socket_keywords.get("address") is not None:
            fixed = "with an explicit host and port"
        for _ in range(MAX_REDIRECTS + 1):
            try:
                return self._dial(uri, options, end)
            except Exception as error:
                target = redirected(uri, error, options, fixed=fixed)
                if target is None:
                    raise
                uri = target
        raise SecurityError(f"more than {MAX_REDIRECTS} redirects")

    def __enter__(self) -> ClientConnection:
        if self._connection is not None:
            raise RuntimeError("connect() isn't reentrant")
        self._connection = self.connect()
        return self._connection.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.__exit__(kind, value, traceback)

    def __iter__(self) -> Iterator[ClientConnection]:
        delays: Iterator[float] | None = None
        while True:
            try:
                with self as connection:
                    yield connection
            except Exception as error:
                try:
                    fatal = self.process_exception(error)
                except Exception as raised:
                    fatal = raised
                if fatal is error:
                    raise
                if fatal is not None:
                    raise fatal from error
                if delays is None:
                    delays = iter(self.reconnect_delays())
                delay = next(delays)
                self._log("connect failed; reconnecting in %.1f seconds: %s", delay, error)
                time.sleep(delay)
            else:
                delays = None

    def _log(self, *words: Any) -> None:
        import logging

        (self.logger or logging.getLogger("wsdial.client")).info(*words)

    # One dial.

    def _dial(self, uri: str, options: Options, end: float | None) -> ClientConnection:
        if self.cookies is not None:
            from ._cookies import cookie_field

            options = _with_cookie(options, cookie_field(self.cookies, uri))
        try:
            if self.sock is None and self.ssl is None and self.proxy_ssl is None and self._unix is None:
                if not self._socket_keywords and self.proxy_server_hostname is None:
                    dialer = dialer_for(options.settings(proxy=options.proxy))
                    return self._finish(uri, options, _dialed(uri, dialer, end))
            return self._dial_by_hand(uri, options, end)
        except Exception as error:
            if self.cookies is not None and isinstance(error, InvalidStatus):
                from ._cookies import store

                store(self.cookies, uri, error.response.headers)
            raise

    def _dial_by_hand(self, uri: str, options: Options, end: float | None) -> ClientConnection:
        """Over a socket that this package, or the caller, connected."""
        import socket

        address = parse_uri(uri)
        proxy: str | None = None
        if self.sock is not None:
            sock = self.sock
        elif self._unix is not None:
            sock = self._connected_unix(end)
        else:
            proxy, target = self._proxy(uri, address, options)
            keywords: dict[str, Any] = {"address": target, "timeout": _seconds(end), **self._socket_keywords}
            sock = socket.create_connection(**keywords)
        try:
            sock.settimeout(None)
            addresses = (sock.getsockname(), sock.getpeername())
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            if self.ssl is None and self.proxy_ssl is None and type(sock) is socket.socket:
                dialer = dialer_for(options.settings(proxy=proxy))
                return self._finish(uri, options, _adopted(sock, uri, dialer, end), addresses=addresses)
            return self._dial_over(sock, proxy, uri, options, end, addresses)
        except BaseException:
            sock.close()
            raise

    def _proxy(self, uri: str, address: Address, options: Options) -> tuple[str | None, tuple[str, int]]:
        """The proxy's address, if there is one, and where to connect to."""
        there = (address.host, address.port)
        if options.proxy is None:
            return None, there
        target = route(dialer_for(options.settings(proxy=options.proxy)), uri)
        if isinstance(options.proxy, str):
            proxy: str | None = options.proxy
        else:
            proxy = proxy_of_environment(address.secure) if target != there else None
        if self.proxy_ssl is not None and proxy is not None and not proxy.lower().startswith("https:"):
            raise ValueError("proxy_ssl argument is incompatible with an http:// proxy")
        return proxy, target if proxy is not None else there

    def _connected_unix(self, end: float | None) -> socket_module.socket:
        import socket

        assert self._unix is not None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(_seconds(end))
            sock.connect(os.fspath(self._unix))
            return sock
        except BaseException:
            sock.close()
            raise

    def _dial_over(
        self,
        sock: socket_module.socket,
        proxy: str | None,
        uri: str,
        options: Options,
        end: float | None,
        addresses: Any,
    ) -> ClientConnection:
        """Over bytes that Python moves: TLS of an ``SSLContext``, with the server, with the proxy, or with both."""
        from ._carrier import Carrier
        from ._streams import SocketStream, Stream, TLSStream

        address = parse_uri(uri)
        stream: Stream = SocketStream(sock)
        if proxy is not None and proxy.lower().startswith("https:"):
            import ssl

            context = self.proxy_ssl or ssl.create_default_context()
            name = self.proxy_server_hostname or addresses_host(proxy)
            stream = TLSStream(stream, context, name)
            stream.handshake(end)
            # The exchange runs inside this TLS, where the proxy is a plain one.
            proxy = "http" + proxy[5:]
        carrier = Carrier(stream)
        host = None
        inside = uri
        if self.ssl is not None:
            context, name = self.ssl, self.server_hostname or address.host
            inside, host = address.plain(), address.host_field

            def secured(below: Stream) -> Stream:
                above = TLSStream(below, context, name)
                above.handshake(end)
                return above

            if proxy is None:
                carrier.raise_stream(secured)
            else:
                carrier.raise_stream_before_request(secured)
        dialer = dialer_for(options.settings(host, proxy))
        handle, error = c_void_p(), c_void_p()
        result = lib.ws_dial_memory(c_text(inside), dialer.handle, byref(handle), byref(error))
        if result == _lib.AGAIN:
            try:
                result = carrier.handshake(handle, end, byref(error))
            except BaseException:
                held.ws_conn_free(handle)
                raise
        if result != _lib.OK:
            held.ws_conn_free(handle)
            raise failure(result, error, uri)
        return self._finish(uri, options, handle, carrier=carrier, addresses=addresses)

    def _finish(self, uri: str, options: Options, handle: c_void_p, **more: Any) -> ClientConnection:
        """The connection, which owns the handle from now on."""
        try:
            connection = self.create_connection(
                handle,
                request=request_of(uri, options),
                close_timeout=self.close_timeout,
                max_queue=options.read_ahead,
                logger=self.logger,
                servicing=self.servicing,
                **more,
            )
        except BaseException:
            # It is the connection's own once its constructor has taken it.
            if handle:
                held.ws_conn_free(handle)
            raise
        if self.cookies is not None and connection.response is not None:
            from ._cookies import store

            store(self.cookies, uri, connection.response.headers)
        return connection


def addresses_host(uri: str) -> str | None:
    """The host of any address."""
    import urllib.parse

    return urllib.parse.urlsplit(uri).hostname


def _seconds(end: float | None) -> float | None:
    return None if end is None else max(end - time.monotonic(), 0.001)


def _with_cookie(options: Options, cookie: str | None) -> Options:
    import copy

    other = copy.copy(options)
    other.fields = list(options.fields)
    if cookie is not None:
        other.fields.append(("Cookie", cookie))
    return other


def _dialed(uri: str, dialer: Dialer, end: float | None) -> c_void_p:
    """A connection by the library's own dial."""
    raw = c_text(uri)
    handle, error = c_void_p(), c_void_p()
    result = lib.ws_dial(raw, dialer.handle, _left(end), byref(handle), byref(error))
    if result == E_INTERRUPTED:
        # The handlers of the signal have run, and raised nothing: a thread that no signal disturbs does it over.
        lib.ws_error_free(error)
        result, error = _dialed_aside(raw, dialer, end, handle)
    if result != _lib.OK:
        raise failure(result, error, uri)
    return handle


def _dialed_aside(raw: bytes, dialer: Dialer, end: float | None, handle: c_void_p) -> tuple[int, c_void_p]:
    cancel = c_void_p()
    made = held.ws_cancel_new(byref(cancel), None)
    if made != _lib.OK:
        return made, c_void_p()
    # The token is this dial's alone, so the dialer is too.
    own = Dialer(dialer.settings)
    held.ws_dialer_set_cancel(own.handle, cancel, None)
    answer: list[tuple[int, c_void_p]] = []

    import signal

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        error = c_void_p()
        answer.append((lib.ws_dial(raw, own.handle, _left(end), byref(handle), byref(error)), error))

    thread = threading.Thread(target=run, name="wsdial dial", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(SLICE / 1000)
    except BaseException:
        held.ws_cancel_fire(cancel)
        thread.join()
        if handle:
            held.ws_conn_free(handle)
        raise
    finally:
        held.ws_cancel_free(cancel)
    if handle:
        held.ws_set_cancel(handle, None, None)
    return answer[0]


def _adopted(sock: socket_module.socket, uri: str, dialer: Dialer, end: float | None) -> c_void_p:
    """A connection over a connected socket, whose descriptor it takes."""
    raw = c_text(uri)
    handle, error = c_void_p(), c_void_p()
    result = lib.ws_dial_fd(sock.fileno(), raw, dialer.handle, _lib.NOWAIT, byref(handle), byref(error))
    if handle:
        sock.detach()
    try:
        import select

        while result == _lib.AGAIN:
            # Waiting is done here, where a signal's handlers run and the wait goes on (PEP 475).
            wants = held.ws_wants(handle)
            poll = select.poll()
            events = (select.POLLIN if wants & 1 else 0) | (select.POLLOUT if wants & 2 else 0)
            poll.register(held.ws_fd(handle), events)
            left = None if end is None else (end - time.monotonic()) * 1000
            if left is not None and left <= 0:
                raise TimeoutError("timed out during the opening handshake")
            if not wants & _lib.WANT_BUFFERED:
                poll.poll(left)
            result = lib.ws_handshake(handle, _lib.NOWAIT, byref(error))
    except BaseException:
        held.ws_conn_free(handle)
        raise
    if result != _lib.OK:
        if handle:
            held.ws_conn_free(handle)
        raise failure(result, error, uri)
    return handle


def _left(end: float | None) -> int:
    return _lib.FOREVER if end is None else max(milliseconds(end - time.monotonic()), 1)


if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    class Keywords(TypedDict, total=False):
        """The keywords of :func:`connect`."""

        sock: socket_module.socket | None
        ssl: ssl_module.SSLContext | None
        server_hostname: str | None
        origin: str | None
        extensions: Sequence[Any] | None
        subprotocols: Sequence[str] | None
        compression: str | None
        additional_headers: HeadersLike | None
        user_agent_header: str | None
        proxy: str | bool | None
        proxy_ssl: ssl_module.SSLContext | None
        proxy_server_hostname: str | None
        open_timeout: float | None
        ping_interval: float | None
        ping_timeout: float | None
        close_timeout: float | None
        max_size: Limit
        max_queue: Limit
        logger: LoggerLike | None
        create_connection: Callable[..., ClientConnection] | None
        ca_file: str | os.PathLike[str] | None
        cookies: http.cookiejar.CookieJar | None
        servicing: bool
        # Of socket.create_connection.
        address: tuple[str, int]
        timeout: float | None
        source_address: tuple[str, int] | None
        all_errors: bool


@overload
def connect(uri: str, *, legacy: Literal[True] | None = ..., **keywords: Unpack[Keywords]) -> ClientConnection: ...


@overload
def connect(uri: str, *, legacy: Literal[False], **keywords: Unpack[Keywords]) -> reconnect: ...


def connect(uri: str, *, legacy: bool | None = None, **keywords: Any) -> ClientConnection | reconnect:
    """Connects to the WebSocket server at ``uri``: ``with wsdial.connect("wss://...") as ws: ...``

    Args:
        uri: ``ws://``, ``wss://``, or ``ws+unix:/path/of/socket:/path``.
        sock: a connected socket to use instead of a new one, an ``ssl.SSLSocket`` too.
        ssl: an ``SSLContext`` that is used as it is; the library's own TLS with the system's roots unless given.
        server_hostname: name to send and to check in TLS instead of the address's host.
        origin: value of the ``Origin`` header field.
        extensions: none but permessage-deflate, which ``compression`` turns on.
        subprotocols: offered in this order; :attr:`ClientConnection.subprotocol` tells which one the server picked.
        compression: ``"deflate"`` offers permessage-deflate, ``None`` does not.
        additional_headers: fields of the handshake request.
        user_agent_header: value of ``User-Agent``; ``None`` leaves it out.
        proxy: ``True`` for the one that the environment names, ``None`` for none, or an address.
        proxy_ssl: an ``SSLContext`` for TLS with an ``https`` proxy.
        proxy_server_hostname: name to check in TLS with the proxy instead of its host.
        open_timeout: seconds for the whole dial, from the name's resolution to the verified answer, redirects included.
        ping_interval: seconds between keepalive pings; ``None`` for none.
        ping_timeout: seconds to wait for their pongs; ``None`` for no limit.
        close_timeout: seconds that ``close`` waits for the server.
        max_size: bytes that one received message may have; of a pair, the first.
        max_queue: messages that are read ahead where nobody receives; of a pair, the first.
        logger: where it is logged; ``logging.getLogger("wsdial.client")`` unless given.
        create_connection: makes the connection: :class:`ClientConnection` or what derives from it.
        ca_file: PEM file with further root certificates for ``wss``, beside those of the operating system.
        cookies: an ``http.cookiejar.CookieJar`` to take cookies from, and to put the server's into.
        servicing: whether the package's thread answers pings where nobody receives.
        legacy: ``False`` returns a :class:`reconnect` instead of a connection.
        keywords: of ``socket.create_connection``: ``address``, ``source_address``, ``timeout``, ``all_errors``.

    ``None`` for a time or a size is no limit.

    Raises:
        InvalidURI: the address cannot be dialed.
        InvalidProxy: the proxy's address cannot.
        InvalidHandshake: the server refused, or answered what is no WebSocket handshake.
        OSError: the connection was not to be had (``ssl.SSLError``, ``ConnectionRefusedError``, ``socket.gaierror`` ...).
        TimeoutError: it took longer than ``open_timeout``.
        ValueError, TypeError: a keyword cannot be used.
    """
    connecter = reconnect(uri, **keywords)
    return connecter if legacy is False else connecter.connect()


def unix_reconnect(path: PathLike | None = None, uri: str | None = None, **keywords: Any) -> reconnect:
    """As :func:`unix_connect`, made again and again: see :class:`reconnect`."""
    if path is None and keywords.get("sock") is None:
        raise ValueError("missing path argument")
    if path is not None and keywords.get("sock") is not None:
        raise ValueError("path is incompatible with sock")
    if uri is None:
        secure = keywords.get("ssl") is not None or keywords.get("ssl_context") is not None
        uri = "wss://localhost/" if secure else "ws://localhost/"
    if path is not None:
        keywords.update(unix=True, path=path)
    return reconnect(uri, **keywords)


@overload
def unix_connect(
    path: PathLike | None = ..., uri: str | None = ..., *, legacy: Literal[True] | None = ..., **keywords: Unpack[Keywords]
) -> ClientConnection: ...


@overload
def unix_connect(
    path: PathLike | None = ..., uri: str | None = ..., *, legacy: Literal[False], **keywords: Unpack[Keywords]
) -> reconnect: ...


def unix_connect(
    path: PathLike | None = None, uri: str | None = None, *, legacy: bool | None = None, **keywords: Any
) -> ClientConnection | reconnect:
    """Connects to a WebSocket server on a unix socket; ``uri``, ``ws://localhost/`` unless given, says what to ask for."""
    connecter = unix_reconnect(path, uri, **keywords)
    return connecter if legacy is False else connecter.connect()
