"""Inputs as sent become what a model reads: files and long lists in threads of their own, a short list at once.

It knows tasks and how many requests may wait; it knows nothing of HTTP, customers or money.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from penstock.core.errors import Unavailable
from penstock.models.protocol import Model
from penstock.serving.problems import Overloaded
from penstock.tasks import Task

FILE_THREADS = 2  # each may decode a photo of 20 megapixels, which takes up to a second and 160 to 320 MB
MOST_UNDER_WAY = 64  # requests of a pool, read or waiting: each keeps its whole body in memory
AT_ONCE = 32  # inputs that are read on the event loop: fewer than that take less time than changing threads
_FIRST_GUESS_S = 0.02  # per request, until something was measured


class Parsing:
    """`parse` what was sent. Files and long lists wait apart, so that neither holds up the other, nor anything else."""

    def __init__(self) -> None:
        self._files = _Pool("decoder", FILE_THREADS)
        self._lists = _Pool("parser", 1)

    def check_room(self, task: Task, inputs: int) -> None:
        """Raises Overloaded when a request of so many inputs would have to wait behind too many others."""
        pool = self._pool(task, inputs)
        if pool is not None:
            pool.check_room()

    async def parse(self, task: Task, inputs: list[Any], model: Model, deadline: float) -> list[Any]:
        """What `task` makes of the inputs for this model.

        deadline: time.monotonic() after which reading not yet begun is dropped with Unavailable. Raises BadInput for
        the first input that cannot be read, Overloaded.
        """
        pool = self._pool(task, len(inputs))
        if pool is None:
            return task.parse(inputs, model)
        return await asyncio.wrap_future(pool.submit(lambda: task.parse(inputs, model), deadline))

    def close(self) -> None:
        """Take nothing more; what is being read is finished."""
        self._files.close()
        self._lists.close()

    def _pool(self, task: Task, inputs: int) -> _Pool | None:
        if task.uploads:
            return self._files
        return self._lists if inputs > AT_ONCE else None


class _Pool:
    """A few threads and a limit to what waits for them."""

    def __init__(self, name: str, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._lock = threading.Lock()
        self._under_way = 0
        self._seconds = _FIRST_GUESS_S

    def check_room(self) -> None:
        if self._under_way >= MOST_UNDER_WAY:
            raise Overloaded(
                f"{self._under_way} requests are being read; this gateway reads at most {MOST_UNDER_WAY} like this one",
                hint="wait as long as Retry-After says, then send it again; nothing was billed",
                retry_after_s=self._under_way * self._seconds / self._threads,
            )

    def submit(self, work: Callable[[], list[Any]], deadline: float) -> Future[list[Any]]:
        with self._lock:
            self.check_room()
            try:
                future = self._executor.submit(self._run, work, deadline)
            except RuntimeError:  # it was shut down
                raise Unavailable("the gateway is shutting down", hint="send the request again") from None
            self._under_way += 1
        future.add_done_callback(self._ended)  # also when it was given up before its turn
        return future

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _run(self, work: Callable[[], list[Any]], deadline: float) -> list[Any]:
        began = time.monotonic()
        if began > deadline:
            raise Unavailable("the request waited too long for its turn", hint="send it again later")
        try:
            return work()
        finally:
            self._seconds += 0.05 * (time.monotonic() - began - self._seconds)

    def _ended(self, future: Future[list[Any]]) -> None:
        with self._lock:
            self._under_way -= 1
