"""Fair turns: what waits is queued per owner, and whoever has had the least time is served next.

It is fair queueing with measured costs: an owner's share is the seconds that its work really took, so long work and
much work weigh alike. It knows neither requests nor models. An owner is a customer.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from penstock.core.errors import Unavailable
from penstock.serving.problems import Overloaded, QueueFull

RECENT_S = 10.0  # an owner who asked so lately is expected back
_SMOOTHING = 0.1
_FIRST_GUESS_S = 0.005

T = TypeVar("T")


@dataclass
class _Line(Generic[T]):
    """What one owner waits for. had: seconds it has had, and is expected to have from what was taken."""

    had: float
    waiting: deque[T] = field(default_factory=deque)
    running: int = 0


class Turns(Generic[T]):
    """Items by owner. Not safe for threads by itself: hold a lock."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line[T]] = {}
        self._seen: dict[str, float] = {}  # owner -> when it last put something, time.monotonic()
        self._floor = 0.0  # what the owner served last had had: who comes anew starts there, and saves nothing up

    def __len__(self) -> int:
        return sum(len(line.waiting) for line in self._lines.values())

    def put(self, owner: str, item: T, *, first: bool = False) -> None:
        """Queue an item behind the owner's others, or before them."""
        self._seen[owner] = time.monotonic()
        line = self._lines.get(owner)
        if line is None:
            line = self._lines[owner] = _Line(self._floor)
        (line.waiting.appendleft if first else line.waiting.append)(item)

    def take(self, allowed: Callable[[str, T], bool] = lambda owner, item: True) -> tuple[str, T] | None:
        """The next item of the owner who has had least, of those whose next item is `allowed`; None when there is none.

        Each item taken is to be ended by `end`.
        """
        candidates = [
            (line.had, owner) for owner, line in self._lines.items() if line.waiting and allowed(owner, line.waiting[0])
        ]
        if not candidates:
            return None
        had, owner = min(candidates)
        self._floor = max(self._floor, had)
        line = self._lines[owner]
        line.running += 1
        return owner, line.waiting.popleft()

    def charge(self, owner: str, seconds: float) -> None:
        """Count time as had: what is expected when the item is taken, and the difference when it has run."""
        if (line := self._lines.get(owner)) is not None:
            line.had += seconds

    def end(self, owner: str) -> None:
        """An item taken has run."""
        line = self._lines[owner]
        line.running -= 1
        if not line.running and not line.waiting:
            del self._lines[owner]

    def running(self, owner: str) -> int:
        line = self._lines.get(owner)
        return line.running if line is not None else 0

    def shared(self) -> bool:
        """Whether more than one owner is here, or was a moment ago."""
        now = time.monotonic()
        self._seen = {owner: at for owner, at in self._seen.items() if now - at < RECENT_S or owner in self._lines}
        return len(self._seen) > 1


@dataclass(frozen=True)
class _Work:
    call: Callable[[], Any]
    deadline: float
    future: Future[Any]


class Workers:
    """A few threads that run calls by turns. While others are here, no owner has all the threads."""

    def __init__(self, name: str, threads: int, *, most_waiting: int) -> None:
        self._count = threads
        self._most = most_waiting
        self._turns: Turns[_Work] = Turns()
        self._ready = threading.Condition()
        self._under_way: dict[str, int] = {}
        self._seconds = _FIRST_GUESS_S
        self._closing = False
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def check_room(self, owner: str) -> None:
        """Raises QueueFull when half of the places are the owner's, Overloaded when all are taken."""
        total, mine = sum(self._under_way.values()), self._under_way.get(owner, 0)
        if mine >= max(1, self._most // 2):
            raise queue_full(f"{mine} of your requests are being read", mine * self._seconds)
        if total >= self._most:
            raise Overloaded(
                f"{total} requests are being read; this gateway reads at most {self._most} like this one",
                hint="wait as long as Retry-After says, then send it again; nothing was billed",
                retry_after_s=total * self._seconds / self._count,
            )

    def submit(self, owner: str, call: Callable[[], T], deadline: float = float("inf")) -> Future[T]:
        """Run `call` when its turn comes. deadline: time.monotonic() after which it is dropped with Unavailable."""
        future: Future[T] = Future()
        with self._ready:
            if self._closing:
                raise Unavailable("the gateway is shutting down", hint="send the request again")
            self.check_room(owner)
            self._under_way[owner] = self._under_way.get(owner, 0) + 1
            self._turns.put(owner, _Work(call, deadline, future))
            self._ready.notify()
        return future

    async def run(self, owner: str, call: Callable[..., T], *arguments: Any, deadline: float = float("inf")) -> T:
        """The call's result, awaited."""
        return await asyncio.wrap_future(self.submit(owner, lambda: call(*arguments), deadline))

    def close(self) -> None:
        """Take nothing more and drop what waits; what runs is finished, and nobody waits for it here."""
        with self._ready:
            self._closing = True
            while (found := self._turns.take()) is not None:
                found[1].future.cancel()
                self._ended(found[0])
            self._ready.notify_all()

    def _allowed(self, owner: str, work: _Work) -> bool:
        running = self._turns.running(owner)
        return self._count == 1 or running < self._count - 1 or not self._turns.shared()

    def _run(self) -> None:
        while True:
            with self._ready:
                while (found := self._turns.take(self._allowed)) is None:
                    if self._closing:
                        return
                    # who is held back for others is looked at again when they have stayed away
                    self._ready.wait(1.0 if len(self._turns) else None)
                owner, work = found
                expected = self._seconds
                self._turns.charge(owner, expected)
            began = time.monotonic()
            _perform(work, began)
            spent = time.monotonic() - began
            with self._ready:
                self._seconds += _SMOOTHING * (spent - self._seconds)
                self._turns.charge(owner, spent - expected)
                self._ended(owner)
                if len(self._turns):
                    self._ready.notify()

    def _ended(self, owner: str) -> None:
        self._turns.end(owner)
        self._under_way[owner] -= 1
        if not self._under_way[owner]:
            del self._under_way[owner]


def queue_full(what: str, wait_s: float) -> QueueFull:
    """The refusal of a customer whose own work fills its queue."""
    return QueueFull(
        f"{what}: that is as much as waits for one customer",
        hint="wait as long as Retry-After says, or for your earlier answers, then send it again; nothing was billed",
        retry_after_s=wait_s,
    )


def _perform(work: _Work, now: float) -> None:
    if not work.future.set_running_or_notify_cancel():
        return
    if now > work.deadline:
        work.future.set_exception(Unavailable("the request waited too long for its turn", hint="send it again later"))
        return
    try:
        result = work.call()
    except BaseException as error:  # noqa: BLE001 - handed to whoever asked; the thread must live
        work.future.set_exception(error)
    else:
        work.future.set_result(result)
