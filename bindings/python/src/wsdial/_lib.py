"""Finds and loads the library, and declares its functions. The only module that knows ctypes' prototypes.

``lib`` has every function and lets go of the GIL meanwhile: for calls that may wait, read or write. ``held`` has the same
functions and keeps the GIL: for calls that only tell or set something, where letting go costs more than the call. Nothing
in the library calls back, so neither can deadlock. ``fast`` has the functions that move messages, letting go of the GIL
and without prototypes, which cost ctypes 600 ns a call: what is passed there must have its C type already (``c_void_p``,
``c_size_t``, ``bytes`` for a pointer; a bare number is a C int). ``fast_held`` is the same, keeping the GIL.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_ssize_t, c_uint64, c_void_p
from typing import Any, Callable

__version__ = "0.1.0"

# Results, kinds, times and wants of wsdial.h.
OK, AGAIN, TIMEOUT, PENDING, CLOSED, CANCELLED, INTERRUPTED = range(7)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FOREVER, NOWAIT, DEFAULT = -1, 0, -2
WANT_READ, WANT_WRITE, WANT_BUFFERED = 1, 2, 4
STAT_ROUND_TRIP = 1

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


class BatchStruct(ctypes.Structure):
    """``ws_batch``: begins as zeros, filled by ``ws_recv_batch``. What is behind ``count`` is the library's."""

    _fields_ = [
        ("data", c_void_p),
        ("offsets", POINTER(c_size_t)),
        ("kinds", c_void_p),
        ("count", c_size_t),
        ("private_memory", c_void_p),
        ("private_reserved", c_size_t * 3),
    ]

    data: int
    offsets: Any
    kinds: int
    count: int


_conn = _dialer = _cancel = c_void_p
_error = c_void_p
_errors = POINTER(_error)

_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "ws_dial": (c_int, (c_char_p, _dialer, c_int, POINTER(_conn), _errors)),
    "ws_dial_fd": (c_int, (c_ssize_t, c_char_p, _dialer, c_int, POINTER(_conn), _errors)),
    "ws_dial_memory": (c_int, (c_char_p, _dialer, POINTER(_conn), _errors)),
    "ws_handshake": (c_int, (_conn, c_int, _errors)),
    "ws_subprotocol": (c_char_p, (_conn,)),
    # c_void_p takes `bytes`, addresses and arrays of ctypes as they are, without a copy.
    "ws_send": (c_int, (_conn, c_int, c_void_p, c_size_t, c_int, _errors)),
    "ws_recv": (c_int, (_conn, c_int, POINTER(MessageStruct), _errors)),
    "ws_close": (c_int, (_conn, c_int, c_char_p, c_int, _errors)),
    "ws_ping": (c_int, (_conn, c_void_p, c_size_t, c_int, _errors)),
    "ws_pong": (c_int, (_conn, c_void_p, c_size_t, c_int, _errors)),
    "ws_flush": (c_int, (_conn, c_int, _errors)),
    "ws_set_max_message": (c_int, (_conn, c_size_t, _errors)),
    "ws_fd": (c_ssize_t, (_conn,)),
    "ws_wants": (c_int, (_conn,)),
    "ws_timeout": (c_int, (_conn,)),
    "ws_process": (c_int, (_conn, _errors)),
    "ws_input": (c_void_p, (_conn, POINTER(c_size_t))),
    "ws_input_done": (c_int, (_conn, c_size_t, _errors)),
    "ws_output": (c_void_p, (_conn, POINTER(c_size_t))),
    "ws_output_done": (c_int, (_conn, c_size_t, _errors)),
    "ws_cancel_new": (c_int, (POINTER(_cancel), _errors)),
    "ws_cancel_fire": (None, (_cancel,)),
    "ws_cancel_reset": (None, (_cancel,)),
    "ws_cancel_free": (None, (_cancel,)),
    "ws_dialer_set_cancel": (c_int, (_dialer, _cancel, _errors)),
    "ws_set_cancel": (c_int, (_conn, _cancel, _errors)),
    "ws_recv_batch": (c_int, (_conn, c_int, c_size_t, c_size_t, POINTER(BatchStruct), _errors)),
    "ws_send_fragment": (c_int, (_conn, c_int, c_void_p, c_size_t, c_int, c_int, _errors)),
    "ws_recv_into": (
        c_int,
        (_conn, c_int, c_void_p, c_size_t, POINTER(c_size_t), POINTER(c_int), POINTER(c_int), _errors),
    ),
    "ws_set_control": (c_int, (_conn, c_int, c_int, c_int, _errors)),
    "ws_batch_free": (None, (POINTER(BatchStruct),)),
    "ws_message_free": (None, (POINTER(MessageStruct),)),
    "ws_conn_free": (None, (_conn,)),
    "ws_dialer_new": (_dialer, ()),
    "ws_dialer_free": (None, (_dialer,)),
    "ws_dialer_add_subprotocol": (c_int, (_dialer, c_char_p, _errors)),
    "ws_dialer_add_header": (c_int, (_dialer, c_char_p, c_char_p, _errors)),
    "ws_dialer_set_compression": (c_int, (_dialer, c_int, _errors)),
    "ws_dialer_set_max_message": (c_int, (_dialer, c_size_t, _errors)),
    "ws_dialer_set_max_rejection_body": (c_int, (_dialer, c_size_t, _errors)),
    "ws_dialer_set_keepalive": (c_int, (_dialer, c_int, c_int, _errors)),
    "ws_dialer_set_read_ahead": (c_int, (_dialer, c_size_t, c_size_t, _errors)),
    "ws_dialer_set_interruptible": (c_int, (_dialer, c_int, _errors)),
    "ws_dialer_set_compression": (c_int, (_dialer, c_int, _errors)),
    "ws_dialer_set_proxy": (c_int, (_dialer, c_char_p, _errors)),
    "ws_dialer_set_proxy_from_env": (c_int, (_dialer, _errors)),
    "ws_dialer_add_proxy_header": (c_int, (_dialer, c_char_p, c_char_p, _errors)),
    "ws_dialer_route": (c_int, (_dialer, c_char_p, c_char_p, c_size_t, POINTER(c_int), _errors)),
    "ws_dialer_add_ca_file": (c_int, (_dialer, c_char_p, _errors)),
    "ws_dialer_set_server_name": (c_int, (_dialer, c_char_p, _errors)),
    "ws_response_status": (c_int, (_conn,)),
    "ws_response_header_at": (c_char_p, (_conn, c_size_t, POINTER(c_char_p))),
    "ws_local_address": (c_char_p, (_conn,)),
    "ws_peer_address": (c_char_p, (_conn,)),
    "ws_tls_version": (c_char_p, (_conn,)),
    "ws_tls_cipher": (c_char_p, (_conn,)),
    "ws_stat": (c_int, (_conn, c_int, POINTER(c_uint64), _errors)),
    "ws_close_code": (c_int, (_conn,)),
    "ws_close_reason": (c_void_p, (_conn, POINTER(c_size_t))),
    "ws_error_code": (c_int, (_error,)),
    "ws_error_phase": (c_int, (_error,)),
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

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise AttributeError(f"wsdial does not use {name}")


class Fast:
    """The functions that move messages, without prototypes."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.ws_send: Callable[..., int] = library.ws_send
        self.ws_recv: Callable[..., int] = library.ws_recv
        self.ws_recv_batch: Callable[..., int] = library.ws_recv_batch
        self.ws_send_output: Callable[..., int] = library.ws_send_output


def _find() -> str:
    """Beside the package, where the wheel puts it; else what the environment names."""
    folder = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.join(folder, NAME)
    if os.path.isfile(beside):
        return beside
    named = os.environ.get(VARIABLE)
    if named:
        return named
    raise ImportError(f"{NAME} is neither beside the package ({folder}) nor named by {VARIABLE}")


def _load() -> tuple[Library, Library, Fast, Fast]:
    path = _find()
    try:
        held, fast_held = ctypes.PyDLL(path), ctypes.PyDLL(path)
        loaded = Library(ctypes.CDLL(path)), Library(held), Fast(ctypes.CDLL(path)), Fast(fast_held)
    except (OSError, AttributeError) as error:
        raise ImportError(f"{path} cannot be used: {error}") from error
    version = loaded[0].ws_version().decode()
    # Before 1.0 the minor number is the one that breaks (semver.org, 4).
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise ImportError(f"{path} is version {version}, this package needs {__version__}")
    return loaded


lib, held, fast, fast_held = _load()
