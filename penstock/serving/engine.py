"""The inference threads: a bounded queue of inputs per customer, served in turn, dropped when their time is over.

It knows models, their inputs and whose they are; it knows nothing of HTTP or money.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

import numpy as np

from penstock.core.errors import Unavailable
from penstock.models.protocol import Model
from penstock.serving.pieces import Costs
from penstock.serving.problems import Overloaded
from penstock.serving.turns import Turns, queue_full

THREADS = 2  # two threads sharing a session reached 11-24k tokens/s on two cores; more only queue inside
LONG_S = 0.05  # pieces expected to take longer leave one thread to others
MOST_WAIT_S = 15.0  # what a customer's queue may be expected to last: a request is given up after 20 s
_LOOK_AGAIN_S = 1.0

Render = Callable[[Model, Any, Any], Any]
"""One answer from a model, an input and its scores; or a generator that returns it, and yields where others may go."""


@dataclass
class _Job:
    owner: str
    kind: str
    model: Model
    render: Render
    inputs: Sequence[Any]
    deadline: float
    future: Future[Any]
    finish: Callable[[list[Any]], Any]
    cost: int  # answers of the model that an input may take; above 1 they are made one input after the other
    expected_s: float
    outputs: list[Any] = field(default_factory=list)
    next: int = 0  # the first input no thread has taken
    left: int = 0  # inputs not answered
    counted: int = 0  # inputs that still count as queued


@dataclass
class _Steps:
    """An answer that is being made in steps."""

    job: _Job
    index: int
    steps: Generator[None, None, Any]


@dataclass(frozen=True)
class _Piece:
    """What a thread does before it looks for the next: inputs of a job from start to end, or a step of one's answer."""

    job: _Job
    start: int
    end: int
    steps: Generator[None, None, Any] | None
    expected_s: float

    @property
    def kind(self) -> str:
        return self.job.kind if self.steps is None else f"{self.job.kind} step"

    @property
    def inputs(self) -> Sequence[Any]:
        return self.job.inputs[self.start : self.end]


class Engine:
    """`submit` inputs, get a future of their outputs. Rows are bit-identical however they are cut into pieces."""

    def __init__(self, queue_inputs: int, threads: int = THREADS) -> None:
        self._limit = queue_inputs
        self._turns: Turns[_Job | _Steps] = Turns()
        self._costs = Costs()
        self._ready = threading.Condition()
        self._queued: dict[str, int] = {}  # owner -> inputs accepted and not finished, each as often as it costs
        self._queued_s: dict[str, float] = {}  # owner -> seconds that they are expected to take
        self._long = 0  # long pieces that run
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
        return sum(list(self._queued.values()))

    def check_room(self, inputs: int, owner: str = "", *, cost: int = 1) -> None:
        """Raises QueueFull when `inputs` more of this owner would pass half of the queue's limit, or what can be
        answered in time; Overloaded when the whole queue's limit (an empty queue takes any request).

        cost: how many times each counts.
        """
        mine, queued, more = self._queued.get(owner, 0), self.queued, inputs * cost
        if mine and (mine + more > self._limit // 2 or self._wait_s(owner) > MOST_WAIT_S):
            raise queue_full(f"{mine} of your inputs are waiting", self._wait_s(owner))
        if queued and queued + more > self._limit:
            raise Overloaded(
                f"{queued} inputs are waiting; this gateway queues at most {self._limit}",
                hint="wait as long as Retry-After says, then send it again; nothing was billed",
                retry_after_s=sum(list(self._queued_s.values())) / len(self._threads),
            )

    def submit(
        self,
        model: Model,
        render: Render,
        inputs: Sequence[Any],
        deadline: float,
        *,
        cost: int = 1,
        owner: str = "",
        kind: str = "",
        finish: Callable[[list[Any]], Any] = lambda outputs: outputs,
    ) -> Future[Any]:
        """Predict and render `inputs`; the future holds what `finish` makes, in a thread here, of one output for each.

        deadline: time.monotonic() after which work not yet begun is dropped with Unavailable. cost: answers of the
        model that an input may take to render. owner: whose turn it takes. kind: what is alike in how long it takes.
        Raises QueueFull or Overloaded before anything is queued.
        """
        with self._ready:
            if self._closing:
                raise Unavailable("the gateway is shutting down", hint="send the request again")
            self.check_room(len(inputs), owner, cost=cost)
            expected_s = self._costs.expected(kind, inputs) * cost
            job = _Job(owner, kind, model, render, inputs, deadline, Future(), finish, cost, expected_s)
            job.outputs, job.left, job.counted = [None] * len(inputs), len(inputs), len(inputs)
            self._queued[owner] = self._queued.get(owner, 0) + len(inputs) * cost
            self._queued_s[owner] = self._queued_s.get(owner, 0.0) + expected_s
            self._turns.put(owner, job)
            self._ready.notify_all()
        return job.future

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish what is queued, then end the threads."""
        with self._ready:
            self._closing = True
            self._ready.notify_all()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _wait_s(self, owner: str) -> float:
        """How long the owner's queue may last when all who wait share the threads."""
        return self._queued_s.get(owner, 0.0) * max(1.0, len(self._queued) / len(self._threads))

    def _run(self) -> None:
        while True:
            with self._ready:
                while (piece := self._take()) is None:
                    if self._closing and not len(self._turns):
                        return
                    # a long piece held back for others is looked at again when they have stayed away
                    self._ready.wait(_LOOK_AGAIN_S if len(self._turns) else None)
            began = time.monotonic()
            try:
                rest = self._do(piece, began)
            except Exception as error:  # noqa: BLE001 - handed to whoever asked; the thread must live
                _settle(piece.job, error=error)
                rest = []
            self._done(piece, rest, time.monotonic() - began)

    def _take(self) -> _Piece | None:
        while (found := self._turns.take(self._allowed)) is not None:
            owner, item = found
            job = item.job if isinstance(item, _Steps) else item
            if not job.future.done():
                break
            self._uncount(job, job.counted)  # another piece failed, or nobody waits any more
            self._turns.end(owner)
        else:
            return None
        piece = self._cut(item)
        if isinstance(item, _Job):
            item.next = piece.end
            if item.next < len(item.inputs):
                self._turns.put(owner, item, first=True)
        self._long += piece.expected_s > LONG_S
        self._turns.charge(owner, piece.expected_s)
        return piece

    def _cut(self, item: _Job | _Steps) -> _Piece:
        if isinstance(item, _Steps):
            job, start, end, steps = item.job, item.index, item.index + 1, item.steps
            return _Piece(job, start, end, steps, self._costs.expected(f"{job.kind} step", job.inputs[start:end]))
        start, kind = item.next, item.kind
        end = self._costs.piece(kind, item.inputs, start) if item.cost == 1 else start + 1
        return _Piece(item, start, end, None, self._costs.expected(kind, item.inputs[start:end]))

    def _allowed(self, owner: str, item: _Job | _Steps) -> bool:
        """A long piece may not take the last thread that others' short ones could be answered in."""
        if len(self._threads) == 1 or self._long < len(self._threads) - 1:
            return True
        return self._cut(item).expected_s <= LONG_S or not self._turns.shared()

    def _do(self, piece: _Piece, now: float) -> list[_Steps]:
        """Do it; answers what of it is to go on when its turn comes."""
        job, rest, ready = piece.job, [], 0
        if now > job.deadline:
            raise Unavailable("the request waited too long for its turn", hint="send it again later")
        if piece.steps is not None:
            made = [(piece.start, piece.steps)]
        else:
            rows = np.asarray(job.model.predict(piece.inputs))
            pairs = zip(piece.inputs, rows, strict=True)
            made = [(piece.start + at, job.render(job.model, *pair)) for at, pair in enumerate(pairs)]
        for index, output in made:
            if isinstance(output, GeneratorType):
                try:
                    if piece.steps is not None:
                        next(output)
                    rest.append(_Steps(job, index, output))
                    continue
                except StopIteration as ended:
                    output = ended.value
            job.outputs[index] = output
            ready += 1
        with self._ready:
            job.left -= ready
            self._uncount(job, ready)
            finished = job.left == 0
        if finished:
            _settle(job)
        return rest

    def _done(self, piece: _Piece, rest: list[_Steps], spent_s: float) -> None:
        owner = piece.job.owner
        with self._ready:
            self._costs.observe(piece.kind, piece.inputs, spent_s)
            self._long -= piece.expected_s > LONG_S
            self._turns.charge(owner, spent_s - piece.expected_s)
            for steps in reversed(rest):
                self._turns.put(owner, steps, first=True)
            if piece.job.future.done():
                self._uncount(piece.job, piece.job.counted)
            self._turns.end(owner)
            if len(self._turns) or self._closing:
                self._ready.notify_all()

    def _uncount(self, job: _Job, inputs: int) -> None:
        inputs = min(inputs, job.counted)
        if not inputs:
            return
        job.counted -= inputs
        self._queued[job.owner] -= inputs * job.cost
        self._queued_s[job.owner] -= job.expected_s * inputs / len(job.inputs)
        if self._queued[job.owner] <= 0:
            del self._queued[job.owner], self._queued_s[job.owner]


def _settle(job: _Job, error: Exception | None = None) -> None:
    with suppress(InvalidStateError):  # another piece failed first, or the request was given up
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(job.finish(job.outputs))
