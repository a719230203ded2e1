"""Which failures are worth another try, and how long to wait before it. For blocking and asyncio alike."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .exceptions import InvalidMessage, InvalidStatus

#: Seconds: the first wait is anything up to this (RFC 6455 7.2.3), so that a thousand clients do not come back at once.
INITIAL_DELAY = 5.0
#: Seconds: what the later ones begin with, by what they grow, and where they stop growing.
MIN_DELAY, FACTOR, MAX_DELAY = 3.1, 1.618, 90.0


def backoff() -> Iterator[float]:
    """Seconds to wait before each further try."""
    yield random.random() * INITIAL_DELAY
    delay = MIN_DELAY
    while True:
        yield delay
        delay = min(delay * FACTOR, MAX_DELAY)


def process_exception(exc: Exception) -> Exception | None:
    """``None`` for a failure that another try may get over, else the exception to raise.

    Worth another try are network failures (``OSError``, ``TimeoutError``, an answer that broke off) and the answers 500,
    502, 503 and 504.
    """
    if isinstance(exc, (OSError, TimeoutError)):
        return None
    if isinstance(exc, InvalidMessage) and isinstance(exc.__cause__, EOFError):
        return None
    if isinstance(exc, InvalidStatus) and exc.response.status_code in (500, 502, 503, 504):
        return None
    return exc
