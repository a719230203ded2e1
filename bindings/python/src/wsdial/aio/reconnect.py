"""When to connect again, and after how long: the defaults of ``async for``."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Generator

from ..exceptions import InvalidMessage, InvalidStatus

# What a server answers that may be well again in a moment.
_TRANSIENT = frozenset((500, 502, 503, 504))


def backoff(
    initial_delay: float = 5, min_delay: float = 3.1, max_delay: float = 90.0, factor: float = 1.618
) -> Generator[float, None, None]:
    """Seconds to wait before each try: at first any time up to ``initial_delay``, so that the clients of a server that
    was started again do not come all at once (RFC 6455 7.2.3); then growing delays, each of them shortened by up to a
    quarter at random."""
    yield random.random() * initial_delay
    delay = min_delay
    while True:
        yield delay * (1 - random.random() / 4)
        delay = min(delay * factor, max_delay)


def process_exception(exc: Exception) -> Exception | None:
    """``None`` when it is worth trying again: the network failed, or the server answered 500, 502, 503 or 504; else the
    exception to raise."""
    if isinstance(exc, (OSError, TimeoutError, asyncio.TimeoutError)):
        return None
    if isinstance(exc, InvalidMessage) and isinstance(exc.__cause__, EOFError):
        return None
    if isinstance(exc, InvalidStatus) and exc.response.status_code in _TRANSIENT:
        return None
    return exc
