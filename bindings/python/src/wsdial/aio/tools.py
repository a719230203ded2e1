"""What the connections of one thread share, so that none of them has to keep its own: places for what the library
answers, the batch that messages come in, and the memory that foreign bytes pass through."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ctypes import byref, c_int, c_size_t, c_ssize_t, c_void_p
from typing import Optional

from .. import _lib
from .._lib import fast_held, held

# One read brings at most so much, though the room of a large message may be larger.
ROOM = 256 * 1024

#: A transport that will not read straight into the library's memory reads at most so much at a time.
SCRATCH = 256 * 1024

# So many views of the library's input buffers are kept: it takes them from a small pool, in turn.
_VIEWS = 32

#: A message of so many bytes is sent by way of memory here, with the header of its frame, its TLS records and what is
#: to be written with it.
FRAMED = 4096
_FRAME = 2 * FRAMED

_READ, _WRITE = 0x100, 0x200

_from_memory = ctypes.pythonapi.PyMemoryView_FromMemory
_from_memory.restype = ctypes.py_object
_from_memory.argtypes = (c_void_p, c_ssize_t, c_int)


class Tools:
    """One for each thread: a call and the look at what it answered are never parted by another connection's."""

    def __init__(self) -> None:
        self.size = c_size_t()
        self.at_size = byref(self.size)
        self.error = c_void_p()
        self.at_error = byref(self.error)
        self.kind, self.is_final = c_int(), c_int()
        self.at_kind, self.at_final = byref(self.kind), byref(self.is_final)
        self.conn, self.length = c_void_p(), c_size_t()
        self.frame = ctypes.create_string_buffer(_FRAME)
        self.frame_view = memoryview(self.frame).cast("B")
        self.batch = _lib.BatchStruct()
        self.at_batch = byref(self.batch)
        self.scratch: memoryview | None = None
        self.scratch_address = 0
        self._views: dict[int, memoryview] = {}

    def send(self, conn: int, kind: int, data: bytes) -> tuple[int, bytes]:
        """Sends a small message: the answer, and what is to be written before all else."""
        self.conn.value = conn
        self.length.value = len(data)
        self.size.value = _FRAME
        result = fast_held.ws_send_output(self.conn, kind, data, self.length, self.frame, self.at_size, None)
        return result, self.frame_view[: self.size.value].tobytes()

    def room(self, conn: int) -> memoryview | None:
        """Where bytes from the peer may be put, in the library's own memory."""
        address = held.ws_input(conn, self.at_size)
        if not address:
            return None
        # uvloop reads many times before anybody runs who takes messages: larger reads would only queue more of them.
        size = min(self.size.value, ROOM)
        view = self._views.get(address)
        if view is None or view.nbytes != size:
            if len(self._views) >= _VIEWS:
                self._views.clear()
            view = self._views[address] = _from_memory(address, size, _WRITE)
        return view

    def foreign(self) -> memoryview:
        """Memory for bytes that cannot go straight to the library."""
        if self.scratch is None:
            memory = bytearray(SCRATCH)
            self.scratch_address = ctypes.addressof((ctypes.c_char * SCRATCH).from_buffer(memory))
            self.scratch = memoryview(memory)
        return self.scratch

    def __del__(self) -> None:
        batch = getattr(self, "batch", None)
        if batch is not None:
            held.ws_batch_free(batch)


_of_thread = threading.local()


def tools() -> Tools:
    """The tools of the calling thread."""
    found: Tools | None = getattr(_of_thread, "tools", None)
    if found is None:
        found = _of_thread.tools = Tools()
    return found


def lent(address: int, size: int) -> memoryview:
    """A view of bytes that the library shows."""
    view: memoryview = _from_memory(address, size, _READ)
    return view


if sys.version_info >= (3, 11):
    time_limit = asyncio.timeout
else:

    @asynccontextmanager
    async def time_limit(seconds: Optional[float]) -> AsyncIterator[None]:
        """``asyncio.timeout`` for Pythons that are without: raises ``TimeoutError`` in time."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        is_over = False

        def end() -> None:
            nonlocal is_over
            is_over = True
            assert task is not None
            task.cancel()

        handle = None if seconds is None else loop.call_later(max(seconds, 0), end)
        try:
            yield
        except asyncio.CancelledError:
            if is_over:
                raise TimeoutError from None
            raise
        finally:
            if handle is not None:
                handle.cancel()
