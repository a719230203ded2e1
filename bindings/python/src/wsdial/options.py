"""The keywords of ``connect``: checked, and made into a dialer of the library's. For blocking and asyncio alike."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
import urllib.parse
from collections import OrderedDict
from collections.abc import Sequence
from ctypes import byref, c_int, c_void_p, create_string_buffer
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from . import _lib
from ._lib import held, lib
from .exceptions import InvalidProxy, InvalidStatus, InvalidURI, SecurityError, failure
from .http import Headers, Request, fields_of
from .typing import HeadersLike

if TYPE_CHECKING:
    import ssl as ssl_module

#: What ``User-Agent`` says unless told otherwise.
USER_AGENT = f"Python/{sys.version_info[0]}.{sys.version_info[1]} wsdial/{_lib.__version__}"

#: So many redirects are followed.
MAX_REDIRECTS = 10

#: So much of the body of a rejection is kept.
MAX_BODY = 2**20

#: So many bytes of messages are read ahead, beside ``max_queue``.
READ_AHEAD = 2**20

# A limit that is none.
UNLIMITED = 2**31 - 1

Limit = Optional[Union[int, "tuple[Optional[int], Optional[int]]"]]


def milliseconds(seconds: float | None, what: str = "timeout") -> int:
    """A time for the library, rounded up: ``None`` is for ever, what is negative is now."""
    if seconds is None:
        return _lib.FOREVER
    if seconds != seconds:
        raise ValueError(f"{what} is not a number")
    return min(max(math.ceil(min(seconds, 2**31) * 1000), 0), 2**31 - 1)


def end_of(timeout: float | None) -> float | None:
    """The moment at which a wait that begins now is over; ``None`` for one without an end."""
    if timeout is None:
        return None
    check_duration(timeout, "timeout")
    if timeout != timeout:
        raise ValueError("timeout is not a number")
    return time.monotonic() + max(timeout, 0)


def limit_of(value: Limit, what: str) -> int | None:
    """The limit for whole messages, or the high-water mark, of a number or a pair."""
    if isinstance(value, tuple):
        value = value[0]
    if value is not None and not isinstance(value, int):
        raise TypeError(f"{what} must be an int or None, not {type(value).__name__}")
    if value is not None and value <= 0:
        raise ValueError(f"{what} must be positive, or None for no limit")
    return value


@dataclass
class Options:
    """The keywords of ``connect`` that are the handshake's and the connection's, checked; waiting and sockets are not here."""

    origin: str | None = None
    extensions: Sequence[Any] | None = None
    subprotocols: Sequence[str] | None = None
    compression: str | None = "deflate"
    additional_headers: HeadersLike | None = None
    user_agent_header: str | None = USER_AGENT
    proxy: str | bool | None = True
    ping_interval: float | None = 20
    ping_timeout: float | None = 20
    max_size: Limit = 2**20
    max_queue: Limit = 16
    ca_file: str | os.PathLike[str] | None = None
    server_hostname: str | None = None
    interruptible: bool = False
    #: The request's own fields in their order: Origin, the user's, User-Agent.
    fields: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.subprotocols, str):
            raise TypeError("subprotocols must be a sequence of strings, not a string")
        if self.compression not in ("deflate", None):
            raise ValueError(f"unsupported compression: {self.compression}")
        if self.proxy not in (True, None) and not isinstance(self.proxy, str):
            raise TypeError("proxy must be True, None, or the address of a proxy")
        limit_of(self.max_size, "max_size")
        limit_of(self.max_queue, "max_queue")
        _duration(self.ping_interval, "ping_interval")
        _duration(self.ping_timeout, "ping_timeout")
        if self.extensions:
            raise ValueError("extensions other than permessage-deflate, which compression turns on, are not supported")
        self.fields = fields_of(self.additional_headers)
        if self.origin is not None:
            self.fields.insert(0, ("Origin", self.origin))
        named = {name.lower() for name, _ in self.fields if isinstance(name, str)}
        if self.user_agent_header is not None and "user-agent" not in named:
            self.fields.append(("User-Agent", self.user_agent_header))

    @property
    def read_ahead(self) -> int | None:
        """So many messages may wait for a receiver."""
        return limit_of(self.max_queue, "max_queue")

    def without_credentials(self) -> None:
        """Drops what is for one origin and no other."""
        secret = ("authorization", "cookie", "proxy-authorization", "host")
        self.fields = [item for item in self.fields if item[0].lower() not in secret]
        self.server_hostname = None

    def settings(self, host: str | None = None, proxy: str | bool | None = None) -> tuple[tuple[Any, ...], ...]:
        """What is to be set in a dialer: a function's name and its arguments each.

        ``host`` overrides the Host field. ``proxy`` is the proxy to go through: an address, ``True`` for the
        environment's, ``None`` for none; :attr:`proxy` has what the user said.
        """
        max_queue = self.read_ahead
        settings: list[tuple[Any, ...]] = [
            ("ws_dialer_set_max_message", limit_of(self.max_size, "max_size") or 0),
            ("ws_dialer_set_max_rejection_body", MAX_BODY),
            ("ws_dialer_set_keepalive", *self._keepalive()),
            ("ws_dialer_set_read_ahead", *((max_queue, READ_AHEAD) if max_queue else (UNLIMITED, sys.maxsize))),
            ("ws_dialer_set_interruptible", int(self.interruptible)),
        ]
        if self.compression is not None:
            settings.append(("ws_dialer_set_compression", 1))
        if proxy is True:
            environment = tuple(os.environ.get(name) for name in _PROXY_VARIABLES)
            if any(environment):
                # The environment is part of what is decided: the dialer reads it when it is made.
                settings.append(("ws_dialer_set_proxy_from_env",))
                settings.append(("", environment, os.environ.get("no_proxy"), os.environ.get("NO_PROXY")))
        elif proxy is not None:
            settings.append(("ws_dialer_set_proxy", c_text(str(proxy))))
            if self.user_agent_header is not None:
                settings.append(("ws_dialer_add_proxy_header", b"User-Agent", c_text(self.user_agent_header)))
        settings += (("ws_dialer_add_subprotocol", c_text(name)) for name in self.subprotocols or ())
        if host is not None and not any(name.lower() == "host" for name, _ in self.fields):
            settings.append(("ws_dialer_add_header", b"Host", c_text(host)))
        settings += (("ws_dialer_add_header", c_text(name), c_text(value)) for name, value in self.fields)
        if self.ca_file is not None:
            settings.append(("ws_dialer_add_ca_file", os.fsencode(self.ca_file)))
        if self.server_hostname is not None:
            settings.append(("ws_dialer_set_server_name", c_text(self.server_hostname)))
        return tuple(settings)

    def _keepalive(self) -> tuple[int, int]:
        if self.ping_interval is None:
            return (0, 0)
        day = 24 * 60 * 60 * 1000
        timeout = 0 if self.ping_timeout is None else max(milliseconds(self.ping_timeout), 1)
        return (min(max(milliseconds(self.ping_interval), 1), day), min(timeout, day))


def check_kinds(
    *, create_connection: Any = None, logger: Any = None, sock: Any = None, ssl: Any = None, proxy_ssl: Any = None
) -> None:
    """Tells keywords of a wrong type before anything is sent; what they can do counts, not what they are."""
    if create_connection is not None and not callable(create_connection):
        raise TypeError(f"create_connection must be a class of connections, not {type(create_connection).__name__}")
    for what, value, needed, kind in (
        ("logger", logger, "isEnabledFor", "a logger"),
        ("sock", sock, "getpeername", "a connected socket"),
        ("ssl", ssl, "wrap_bio", "an SSLContext"),
        ("proxy_ssl", proxy_ssl, "wrap_bio", "an SSLContext"),
    ):
        if value is not None and not hasattr(value, needed):
            raise TypeError(f"{what} must be {kind}, not {type(value).__name__}")


def check_duration(seconds: float | None, what: str) -> None:
    """Tells a time that is no number."""
    if seconds is not None and not hasattr(seconds, "__float__"):
        raise TypeError(f"{what} must be a number of seconds or None, not {type(seconds).__name__}")


def _duration(seconds: float | None, what: str) -> None:
    check_duration(seconds, what)
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"{what} must not be negative, nor other than a number")


#: Where the environment names proxies, in the order in which the library looks for one.
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def proxy_of_environment(secure: bool) -> str | None:
    """The address of the proxy that the environment names, for when :func:`route` says that there is one."""
    names = _PROXY_VARIABLES[:2] if secure else _PROXY_VARIABLES[2:4]
    for name in names + _PROXY_VARIABLES[4:]:
        value = os.environ.get(name)
        if value:
            return value
    return None


def route(dialer: Dialer, uri: str) -> tuple[str, int]:
    """Where to connect to: the proxy if there is one, else the address."""
    host, port = create_string_buffer(256), c_int()
    checked(held.ws_dialer_route, dialer.handle, c_text(uri), host, len(host), byref(port))
    return host.value.decode(), port.value


class Dialer:
    """A ``ws_dialer``: freed with the last reference to it."""

    def __init__(self, settings: tuple[tuple[Any, ...], ...]) -> None:
        self.settings = settings
        self.handle: int | None = held.ws_dialer_new()
        if not self.handle:
            raise MemoryError("no memory for a dialer")
        for name, *arguments in settings:
            if not name:
                continue
            # Reading a file of certificates is no call to hold the GIL for.
            library = lib if name == "ws_dialer_add_ca_file" else held
            try:
                checked(getattr(library, name), self.handle, *arguments)
            except InvalidURI as error:
                raise InvalidProxy(arguments[0].decode(), error.msg) from None

    def __del__(self) -> None:
        handle, self.handle = getattr(self, "handle", None), None
        if handle:
            held.ws_dialer_free(handle)


# A dialer keeps parsed trust roots and TLS sessions, so the same keywords get the same one again.
_KEPT = 8
_dialers: OrderedDict[tuple[tuple[Any, ...], ...], Dialer] = OrderedDict()
_dialers_lock = threading.RLock()


#: The key of a file that may have changed without a sign of it: what was read from it is not kept.
_PASSING: tuple[Any, ...] = ("passing",)


def _standing(path: bytes) -> tuple[Any, ...]:
    """What changes when a file says something else the next time."""
    try:
        about = os.stat(path)
    except OSError:
        return _PASSING  # the library says what is wrong with it
    if time.time_ns() - about.st_mtime_ns < 2_000_000_000:
        return _PASSING  # another change within the clock's grain would not be seen
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def dialer_for(settings: tuple[tuple[Any, ...], ...]) -> Dialer:
    """A dialer with these settings, from :meth:`Options.settings`; keep the reference as long as it is used."""
    key = settings + tuple(_standing(setting[1]) for setting in settings if setting[0] == "ws_dialer_add_ca_file")
    with _dialers_lock:
        dialer = _dialers.get(key)
        if dialer is not None:
            _dialers.move_to_end(key)
            return dialer
    dialer = Dialer(settings)
    if _PASSING in key:
        return dialer
    with _dialers_lock:
        _dialers[key] = dialer
        while len(_dialers) > _KEPT:
            _dialers.popitem(last=False)
    return dialer


def _after_fork() -> None:
    global _dialers_lock
    _dialers_lock = threading.RLock()
    _dialers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def checked(function: Callable[..., int], *arguments: Any) -> int:
    """Calls a function that may fail, with a place for its error; its exception, or its result."""
    error = c_void_p()
    result = function(*arguments, byref(error))
    if result < 0:
        raise failure(result, error, "")
    return result


def c_text(text: str) -> bytes:
    """Text for the library."""
    if not isinstance(text, str):
        raise TypeError(f"expected a str, not {type(text).__name__}: {text!r}")
    if "\0" in text:
        raise ValueError(f"a NUL in {text!r}")
    return text.encode()


# Addresses, for those who connect themselves. What the library says of an address is the last word; this only splits it.


@dataclass(frozen=True)
class Address:
    """A ``ws`` or ``wss`` address in its parts."""

    secure: bool
    host: str
    port: int
    path: str
    user_info: str = ""

    @property
    def origin(self) -> tuple[bool, str, int]:
        """What decides whether credentials may go along."""
        return (self.secure, self.host, self.port)

    @property
    def host_field(self) -> str:
        """The Host field: default ports are left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    def plain(self) -> str:
        """The same address for a handshake inside TLS that somebody else makes."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user_info}@" if self.user_info else ""
        return f"ws://{user}{host}:{self.port}{self.path}"


def parse_uri(uri: str) -> Address:
    """Splits an address; raises :exc:`InvalidURI`."""
    if not isinstance(uri, str):
        raise TypeError(f"expected a str, not {type(uri).__name__}: {uri!r}")
    try:
        parsed = urllib.parse.urlsplit(uri)
        host, port = parsed.hostname, parsed.port
    except ValueError as error:
        raise InvalidURI(uri, str(error)) from None
    if parsed.scheme not in ("ws", "wss"):
        raise InvalidURI(uri, "scheme isn't ws or wss")
    if not host:
        raise InvalidURI(uri, "hostname isn't provided")
    if parsed.fragment:
        raise InvalidURI(uri, "fragment identifier is meaningless")
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise InvalidURI(uri, str(error)) from None
    secure = parsed.scheme == "wss"
    path = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
    path = path if path.isascii() else urllib.parse.quote(path, safe=":/?#[]@!$&'()*+,;=%")
    user_info, at, _ = parsed.netloc.rpartition("@")
    return Address(secure, host, port or (443 if secure else 80), path, user_info if at else "")


def unix_socket_of(uri: str) -> tuple[str, str]:
    """The socket of a ``ws+unix`` address, and what to ask there for; whether they can be is for the library to say."""
    rest = uri.partition(":")[2]
    path, _, target = (rest[2:] if rest.startswith("//") else rest).partition(":")
    return os.fsdecode(urllib.parse.unquote_to_bytes(path)), target if target.startswith("/") else "/" + target


def redirected(uri: str, exception: BaseException, options: Options, *, fixed: str | None = None) -> str | None:
    """Where an answer sends us, or ``None`` when it is no redirect; credentials are dropped on the way to another origin.

    ``fixed`` says why another address cannot be connected to (a socket of the caller's, a unix socket), if so.
    """
    if not isinstance(exception, InvalidStatus) or exception.response.status_code not in (301, 302, 303, 307, 308):
        return None
    locations = exception.response.headers.get_all("Location")
    if len(locations) != 1:
        return None
    target = _join(uri, locations[0])
    old, new = parse_uri(uri), parse_uri(target)
    if fixed == "with a preexisting socket":
        raise ValueError(f"cannot follow redirect to {target} {fixed}") from exception
    if old.secure and not new.secure:
        raise SecurityError(f"cannot follow redirect to non-secure URI {target}") from exception
    if old.origin != new.origin:
        if fixed is not None:
            raise ValueError(f"cannot follow cross-origin redirect to {target} {fixed}") from exception
        options.without_credentials()
    return target


def _join(uri: str, location: str) -> str:
    """An absolute address; ``http`` stands for ``ws`` in a Location, as servers that know no WebSocket write it."""
    joined = urllib.parse.urljoin(uri, location)
    scheme, colon, rest = joined.partition(":")
    return {"http": "ws", "https": "wss"}.get(scheme.lower(), scheme) + colon + rest


def request_of(uri: str, options: Options) -> Request:
    """The request that was sent, but for its Sec-WebSocket-Key, which the library makes and keeps to itself."""
    if uri.startswith("ws+unix:"):
        host, path = "localhost", uri.rpartition(":")[2] if uri.count(":") > 1 else "/"
    else:
        address = parse_uri(uri)
        host, path = address.host_field, address.path
    headers = Headers()
    own = [("Host", host), ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]
    if any(name.lower() == "host" for name, _ in options.fields):
        del own[0]
    if options.subprotocols:
        own.append(("Sec-WebSocket-Protocol", ", ".join(options.subprotocols)))
    headers._fields = own + list(options.fields)
    return Request(path, headers)
