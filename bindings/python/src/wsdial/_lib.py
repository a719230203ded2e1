"""Finds and loads the library, and declares its functions. The only module that knows ctypes' prototypes."""

from __future__ import annotations

import ctypes
import os
import pathlib
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_void_p
from typing import Any, Callable

__version__ = "0.1.0"

# Results, kinds and times of wsdial.h.
OK, AGAIN, TIMEOUT, PENDING, CLOSED = range(5)
TEXT, BINARY = 1, 2
FOREVER, NOWAIT, DEFAULT = -1, 0, -2

NAME = "libwsdial.so"
VARIABLE = "WSDIAL_LIBRARY"


class MessageStruct(ctypes.Structure):
    """``ws_message``: begins as zeros, filled by ``ws_recv``. What is behind ``kind`` is the library's."""

    _fields_ = [
        ("data", c_void_p),
        ("len", c_size_t),
        ("kind", c_int),
        ("private_small", c_int),
        ("private_memory", c_void_p),
        ("private_capacity", c_size_t),
        ("private_reserved", c_size_t * 2),
    ]

    data: int | None
    len: int
    kind: int


_conn = _dialer = c_void_p
_error = c_void_p
_errors = POINTER(_error)

_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "ws_dial": (c_int, (c_char_p, _dialer, c_int, POINTER(_conn), _errors)),
    "ws_subprotocol": (c_char_p, (_conn,)),
    # c_void_p takes `bytes` and arrays of ctypes as they are, without a copy.
    "ws_send": (c_int, (_conn, c_int, c_void_p, c_size_t, c_int, _errors)),
    "ws_recv": (c_int, (_conn, c_int, POINTER(MessageStruct), _errors)),
    "ws_close": (c_int, (_conn, c_int, c_char_p, c_int, _errors)),
    "ws_ping": (c_int, (_conn, c_void_p, c_size_t, c_int, _errors)),
    "ws_pong": (c_int, (_conn, c_void_p, c_size_t, c_int, _errors)),
    "ws_flush": (c_int, (_conn, c_int, _errors)),
    "ws_message_free": (None, (POINTER(MessageStruct),)),
    "ws_conn_free": (None, (_conn,)),
    "ws_dialer_new": (_dialer, ()),
    "ws_dialer_free": (None, (_dialer,)),
    "ws_dialer_add_subprotocol": (c_int, (_dialer, c_char_p, _errors)),
    "ws_dialer_add_header": (c_int, (_dialer, c_char_p, c_char_p, _errors)),
    "ws_dialer_set_max_message": (c_int, (_dialer, c_size_t, _errors)),
    "ws_dialer_add_ca_file": (c_int, (_dialer, c_char_p, _errors)),
    "ws_dialer_set_server_name": (c_int, (_dialer, c_char_p, _errors)),
    "ws_response_status": (c_int, (_conn,)),
    "ws_response_header_at": (c_char_p, (_conn, c_size_t, POINTER(c_char_p))),
    "ws_local_address": (c_char_p, (_conn,)),
    "ws_peer_address": (c_char_p, (_conn,)),
    "ws_close_code": (c_int, (_conn,)),
    "ws_close_reason": (c_void_p, (_conn, POINTER(c_size_t))),
    "ws_error_code": (c_int, (_error,)),
    "ws_error_message": (c_char_p, (_error,)),
    "ws_error_os_error": (c_int, (_error,)),
    "ws_error_close_code": (c_int, (_error,)),
    "ws_error_http_status": (c_int, (_error,)),
    "ws_error_http_header_at": (c_char_p, (_error, c_size_t, POINTER(c_char_p))),
    "ws_error_http_body": (c_void_p, (_error, POINTER(c_size_t))),
    "ws_error_free": (None, (_error,)),
    "ws_strerror": (c_char_p, (c_int,)),
    "ws_version": (c_char_p, ()),
}


class Library:
    """The functions of wsdial.h as attributes."""

    def __init__(self, path: str) -> None:
        # CDLL, not PyDLL: every call releases the GIL.
        self._library = ctypes.CDLL(path)
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(self._library, name)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise AttributeError(f"wsdial does not use {name}")


def _find() -> str:
    """Beside the package, where the wheel puts it; else what the environment names."""
    beside = pathlib.Path(__file__).with_name(NAME)
    if beside.is_file():
        return str(beside)
    named = os.environ.get(VARIABLE)
    if named:
        return named
    raise ImportError(f"{NAME} is neither beside the package ({beside.parent}) nor named by {VARIABLE}")


def _load() -> Library:
    path = _find()
    try:
        loaded = Library(path)
    except (OSError, AttributeError) as error:
        raise ImportError(f"{path} cannot be used: {error}") from error
    version = loaded.ws_version().decode()
    # Before 1.0 the minor number is the one that breaks (semver.org, 4).
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise ImportError(f"{path} is version {version}, this package needs {__version__}")
    return loaded


lib = _load()
