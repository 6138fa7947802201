"""The inference threads: a bounded queue of inputs, refused when full, dropped when their time is over.

It knows models and their inputs; it knows nothing of HTTP, customers or money.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.core.errors import Unavailable
from penstock.models.protocol import Model
from penstock.serving.problems import Overloaded

THREADS = 2  # two threads sharing a session reached 11-24k tokens/s on two cores; more only queue inside
SLICE = 16  # inputs a thread takes at once: a large request uses both threads and lets small ones in between
_FIRST_GUESS_S = 0.005  # per input, until something was measured

Render = Callable[[Model, Any, Any], Any]


@dataclass
class _Job:
    model: Model
    render: Render
    inputs: Sequence[Any]
    deadline: float
    future: Future[list[Any]]
    outputs: list[Any]
    left: int
    cost: int = 1  # answers of the model that an input may take
    lock: threading.Lock = field(default_factory=threading.Lock)


class Engine:
    """`submit` inputs, get a future of their outputs. Rows are bit-identical however they are sliced."""

    def __init__(self, queue_inputs: int, threads: int = THREADS) -> None:
        self._limit = queue_inputs
        self._slices: deque[tuple[_Job, int, int]] = deque()
        self._ready = threading.Condition()
        self._queued = 0  # inputs accepted and not finished, each as many times as it costs
        self._seconds_per_input = _FIRST_GUESS_S
        self._closing = False
        self._threads = [
            threading.Thread(target=self._run, name=f"inference-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def queued(self) -> int:
        """Inputs accepted and not yet answered, each as many times as it costs."""
        return self._queued

    def check_room(self, inputs: int, *, cost: int = 1) -> None:
        """Raises Overloaded when `inputs` more would pass the queue's limit (an empty queue takes any request).

        cost: how many times each counts.
        """
        if self._queued and self._queued + inputs * cost > self._limit:
            raise Overloaded(
                f"{self._queued} inputs are waiting; this gateway queues at most {self._limit}",
                hint="wait as long as Retry-After says, then send it again; nothing was billed",
                retry_after_s=self._queued * self._seconds_per_input / len(self._threads),
            )

    def submit(
        self, model: Model, render: Render, inputs: Sequence[Any], deadline: float, *, cost: int = 1
    ) -> Future[list[Any]]:
        """Predict and render `inputs`; the future holds one output for each.

        deadline: time.monotonic() after which work not yet begun is dropped with Unavailable. cost: answers of the
        model that an input may take to render; from SLICE on, a thread takes one at a time and looks at the deadline.
        Raises Overloaded before anything is queued.
        """
        future: Future[list[Any]] = Future()
        size = max(1, SLICE // cost)
        slices = [(start, min(start + size, len(inputs))) for start in range(0, len(inputs), size)]
        job = _Job(model, render, inputs, deadline, future, [None] * len(inputs), len(slices), cost)
        with self._ready:
            if self._closing:
                raise Unavailable("the gateway is shutting down", hint="send the request again")
            self.check_room(len(inputs), cost=cost)
            self._queued += len(inputs) * cost
            self._slices.extend((job, start, end) for start, end in slices)
            self._ready.notify(len(slices))
        return future

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish what is queued, then end the threads."""
        with self._ready:
            self._closing = True
            self._ready.notify_all()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._slices:
                    if self._closing:
                        return
                    self._ready.wait()
                job, start, end = self._slices.popleft()
            try:
                self._predict(job, start, end)
            finally:
                with self._ready:
                    self._queued -= (end - start) * job.cost

    def _predict(self, job: _Job, start: int, end: int) -> None:
        if job.future.done():  # another slice failed, or nobody waits any more
            return
        began = time.monotonic()
        if began > job.deadline:
            _settle(job, error=Unavailable("the request waited too long for its turn", hint="send it again later"))
            return
        try:
            inputs = job.inputs[start:end]
            rows = np.asarray(job.model.predict(inputs))
            job.outputs[start:end] = [job.render(job.model, *pair) for pair in zip(inputs, rows, strict=True)]
        except Exception as error:  # noqa: BLE001 - handed to whoever asked; the thread must live
            _settle(job, error=error)
            return
        spent = (time.monotonic() - began) / ((end - start) * job.cost)
        self._seconds_per_input += 0.05 * (spent - self._seconds_per_input)
        with job.lock:
            job.left -= 1
            finished = job.left == 0
        if finished:
            _settle(job)


def _settle(job: _Job, error: Exception | None = None) -> None:
    with job.lock, suppress(InvalidStateError):  # another slice failed first, or the request was given up
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(job.outputs)
