"""What asyncio's transports talk to: moves the bytes of a connection between a transport and the library.

A transport reads straight into the library's memory and writes straight from it. Nothing here waits, and no call into the
library does. The event loop holds this object, and it does not hold the connection that the user has: so one that is
dropped while it is open is noticed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from ctypes import string_at
from typing import TYPE_CHECKING, Any

from .._lib import OK, PENDING, held
from .tools import Tools, lent, tools

if TYPE_CHECKING:
    from .limits import Limits

#: Output up to here is copied, which costs less than to remember whose it is.
COPIED = 64 * 1024


class Carrier(asyncio.BufferedProtocol):
    """One connection's bytes. :class:`Wire` knows what they mean."""

    __slots__ = (
        "__weakref__", "addresses", "backlog", "conn", "copies", "drainers", "eof", "limits", "loan", "loop", "spill",
        "tools", "transport", "tunnel", "uses_scratch", "writing_paused",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, conn: int, limits: Limits) -> None:
        self.loop = loop
        self.conn = conn
        self.limits = limits
        self.tools: Tools = tools()
        self.transport: asyncio.Transport | None = None
        #: Done when the proxy has opened the way and TLS is somebody else's to make.
        self.tunnel: asyncio.Future[None] | None = None
        self.addresses: dict[str, Any] | None = None
        self.uses_scratch = False
        #: Bytes that the library had no room for.
        self.spill = b""
        self.eof = False
        #: The transport is no plain one: it cannot read into the library's memory, or write from it.
        self.copies = False
        #: The transport has not written all that it was given.
        self.writing_paused = False
        #: So many bytes of the library's are in the transport's hands.
        self.loan = 0
        #: So many bytes wait behind them, about.
        self.backlog = 0
        self.drainers: deque[asyncio.Future[None]] | None = None

    def __del__(self) -> None:
        conn, self.conn = getattr(self, "conn", 0), 0
        if conn:
            held.ws_conn_free(conn)

    def advance(self) -> None:
        """Does all that can be done now."""
        raise NotImplementedError

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.carry_on(transport)  # type: ignore[arg-type]
        self.advance()

    def carry_on(self, transport: asyncio.Transport) -> None:
        """Moves the bytes through that transport from now on."""
        self.transport = transport
        self.copies = transport.get_extra_info("sslcontext") is not None
        # We want to know when everything is written: `write_limit` counts what is in the library as well. A TLS
        # transport pauses at the mark, another above it.
        transport.set_write_buffer_limits(high=1 if self.copies else 0, low=0)

    def get_buffer(self, sizehint: int) -> memoryview:
        if not self.copies and not self.spill:
            room = self.tools.room(self.conn)
            if room is not None:
                return room
        self.uses_scratch = True
        return self.tools.foreign()

    def buffer_updated(self, nbytes: int) -> None:
        if self.uses_scratch:
            self.uses_scratch = False
            self.pour(nbytes)
        else:
            held.ws_input_done(self.conn, nbytes, None)
        self.advance()

    def eof_received(self) -> bool:
        self.end_input()
        self.advance()
        return False

    def pause_writing(self) -> None:
        self.writing_paused = True

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self.loan:
            held.ws_output_done(self.conn, self.loan, None)
            self.loan = 0
        self.advance()
        self.release_drainers()

    # Bytes in.

    def pour(self, size: int) -> None:
        """Gives the library what is in the scratch memory."""
        scratch, tools = self.tools.foreign(), self.tools
        at = 0
        while at < size and not self.spill:
            room = tools.room(self.conn)
            if room is None:
                break
            part = min(size - at, room.nbytes)
            room[:part] = scratch[at : at + part]
            held.ws_input_done(self.conn, part, None)
            at += part
        # Behind the end nothing counts.
        if at < size and not self.eof:
            self.spill += bytes(scratch[at:size])

    def pour_spill(self) -> bool:
        """Gives the library what it had no room for; whether it took any of it."""
        has_taken = False
        while self.spill:
            room = self.tools.room(self.conn)
            if room is None:
                break
            part = min(len(self.spill), room.nbytes)
            room[:part] = self.spill[:part]
            held.ws_input_done(self.conn, part, None)
            self.spill = self.spill[part:]
            has_taken = True
        return has_taken

    def end_input(self) -> None:
        """Nothing more will come."""
        if not self.eof:
            self.eof = True
            if self.spill:
                self.pour_spill()
            held.ws_input_done(self.conn, 0, None)

    # Bytes out.

    def send(self, kind: int, data: bytes) -> bool:
        """Sends a small message at once. False: it was not taken, because something is before it or for a reason that
        ``ws_send`` tells."""
        transport = self.transport
        if self.writing_paused or self.tunnel is not None or transport is None or transport.is_closing():
            return False
        result, output = self.tools.send(self.conn, kind, data)
        if output:
            self.backlog = 0
            transport.write(output)
        if result == PENDING:
            self.flush()
        return result == OK or result == PENDING

    def flush(self) -> bool:
        """Gives the transport what is to be written; whether anything was."""
        transport, tools, conn = self.transport, self.tools, self.conn
        moved = False
        while not self.writing_paused and transport is not None and not transport.is_closing():
            address = held.ws_output(conn, tools.at_size)
            if not address:
                break
            size = tools.size.value
            if self.tunnel is not None and string_at(address, min(size, 4)) == b"GET ":
                # The first request behind the exchange with the proxy, which begins with CONN, or a 5 or 1.
                if not self.tunnel.done():
                    self.tunnel.set_result(None)
                break
            self.backlog = 0
            moved = True
            if size <= COPIED or self.copies:
                data = string_at(address, size)
                held.ws_output_done(conn, size, None)
                transport.write(data)
                continue
            self.loan = size
            transport.write(lent(address, size))
            if self.writing_paused:
                # A transport may keep the view until it has written it: `resume_writing` says when it has.
                break
            held.ws_output_done(conn, size, None)
            self.loan = 0
        return moved

    @property
    def unsent(self) -> int:
        """So many bytes are not with the system yet, about."""
        transport = self.transport
        return self.backlog + (transport.get_write_buffer_size() if transport is not None else 0)

    async def drained(self, above: int) -> None:
        """Waits while more than ``above`` bytes are unsent, and then until no more than the low mark are."""
        while self.writing_paused and self.unsent > above:
            await self.written()
            above = self.limits.write_low

    async def written(self) -> None:
        """Waits until the transport has written all that it was given, or is gone."""
        if not self.writing_paused or self.transport is None:
            return await asyncio.sleep(0)
        waiter = self.loop.create_future()
        if self.drainers is None:
            self.drainers = deque()
        drainers = self.drainers
        drainers.append(waiter)
        try:
            await waiter
        finally:
            if waiter in drainers:
                drainers.remove(waiter)

    def release_drainers(self) -> None:
        for waiter in self.drainers or ():
            if not waiter.done():
                waiter.set_result(None)

    def drop(self) -> None:
        """Ends it at once, from any thread and whatever has become of the loop."""
        if self.transport is None or self.loop.is_closed():
            return
        try:
            if asyncio._get_running_loop() is self.loop:
                self.transport.abort()
            else:
                self.loop.call_soon_threadsafe(self.transport.abort)
        except RuntimeError:
            pass  # the loop was closed meanwhile

    def address(self, which: str) -> Any:
        """Of the transport, also once it is gone."""
        if self.transport is not None:
            return self.transport.get_extra_info(which)
        return self.addresses[which] if self.addresses else None
