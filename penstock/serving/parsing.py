"""Inputs as sent become what a model reads: files and long lists in threads of their own, a short list at once.

It knows tasks, whose the inputs are and how many requests may wait; it knows nothing of HTTP or money.
"""

from __future__ import annotations

from typing import Any

from penstock.models.protocol import Model
from penstock.serving.exchange import LOOP_BYTES
from penstock.serving.turns import Workers
from penstock.task import AnyTask

FILE_THREADS = 2  # each may decode a photo of 20 megapixels, which takes up to a second and 160 to 320 MB
MOST_UNDER_WAY = 64  # requests of a pool, read or waiting: each keeps its whole body in memory
AT_ONCE = 32  # inputs that are read on the event loop: fewer than that take less time than changing threads


class Parsing:
    """`parse` what was sent. Files and long lists wait apart, so that neither holds up the other, nor anything else."""

    def __init__(self) -> None:
        self._files = Workers("file-decoder", FILE_THREADS, most_waiting=MOST_UNDER_WAY)
        self._lists = Workers("parser", 1, most_waiting=MOST_UNDER_WAY)

    def start(self) -> None:
        self._files.start()
        self._lists.start()

    def check_room(self, task: AnyTask, owner: str, inputs: list[Any], size_bytes: int) -> None:
        """Raises QueueFull or Overloaded when such a request would have to wait behind too many others."""
        pool = self._pool(task, inputs, size_bytes)
        if pool is not None:
            pool.check_room(owner)

    async def parse(
        self, task: AnyTask, owner: str, inputs: list[Any], model: Model, deadline: float, *, size_bytes: int
    ) -> list[Any]:
        """What `task` makes of the inputs for this model.

        owner: the customer, whose turn it takes. deadline: time.monotonic() after which reading not yet begun is
        dropped with Unavailable. size_bytes: of the body they came in. Raises BadInput for the first input that cannot
        be read, QueueFull, Overloaded.
        """
        pool = self._pool(task, inputs, size_bytes)
        if pool is None:
            return task.parse(inputs, model)
        return await pool.run(owner, task.parse, inputs, model, deadline=deadline)

    def close(self) -> None:
        """Take nothing more; what is being read is finished."""
        self._files.close()
        self._lists.close()

    def _pool(self, task: AnyTask, inputs: list[Any], size_bytes: int) -> Workers | None:
        if task.uploads:
            return self._files
        return self._lists if len(inputs) > AT_ONCE or size_bytes > LOOP_BYTES else None
