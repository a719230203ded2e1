"""One message in pieces, as they come."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Union

from .. import _lib
from .._lib import held
from ..exceptions import ConcurrencyError
from .tools import SCRATCH

if TYPE_CHECKING:
    from .wire import Wire

_Text = codecs.getincrementaldecoder("utf-8")


async def pieces_of(wire: Wire, decode: bool | None) -> AsyncIterator[Union[str, bytes]]:
    """The pieces of the next message. Nothing else is received until the last of them was asked for."""
    if wire.waiter is not None:
        raise ConcurrencyError("another task is receiving on this connection")
    if wire.queue:
        message = wire.queue.popleft()
        wire.answering = True
        wire.maybe_resume()
        if decode is not None and decode != isinstance(message, str):
            message = wire.decoded(message) if decode else message.encode()
        yield message
        return
    # A waiter that nobody sets: whoever else wants to receive sees it.
    wire.streams = True
    wire.answering = False
    wire.waiter = idle = wire.loop.create_future()
    idle.set_result(None)
    decoder: codecs.IncrementalDecoder | None = None
    has_begun = has_ended = False
    try:
        while not has_ended:
            piece = await _next_piece(wire, idle)
            if piece is None:
                raise await wire.ended()
            data, kind, has_ended = piece
            if not has_begun and (kind == _lib.TEXT if decode is None else decode):
                decoder = _Text()
            if data or not has_begun:
                has_begun = True
                yield data if decoder is None else decoder.decode(data, has_ended)
    finally:
        # In the middle of a message it stays as it is: the rest would be taken for a message.
        if has_ended or not has_begun or wire.over is not None:
            wire.streams = False
            wire.waiter = None
            wire.read_on()


async def _next_piece(wire: Wire, idle: asyncio.Future[None]) -> tuple[bytes, int, bool] | None:
    """What is here of the message, its kind, and whether it ends with that; ``None`` when the connection is over."""
    tools = wire.tools
    while True:
        scratch = tools.foreign()
        result = held.ws_recv_into(
            wire.conn, 0, tools.scratch_address, SCRATCH, tools.at_size, tools.at_kind, tools.at_final, tools.at_error
        )
        if result == _lib.OK:
            data = bytes(scratch[: tools.size.value])
            kind, is_final = tools.kind.value, bool(tools.is_final.value)
            wire.flush()
            if kind <= _lib.BINARY:
                return data, kind, is_final
            if kind == _lib.PONG:
                wire.meet_pong(data)
            continue
        if result != _lib.AGAIN:
            if wire.over is None:
                wire.finish(result)
            wire.end_stream()
            return None
        if wire.flush():
            continue
        wire.waiter = waiter = wire.loop.create_future()
        wire.read_on()
        try:
            await waiter
        finally:
            wire.waiter = idle
