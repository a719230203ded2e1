"""One daemon thread for all blocking connections of the process: it answers pings, sends keepalive pings and reads ahead
where no thread of the program is in ``recv``, so that a program that only sends, or computes for a minute, stays connected.

It waits in one epoll. A connection is in one of three conditions: *armed*, nobody is in ``recv`` and its descriptor is
watched; *parked*, somebody was found to receive, and a look every :data:`TICK` seconds tells when nobody has for that long;
*asleep*, somebody has been in the same ``recv`` for two looks, who says so on leaving (:meth:`Servicer.wake`). A busy
receiver therefore costs a look now and then, an idle process nothing.

Whoever has just dialed, or just left ``recv`` with a message, has a TICK to go on: what is read ahead for a program may be
a violation, and the end that it makes of the connection would come before the answer to the message in front of it.
"""

from __future__ import annotations

import atexit
import heapq
import itertools
import os
import select
import signal
import threading
import time
import weakref
from typing import TYPE_CHECKING

from . import _lib

if TYPE_CHECKING:
    from .connection import ClientConnection

#: Seconds between two looks at a parked connection.
TICK = 0.2


class _Seat:
    """A connection's place here."""

    __slots__ = ("connection", "due", "fd", "looks", "seen", "since")

    def __init__(self, connection: ClientConnection, fd: int) -> None:
        self.connection = weakref.ref(connection)
        self.fd = fd
        self.due = 0.0
        #: When the program was last seen to have it in hand.
        self.since = time.monotonic()
        self.seen = 0
        self.looks = 0


class Servicer:
    """The thread and what it watches. All methods may be called from any thread."""

    def __init__(self) -> None:
        # Reentrant: a collection, which any line may set off, and a signal's handler can end a connection in a thread
        # that holds it. So what is found here may be gone a line later.
        self._lock = threading.RLock()
        self._epoll = select.epoll()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._epoll.register(self._wake_read, select.EPOLLIN)
        self._seats: dict[int, _Seat] = {}
        self._parked: dict[int, _Seat] = {}
        self._woken: set[int] = set()
        self._deadlines: list[tuple[float, int, _Seat]] = []
        self._order = itertools.count()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="wsdial", daemon=True)
        self._thread.start()

    # For connections.

    def add(self, connection: ClientConnection, fd: int) -> None:
        """Watches a connection from now on."""
        seat = _Seat(connection, fd)
        with self._lock:
            self._seats[fd] = seat
            self._schedule(seat, connection._due())
        try:
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLONESHOT)
        except FileExistsError:
            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLONESHOT)

    def remove(self, fd: int) -> None:
        """Watches it no longer; before its descriptor is closed."""
        with self._lock:
            self._parked.pop(fd, None)
            if self._seats.pop(fd, None) is None:
                return
            self._forget(fd)

    def _forget(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except (OSError, ValueError):
            pass

    def wake(self, fd: int) -> None:
        """Nobody is in ``recv`` any more, where somebody was for long."""
        with self._lock:
            self._woken.add(fd)
        self._poke()

    def stop(self) -> None:
        """Ends the thread, before the interpreter takes apart what it uses."""
        self._stopping = True
        self._poke()
        if threading.current_thread() is not self._thread:
            self._thread.join(1)

    # The thread.

    def _poke(self) -> None:
        try:
            os.write(self._wake_write, b"x")
        except (BlockingIOError, OSError):
            pass  # it is awake already

    def _schedule(self, seat: _Seat, seconds: float | None) -> None:
        if seconds is None:
            seat.due = 0.0
            return
        seat.due = time.monotonic() + seconds
        first = not self._deadlines or seat.due < self._deadlines[0][0]
        heapq.heappush(self._deadlines, (seat.due, next(self._order), seat))
        if first and threading.current_thread() is not self._thread:
            self._poke()

    def _patience(self) -> float | None:
        """How long there is nothing to look at."""
        with self._lock:
            while self._deadlines and self._deadlines[0][2].due != self._deadlines[0][0]:
                heapq.heappop(self._deadlines)
            due = max(self._deadlines[0][0] - time.monotonic(), 0) if self._deadlines else None
            if self._parked:
                return TICK if due is None else min(TICK, due)
            return due

    def _run(self) -> None:
        # Signals are the main thread's: its waits are to end.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        looked = time.monotonic()
        while not self._stopping:
            try:
                for fd, _ in self._epoll.poll(self._patience()):
                    if fd == self._wake_read:
                        self._take_pokes()
                    else:
                        self._visit(self._seats.get(fd))
                self._meet_deadlines()
                if self._parked and time.monotonic() - looked >= TICK:
                    looked = time.monotonic()
                    for seat in list(self._parked.values()):
                        self._look(seat)
            except InterruptedError:
                continue

    def _take_pokes(self) -> None:
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            pass
        with self._lock:
            woken, self._woken = self._woken, set()
            for fd in woken:
                seat = self._seats.get(fd)
                if seat is not None:
                    seat.looks, seat.since = 0, time.monotonic()
                    self._parked[fd] = seat

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        while True:
            with self._lock:
                if not self._deadlines or self._deadlines[0][0] > now:
                    return
                due, _, seat = heapq.heappop(self._deadlines)
            if seat.due == due and self._seats.get(seat.fd) is seat:
                self._visit(seat)

    def _visit(self, seat: _Seat | None) -> None:
        """Something has come for a connection, or is due."""
        connection = seat.connection() if seat else None
        if seat is None or connection is None:
            return
        if connection._inside or connection._entered != seat.seen or self._is_new(seat):
            seat.seen, seat.looks = connection._entered, 0
            with self._lock:
                if seat.fd in self._seats:
                    self._parked[seat.fd] = seat
                    # The receiver keeps the time limits meanwhile.
                    self._schedule(seat, None)
            return
        self._service(seat, connection)

    def _look(self, seat: _Seat) -> None:
        """Whether a parked connection still has a receiver."""
        connection = seat.connection()
        if connection is None:
            with self._lock:
                # Its descriptor may be another connection's by now.
                if self._parked.get(seat.fd) is seat:
                    del self._parked[seat.fd]
            return
        if connection._entered != seat.seen:
            seat.seen, seat.looks = connection._entered, 0
            return
        if not connection._inside:
            if not self._is_new(seat):
                self._service(seat, connection)
            return
        seat.looks += 1
        if seat.looks >= 2:
            connection._wake_on_leaving = True
            # It may have left between the two, and not have seen that.
            if connection._inside and connection._entered == seat.seen:
                with self._lock:
                    self._parked.pop(seat.fd, None)

    def _is_new(self, seat: _Seat) -> bool:
        return time.monotonic() - seat.since < TICK

    def _service(self, seat: _Seat, connection: ClientConnection) -> None:
        """Does what is to be done now, and says what to watch for next."""
        seat.seen, seat.looks = connection._entered, 0
        wants = connection._service()
        events = 0
        if wants & _lib.WANT_READ:
            events |= select.EPOLLIN
        if wants & _lib.WANT_WRITE:
            events |= select.EPOLLOUT
        with self._lock:
            if self._seats.get(seat.fd) is not seat:
                return
            if wants == 0:
                self._seats.pop(seat.fd, None)
                self._parked.pop(seat.fd, None)
                self._forget(seat.fd)
                return
            self._schedule(seat, connection._due())
            self._parked.pop(seat.fd, None)
            if not events:
                # Read ahead as far as may be: looked at again when somebody has come for a message.
                connection._wake_on_leaving = True
                return
            try:
                self._epoll.modify(seat.fd, events | select.EPOLLONESHOT)
            except (OSError, ValueError):
                self._seats.pop(seat.fd, None)


_servicer: Servicer | None = None
_starting = threading.Lock()


def servicer() -> Servicer:
    """The one of this process, started with the first connection that wants it."""
    global _servicer
    if _servicer is None:
        with _starting:
            if _servicer is None:
                _servicer = Servicer()
                atexit.register(_servicer.stop)
    return _servicer


def _after_fork() -> None:
    # The thread is not in the child, and what it watched is the parent's.
    global _servicer, _starting
    _starting = threading.Lock()
    old, _servicer = _servicer, None
    if old is not None:
        atexit.unregister(old.stop)
        old._seats.clear()
        for fd in (old._wake_read, old._wake_write):
            os.close(fd)
        old._epoll.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
