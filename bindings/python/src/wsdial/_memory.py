"""The memory of bytes-like objects, as the library takes it: an address and a size, without a copy."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_int, c_ssize_t, c_void_p, py_object
from typing import Any, Optional


class _View(ctypes.Structure):
    """``Py_buffer``, whose layout is part of the stable ABI since 3.11 and was the same before."""

    _fields_ = [
        ("buf", c_void_p),
        ("obj", c_void_p),
        ("len", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", c_void_p),
        ("strides", c_void_p),
        ("suboffsets", c_void_p),
        ("internal", c_void_p),
    ]

    buf: Optional[int]
    len: int


_get: Any
_release: Any
try:
    _get = ctypes.PYFUNCTYPE(c_int, py_object, c_void_p, c_int)(("PyObject_GetBuffer", ctypes.pythonapi))
    _release = ctypes.PYFUNCTYPE(None, c_void_p)(("PyBuffer_Release", ctypes.pythonapi))
except (AttributeError, ValueError):  # another Python than CPython
    _get = _release = None


class _Hold:
    """Keeps an object's buffer where it is."""

    __slots__ = ("view",)

    def __init__(self, data: Any, writable: bool) -> None:
        self.view = _View()
        # PyBUF_SIMPLE: contiguous bytes; PyBUF_WRITABLE is 1. Raises BufferError where that cannot be.
        _get(data, byref(self.view), int(writable))

    def __del__(self) -> None:
        _release(byref(self.view))


def buffer_of(data: Any) -> tuple[Any, int, Any] | None:
    """Address, size, and what must stay alive meanwhile; ``None`` for what is not bytes-like.

    Only what is not contiguous, such as ``memoryview(b)[::2]``, is copied.
    """
    if isinstance(data, bytes):
        return data, len(data), data
    if isinstance(data, str):
        return None
    try:
        view = memoryview(data)
    except TypeError:
        return None
    if _get is None or not view.c_contiguous:
        copy = view.tobytes()
        return copy, len(copy), copy
    hold = _Hold(data, False)
    return c_void_p(hold.view.buf), hold.view.len, hold


def room_of(data: Any) -> tuple[Any, int, Any]:
    """The same for memory that is written to."""
    if _get is None:
        window = (ctypes.c_char * memoryview(data).nbytes).from_buffer(data)
        return window, len(window), window
    hold = _Hold(data, True)
    return c_void_p(hold.view.buf), hold.view.len, hold
