"""A connection as its event loop has it: its messages, its times, its end."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from ctypes import c_void_p, string_at
from typing import TYPE_CHECKING, Any

from .. import _lib
from .._lib import held
from ..exceptions import ConcurrencyError, ConnectionClosed, ConnectionClosedError, closed, failure
from ..frames import Close, CloseCode, State
from .carrier import Carrier

if TYPE_CHECKING:
    from .limits import Limits

#: So many bytes of messages are taken with one call; the rest comes with the next.
BATCH = 1 << 20

#: How long a failed connection awaits the server's end of the stream, in seconds: bytes that meet a closed socket are
#: answered with a reset, and a server that is still writing then never reads why.
LINGER = 1.0

#: So long whoever receives has to answer messages before what came behind them is met, in seconds.
SOON = 0.01

#: No queue: an empty one would be a fifth of what an idle connection costs.
NO_MESSAGES: Any = ()

#: How often a connection whose messages nobody takes looks whether its keepalive may go on, in seconds.
LATER = 1.0


class Wire(Carrier):
    """One connection, for whoever receives, sends and closes."""

    __slots__ = (
        "answering", "cause", "deadline", "fragments", "keepalive_pong", "latency", "later", "lost", "lost_waiters", "more",
        "opening", "over", "pings", "queue", "reading_paused", "sent", "streams", "timer", "waiter",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, conn: int, limits: Limits) -> None:
        super().__init__(loop, conn, limits)
        #: Done when the handshake is, one way or the other.
        self.opening: asyncio.Future[None] | None = loop.create_future()

        #: Messages that wait for a receiver.
        self.queue: deque[Any] = NO_MESSAGES
        #: Who waits for one.
        self.waiter: asyncio.Future[None] | None = None
        #: Messages may be left in the library because the queue was full.
        self.more = False
        #: Who receives has left with a message, and may be answering it.
        self.answering = False
        #: A message is received in pieces, by whoever asks for them.
        self.streams = False
        self.reading_paused = False
        #: Done when the message that is being sent in fragments is through.
        self.fragments: asyncio.Future[None] | None = None

        #: Pings whose pongs are awaited, in order: payload, waiter, time.
        self.pings: dict[bytes, tuple[asyncio.Future[float], float]] | None = None
        self.latency = 0.0
        self.keepalive_pong = False
        self.timer: asyncio.TimerHandle | None = None
        self.later: asyncio.TimerHandle | None = None
        self.deadline: asyncio.TimerHandle | None = None

        #: The close frame that we sent first.
        self.sent: Close | None = None
        #: How it ended.
        self.over: Exception | None = None
        #: The transport is gone.
        self.lost = False
        self.cause: BaseException | None = None
        self.lost_waiters: list[asyncio.Future[None]] | None = None

    # The turn of the loop.

    def advance(self) -> None:
        """Does all that can be done now."""
        if self.opening is not None and not self.open():
            return
        self.pull()
        if self.over is not None:
            self.end_stream()
        waiter = self.waiter
        wakes = waiter is not None and not waiter.done() and bool(self.queue or self.over or self.streams)
        if wakes:
            assert waiter is not None
            waiter.set_result(None)
        if self.reading_paused or self.transport is None:
            return
        if self.streams and self.over is None:
            self.pause()
        elif self.is_full:
            # Who was just woken may take them all before anything else is read.
            if wakes:
                self.loop.call_soon(self.hold_back)
            else:
                self.hold_back()

    def hold_back(self) -> None:
        """Reads no more while too many messages wait: then the server has to wait too."""
        if self.is_full and not self.reading_paused:
            self.pause()

    @property
    def is_full(self) -> bool:
        """Enough messages wait, or some are left in the library until these were taken."""
        return len(self.queue) > self.limits.high or bool(self.more and self.queue)

    def pause(self) -> None:
        if self.transport is not None and self.sent is None:
            self.reading_paused = True
            self.transport.pause_reading()

    def maybe_resume(self) -> None:
        """Reads again when enough messages were taken."""
        if self.more:
            # Whoever took the last may answer it before what is behind it is met.
            self.give_time()
        elif len(self.queue) <= self.limits.low and not self.is_full:
            self.read_on()

    def waits_for_answers(self) -> bool:
        """What comes may be the end, a violation: messages in front of it are to be answered before it is met."""
        return self.more if self.queue else self.answering

    def give_time(self) -> None:
        """Whoever receives has a moment; then the rest is taken whatever it does."""
        if self.later is None:
            self.later = self.loop.call_later(SOON, self.take_rest)

    def take_rest(self) -> None:
        """What is behind messages that nobody took is met all the same: it may be a ping."""
        self.later = None
        self.answering = False
        if len(self.queue) <= self.limits.high:
            self.more = False
            self.advance()
            if not self.is_full:
                self.read_on()

    def go_on(self) -> None:
        """Takes what was left in the library."""
        if self.later is not None:
            self.later.cancel()
            self.later = None
        if not self.queue:
            self.pull()
            if not self.is_full:
                self.read_on()
            self.advance()

    def read_on(self) -> None:
        if self.reading_paused:
            self.reading_paused = False
            if self.transport is not None:
                self.transport.resume_reading()

    def pull(self) -> None:
        """Takes the messages that are here, and sees to what is owed."""
        conn, tools, high = self.conn, self.tools, self.limits.high
        while True:
            result = _lib.AGAIN
            has_more = bool(self.spill) and self.pour_spill()
            if self.over is not None:
                # Behind the end there is the end of the stream.
                held.ws_process(conn, None)
            elif self.streams:
                pass
            elif self.lost or (len(self.queue) <= high and not (self.sent is None and self.waits_for_answers())):
                result = held.ws_recv_batch(conn, 0, BATCH, 0, tools.at_batch, tools.at_error)
                self.more = False
                if result == _lib.OK:
                    self.take(tools.batch)
                elif result != _lib.AGAIN:
                    self.finish(result)
            elif self.sent is not None:
                # Nobody takes the messages, but the server's close frame is behind them: these are read over.
                held.ws_close(conn, 0, None, 0, None)
            else:
                self.more = True
                self.give_time()
            wants = held.ws_wants(conn)
            has_left = bool(wants & _lib.WANT_WRITE) and self.flush()
            if self.writing_paused:
                self.arm()
            if result == _lib.OK:
                # What is behind these messages may be the end: it is met when they were taken.
                wants = held.ws_wants(conn) if has_left else wants
                self.more = bool(wants & _lib.WANT_BUFFERED or self.spill)
                if self.more and self.queue:
                    self.give_time()
                if not self.more or (self.queue and self.sent is None and not self.lost):
                    return
            elif not (has_left or has_more) or self.over is not None or self.more:
                return

    def take(self, batch: _lib.BatchStruct) -> None:
        """Copies the messages of a batch out: the block once, and each."""
        count = batch.count
        offsets = batch.offsets[: count + 1]
        block = string_at(batch.data, offsets[count])
        kinds = string_at(batch.kinds, count)
        queue = self.queue
        if queue is NO_MESSAGES:
            queue = self.queue = deque()
        if max(kinds) > _lib.BINARY:
            self.take_mixed(block, kinds, offsets)
        elif count == 1:
            queue.append(block.decode() if kinds[0] == _lib.TEXT else block)
        elif _lib.TEXT not in kinds:
            queue.extend([block[begin:end] for begin, end in zip(offsets, offsets[1:])])
        elif _lib.BINARY not in kinds and block.isascii():
            text = block.decode("ascii")
            queue.extend([text[begin:end] for begin, end in zip(offsets, offsets[1:])])
        else:
            self.take_mixed(block, kinds, offsets)

    def take_mixed(self, block: bytes, kinds: bytes, offsets: list[int]) -> None:
        for kind, begin, end in zip(kinds, offsets, offsets[1:]):
            data = block[begin:end]
            if kind == _lib.TEXT:
                self.queue.append(data.decode())
            elif kind == _lib.BINARY:
                self.queue.append(data)
            elif kind == _lib.PONG:
                self.meet_pong(data)

    # Opening.

    def open(self) -> bool:
        """Carries the handshake on; whether it is through."""
        tools, opening = self.tools, self.opening
        assert opening is not None
        # The limit is the task's that dials.
        result = held.ws_handshake(self.conn, _lib.FOREVER, tools.at_error)
        self.flush()
        if result == _lib.AGAIN:
            return False
        self.opening = None
        if result == _lib.OK:
            self.arm()
            if not opening.done():
                opening.set_result(None)
            return True
        exception = failure(result, c_void_p(tools.error.value), self.limits.uri)
        if self.cause is not None and exception.__cause__ is None:
            exception.__cause__ = self.cause
        self.over = exception
        if not opening.done():
            opening.set_exception(exception)
            opening.exception()  # who dials may have left: then it is of no interest
            if self.tunnel is not None and not self.tunnel.done():
                self.tunnel.set_result(None)
        return False

    # Time.

    def arm(self) -> None:
        """Has :meth:`tick` called when the library next wants to be asked."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.transport is None:
            return
        delay = held.ws_timeout(self.conn)
        if delay >= 0:
            self.timer = self.loop.call_later(delay / 1000, self.tick)

    def tick(self) -> None:
        self.timer = None
        if self.reading_paused:
            # A pong may be behind messages that nobody takes: nobody is dead who is not listened to.
            self.timer = self.loop.call_later(LATER, self.tick)
            return
        held.ws_process(self.conn, None)
        self.advance()
        if self.timer is None:
            self.arm()

    # Pings.

    def meet_pong(self, data: bytes) -> None:
        """A pong answers its ping and those before it (RFC 6455 5.5.3)."""
        if not self.pings or data not in self.pings:
            self.keepalive_pong = True
            return
        now = self.loop.time()
        while True:
            first = next(iter(self.pings))
            waiter, began = self.pings.pop(first)
            if not waiter.done():
                waiter.set_result(now - began)
            if first == data:
                self.latency = now - began
                self.keepalive_pong = False
                return

    def end_pings(self) -> None:
        pings, self.pings = self.pings, None
        for waiter, _ in (pings or {}).values():
            if not waiter.done():
                waiter.set_exception(self.ending())
                # Who does not ask is not told by the log either.
                waiter.exception()

    # The end.

    def connection_lost(self, exc: Exception | None) -> None:
        self.cause = self.cause or exc
        if self.transport is not None:
            self.addresses = {which: self.transport.get_extra_info(which) for which in ("sockname", "peername")}
            if self.copies:
                # That of asyncio's TLS warns before 3.11 unless it was told to close, however it ended.
                self.transport.close()
        self.transport = None
        self.lost = True
        self.loan = self.backlog = 0
        self.writing_paused = False
        for handle in (self.timer, self.deadline, self.later):
            if handle is not None:
                handle.cancel()
        self.timer = self.deadline = self.later = None
        self.end_input()
        self.advance()
        self.end_pings()
        for waiters in (self.lost_waiters, self.drainers):
            for waiter in waiters or ():
                if not waiter.done():
                    waiter.set_result(None)
        self.lost_waiters = self.drainers = None

    def begin_close(self, code: int, reason: str) -> None:
        """Sends a close frame; the end is awaited for ``close_timeout``."""
        if self.sent is not None or self.over is not None or self.lost:
            return
        tools = self.tools
        result = held.ws_close(self.conn, code, reason.encode(), 0, tools.at_error)
        if -200 < result < 0:
            raise failure(result, c_void_p(tools.error.value), "")
        if result < 0:
            held.ws_error_free(tools.error.value)
        else:
            self.sent = Close(code, reason)
        self.limit_end(self.limits.close_timeout)
        self.read_on()
        self.flush()
        self.advance()

    def limit_end(self, seconds: float | None) -> None:
        if self.deadline is None and seconds is not None and self.transport is not None:
            self.deadline = self.loop.call_later(max(seconds, 0), self.give_up)

    def give_up(self) -> None:
        """The end of the stream has not come in time."""
        self.deadline = None
        if self.over is None:
            self.cause = self.cause or TimeoutError("timed out while closing connection")
        if self.transport is not None:
            self.transport.abort()

    def finish(self, result: int) -> None:
        """The library says that the connection is over, and every message was taken."""
        error = c_void_p(self.tools.error.value) if result < 0 else None
        self.over = closed(self.conn, self.sent, result, error)
        if self.cause is not None:
            self.over.__cause__ = self.cause
        self.flush()
        has_failed = result < 0
        timeout = self.limits.close_timeout
        self.limit_end(LINGER if has_failed and (timeout is None or timeout > LINGER) else timeout)
        if has_failed and self.transport is not None and not self.eof and self.transport.can_write_eof():
            try:
                self.transport.write_eof()
            except (OSError, RuntimeError):
                pass  # it is gone, as `connection_lost` will say

    def end_stream(self) -> None:
        """The server ends TCP (RFC 6455 7.1.1); once it has, or we need not wait for it, so do we."""
        if self.transport is not None and self.eof and not self.transport.is_closing():
            self.transport.close()

    def verdict(self) -> ConnectionClosed | None:
        """How it ended, once it has."""
        if self.over is None and self.lost:
            self.pull()
            self.over = self.over or ConnectionClosedError(None, self.sent)
        return self.over if isinstance(self.over, ConnectionClosed) else None

    def ending(self) -> Exception:
        """How it ended, to be raised: a new one for each who is told."""
        over = self.verdict() or self.over or ConnectionClosedError(None, self.sent)
        told = copy.copy(over)
        told.__cause__ = over.__cause__
        return told

    async def ended(self) -> Exception:
        """Waits for the end, which has begun, and says how it was."""
        if self.over is None:
            self.limit_end(self.limits.close_timeout)
            await self.until_lost()
        return self.ending()

    async def until_lost(self) -> None:
        """Waits until the transport is gone."""
        if self.lost:
            return
        waiter = self.loop.create_future()
        if self.lost_waiters is None:
            self.lost_waiters = []
        self.lost_waiters.append(waiter)
        await waiter

    # For receivers.

    async def message(self) -> None:
        """Waits until a message is in the queue; raises how the connection ended when there will be none."""
        if self.waiter is not None:
            raise ConcurrencyError("another task is receiving on this connection")
        self.answering = False
        while True:
            if self.more or self.reading_paused:
                self.go_on()
            if self.queue:
                return
            if self.over is not None or self.lost:
                raise self.ending()
            self.queue = NO_MESSAGES
            self.waiter = waiter = self.loop.create_future()
            try:
                await waiter
            finally:
                self.waiter = None

    def decoded(self, data: bytes) -> str:
        """Binary as text: what is not UTF-8 ends the connection, as text that is not would have."""
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            self.begin_close(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
            self.queue = NO_MESSAGES
            self.over = self.over or ConnectionClosedError(None, self.sent)
            self.over.__cause__ = error
            raise self.ending() from error

    @property
    def state(self) -> State:
        if self.opening is not None:
            return State.CONNECTING
        if self.lost:
            return State.CLOSED
        return State.OPEN if self.over is None and self.sent is None else State.CLOSING
