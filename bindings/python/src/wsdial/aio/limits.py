"""The limits of a connection, shared by all that one ``connect`` makes."""

from __future__ import annotations

import sys
from typing import Optional, Union

Marks = Optional[Union[int, "tuple[Optional[int], Optional[int]]"]]

NONE = sys.maxsize


class Limits:
    """Times in seconds, ``None`` for no limit; marks in messages for the queue and in bytes for writing."""

    __slots__ = (
        "close_timeout", "high", "low", "ping_interval", "ping_timeout", "uri", "write_high", "write_low"
    )  # fmt: skip

    def __init__(
        self,
        uri: str,
        times: tuple[float | None, float | None, float | None],
        max_queue: Marks,
        write_limit: Marks,
    ) -> None:
        self.uri = uri
        self.ping_interval, self.ping_timeout, self.close_timeout = times
        self.high, self.low = marks(max_queue, "max_queue")
        self.write_high, self.write_low = marks(write_limit, "write_limit")


def marks(value: Marks, what: str) -> tuple[int, int]:
    """The high and the low-water mark: one that is not given is four times the other, or a quarter of it."""
    high, low = value if isinstance(value, tuple) else (value, None)
    for mark in (high, low):
        if mark is not None and not isinstance(mark, int):
            raise TypeError(f"{what} must be an int, a pair of them, or None, not {type(mark).__name__}")
    if high is None:
        high = NONE if low is None else low * 4
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"the marks of {what} must not be negative, and the high one not below the low one")
    return high, low
