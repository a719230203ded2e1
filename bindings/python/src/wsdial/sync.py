"""Dialing: every decision of the user's becomes a setting of one ``ws_dialer``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from ctypes import byref, c_void_p
from typing import Union

from . import _lib
from ._lib import lib
from .connection import Connection
from .exceptions import failure
from .options import milliseconds

HeadersLike = Union[Mapping[str, str], Iterable["tuple[str, str]"]]


def connect(
    uri: str,
    *,
    origin: str | None = None,
    subprotocols: Sequence[str] | None = None,
    additional_headers: HeadersLike | None = None,
    open_timeout: float | None = 10,
    close_timeout: float | None = 10,
    max_size: int | None = 2**20,
    ca_file: str | os.PathLike[str] | None = None,
    server_hostname: str | None = None,
) -> Connection:
    """Connects to the WebSocket server at ``uri``.

    Args:
        uri: ``ws://`` or ``wss://``.
        origin: value of the ``Origin`` header field.
        subprotocols: offered in this order; ``Connection.subprotocol`` tells which one the server picked.
        additional_headers: fields of the handshake request.
        open_timeout: seconds for the whole dial, from the name's resolution to the verified answer; ``None`` for no limit.
        close_timeout: seconds that ``close`` waits for the server's close; ``None`` for no limit.
        max_size: bytes that one received message may have; ``None`` for no limit.
        ca_file: PEM file with further root certificates for ``wss``, beside those of the operating system.
        server_hostname: name to send and to check in TLS instead of the address's host.

    Raises:
        InvalidURI: the address cannot be dialed.
        InvalidHandshake: the server refused, or answered what is no WebSocket handshake.
        OSError: the connection was not to be had (``ssl.SSLError``, ``ConnectionRefusedError``, ``socket.gaierror`` ...).
        TimeoutError: it took longer than ``open_timeout``.
        ValueError: an option cannot be used.
    """
    fields = list(additional_headers.items() if isinstance(additional_headers, Mapping) else additional_headers or ())
    if origin is not None:
        fields.insert(0, ("Origin", origin))
    if isinstance(subprotocols, str):
        raise TypeError("subprotocols must be a sequence of strings, not a string")
    if max_size is not None and max_size <= 0:
        raise ValueError("max_size must be positive, or None for no limit")

    handle = lib.ws_dialer_new()
    if not handle:
        raise MemoryError("no memory for a dialer")
    try:
        _call(lib.ws_dialer_set_max_message, handle, max_size or 0)
        for name in subprotocols or ():
            _call(lib.ws_dialer_add_subprotocol, handle, _c_text(name))
        for name, value in fields:
            _call(lib.ws_dialer_add_header, handle, _c_text(name), _c_text(value))
        if ca_file is not None:
            _call(lib.ws_dialer_add_ca_file, handle, os.fsencode(ca_file))
        if server_hostname is not None:
            _call(lib.ws_dialer_set_server_name, handle, _c_text(server_hostname))

        conn, error = c_void_p(), c_void_p()
        limit = milliseconds(open_timeout, "open_timeout")
        result = lib.ws_dial(_c_text(uri), handle, max(limit, 1) if limit >= 0 else limit, byref(conn), byref(error))
    finally:
        lib.ws_dialer_free(handle)
    if result != _lib.OK:
        raise failure(result, error, uri)
    return Connection(conn, close_timeout=close_timeout)


def _call(function: object, handle: int, *arguments: object) -> None:
    error = c_void_p()
    result = function(handle, *arguments, byref(error))  # type: ignore[operator]
    if result != _lib.OK:
        raise failure(result, error, "")


def _c_text(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"expected a str, not {type(text).__name__}: {text!r}")
    if "\0" in text:
        raise ValueError(f"a NUL in {text!r}")
    return text.encode()
