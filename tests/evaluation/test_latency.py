"""Timing beside other work: rounds that were disturbed do not count, a gate does not say no to what others did."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
import pytest
from evaluation.measured import needs, report
from pipeline.test_refusals import outcome

from penstock.evaluation import latency as timing
from penstock.evaluation.gate import judge, shortfall
from penstock.evaluation.intervals import Metric
from penstock.evaluation.load import Load, reference_ms, watching
from penstock.pipeline.climb.climbing import helped_by_search, only_busy

BUSY, QUIET = Load(busy=0.9), Load(busy=0.01)


@dataclass
class Slow:
    """Takes so many milliseconds a call in each round, by sleeping or by work."""

    milliseconds: Sequence[float] = (1.0,)
    labels: tuple[str, ...] = ("a", "b")
    kind: str = "slow.v1"
    rounds: list[int] = field(default_factory=lambda: [0])

    def predict(self, inputs: Sequence[Any]) -> Any:
        time.sleep(self.milliseconds[min(self.rounds[0], len(self.milliseconds) - 1)] / 1000)
        return np.full((len(inputs), 2), 0.5, dtype=np.float32)


@dataclass
class Told:
    """A watch that says what it is told, one load a round, the last one for ever."""

    loads: list[Load]
    model: Slow

    def __call__(self) -> Any:
        return self

    def end(self) -> Load:
        self.model.rounds[0] += 1
        return self.loads.pop(0) if len(self.loads) > 1 else self.loads[0]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("SECONDS", 1.0),
        ("FIRST_ROUND_S", 0.1),
        ("SHORTEST_ROUND_S", 0.05),
        ("WAIT_S", 0.0),
        ("FEWEST_CALLS", 15),
    ):
        monkeypatch.setattr(timing, name, value)
    monkeypatch.setattr(timing, "MOST_SECONDS", 20.0)


def timed(model: Slow, *loads: Load, enough: bool = True) -> timing.Timings:
    watch: Any = Told(list(loads), model)
    return timing.time_single_calls(model, ["x"] * 15, 0, enough=lambda found: enough, watch=watch)


def test_a_round_beside_other_work_does_not_count_where_another_does() -> None:
    found = timed(Slow((60.0, 60.0, 1.0)), BUSY, BUSY, QUIET, enough=False)
    assert not found.load.disturbed and found.load.rounds == 1
    assert float(np.median(found.wall_ms)) < 50


def test_of_several_quiet_rounds_each_calls_quickest_counts() -> None:
    found = timed(Slow((1.0, 60.0, 60.0)), QUIET)
    assert float(np.median(found.wall_ms)) < 50 and found.load.rounds >= 2


def test_rounds_are_repeated_only_where_it_decides_and_not_for_ever() -> None:
    easy, hard = timed(Slow(), BUSY), timed(Slow(), BUSY, enough=False)
    assert easy.load.disturbed and hard.load.disturbed
    assert easy.load.rounds < hard.load.rounds == timing.MOST_ROUNDS


def test_a_gate_says_not_known_where_the_machine_was_busy_and_no_where_the_model_is_slow() -> None:
    beside = replace(report(100).latency, load=Load(0.87, 1.0, 12), p95_ms=Metric(66.8, 60.0, 71.0), own_p95_ms=11.7)
    busy = replace(report(100), latency=beside)
    conditions = (needs("accuracy", ">=", 0.5), needs("latency_p95_ms", "<=", 50))
    verdict = judge(busy, conditions, None)
    assert not verdict.passed
    (short,) = shortfall(verdict)
    assert short.text == (
        "latency_p95_ms could not be measured: the machine was 87% busy with other work in each of 12 rounds "
        "(66.8 meanwhile), needs <= 50: not known; run it again when the machine is quiet"
    )
    judged = msgspec.structs.replace(outcome(1, "full.v1"), reasons=verdict.reasons)
    assert only_busy(judged) and not helped_by_search(judged)
    for latency in (replace(beside, own_p95_ms=140.0), replace(beside, load=Load(0.02))):
        (reason,) = [
            each for each in judge(replace(busy, latency=latency), conditions, None).reasons if not each.passed
        ]
        assert reason.kind == "condition" and reason.text.endswith("needs <= 50: no")


def test_a_busy_machine_never_hinders_a_yes() -> None:
    beside = replace(report(100).latency, load=BUSY, p95_ms=Metric(20, 15, 30), own_p95_ms=11.7)
    assert judge(replace(report(100), latency=beside), (needs("latency_p95_ms", "<=", 50),), None).passed


@pytest.mark.parametrize(
    ("name", "op", "threshold", "known"),
    [
        ("cost_per_1000", "<=", 0.5, False),
        ("cost_per_1000", "<=", 0.2, True),
        ("gross_margin", ">=", 0.6, False),
        ("gross_margin", ">=", 0.95, True),
    ],
)
def test_cost_and_margin_are_treated_alike(name: str, op: str, threshold: float, known: bool) -> None:
    made = report(100, cost_per_1000=Metric(0.6, 0.6, 0.6), gross_margin=Metric(0.4, 0.4, 0.4))
    made = replace(made, latency=replace(made.latency, load=BUSY))
    (reason,) = [each for each in judge(made, (needs(name, op, threshold),), None).reasons if not each.passed]
    assert (reason.kind == "condition") is known


@contextmanager
def hogs(count: int) -> Iterator[None]:
    """So many processes that compute without end."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.3)
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_real_processes_beside_are_seen_and_the_verdict_is_not_theirs() -> None:
    """As many hogs as cores: no processor is left alone. The model's own work is a tenth of what the gate allows."""

    class Works(Slow):
        def predict(self, inputs: Sequence[Any]) -> Any:
            reference_ms()
            return np.full((len(inputs), 2), 0.5, dtype=np.float32)

    with hogs(os.cpu_count() or 1):
        found = timing.time_single_calls(Works(), ["x"] * 100, 0, enough=lambda found: False)
    assert found.load.disturbed and found.load.busy > 0.3
    measured = timing.latency(found)
    tight = 1.05 * measured.own_p95_ms
    slow = replace(measured, p95_ms=Metric(10 * tight, 10 * tight, 10 * tight))  # whatever the queue made of it
    verdict = judge(replace(report(100), latency=slow), (needs("latency_p95_ms", "<=", tight),), None)
    assert [reason.kind for reason in verdict.reasons if not reason.passed] == ["busy"]


def test_a_process_does_not_count_its_own_work_as_others() -> None:
    watch = watching()
    began = time.perf_counter()
    while time.perf_counter() - began < 1.0:
        reference_ms()
    alone = watch.end()
    with hogs(1):
        watch = watching()
        time.sleep(1.0)
        beside = watch.end()
    assert beside.busy > 0.5 / (os.cpu_count() or 1)
    assert alone.busy <= 1.0
