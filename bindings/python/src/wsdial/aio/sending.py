"""Bytes-like objects for the library, and messages that are sent in fragments."""

from __future__ import annotations

import ctypes
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..typing import DataLike


def is_bytes_like(data: object) -> bool:
    """Whether it shows its memory, as ``bytes``, ``array`` and numpy's arrays do."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return True
    if isinstance(data, (str, Iterator)):
        return False
    try:
        memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


@contextmanager
def buffer_of(data: Any) -> Iterator[tuple[Any, int]]:
    """Pointer and size of its memory: without a copy where ctypes can, which is ``bytes`` and what may be written to."""
    if isinstance(data, bytes):
        yield data, len(data)
        return
    view = memoryview(data)
    if view.readonly or not view.c_contiguous or not view.nbytes:
        copy = view.tobytes()
        yield copy, len(copy)
        return
    window = (ctypes.c_char * view.nbytes).from_buffer(view.cast("B"))
    yield ctypes.addressof(window), view.nbytes
    del window


def is_iterable(message: object) -> bool:
    """Whether its items may be fragments; a mapping's keys are hardly meant."""
    if isinstance(message, Mapping):
        raise TypeError("data is a dict-like object")
    return isinstance(message, (Iterable, AsyncIterable))


async def fragments_of(message: Iterable[DataLike] | AsyncIterable[DataLike]) -> AsyncIterator[tuple[DataLike, bool]]:
    """Each item, and whether the message ends with it."""
    if isinstance(message, AsyncIterable):
        # Whether another one comes is not known until it has: the end is a fragment of its own, which is empty.
        item: Any = None
        async for item in message:
            yield item, False
        if item is not None:
            yield ("" if isinstance(item, str) else b""), True
        return
    items = iter(message)
    following = next(items, None)
    while following is not None:
        item, following = following, next(items, None)
        yield item, following is None
