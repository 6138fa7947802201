"""How long a single prediction takes on this machine, and how much processor time it burns.

It times calls one after the other in this process; waiting in a queue and the network are not in it. Other work on the
machine must not decide: each call is timed in several rounds and its quickest counts; a round beside other work is made
again, and what is left of it is told.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from penstock.evaluation.intervals import Floats, Integers, Metric, quantile
from penstock.evaluation.load import QUIET, Load, Watch, watching
from penstock.models.protocol import Floats as Scores
from penstock.models.protocol import Model

FEWEST_CALLS = 75  # from 72 samples on, the 95% upper bound of a p95 exists
MOST_CALLS = 1_000
SECONDS = 3.0  # of all rounds on a quiet machine, at most, beside the first one's 75 calls
ROUNDS = 3
FIRST_ROUND_S = 1.0
SHORTEST_ROUND_S = 0.4  # the system counts its processors' time in hundredths of a second
MOST_ROUNDS = 12
MOST_SECONDS = 30.0  # beside other work, where the figures decide
WAIT_S = 0.5
WARM_UP_CALLS = 10
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm")


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on; int8 models answer and run differently without VNNI."""

    cpu: str
    cores: int
    features: tuple[str, ...]
    system: str
    python: str
    onnxruntime: str


@dataclass(frozen=True)
class Timings:
    """Calls in the order made: rows asked (k,), wall milliseconds (k,), processor seconds (k,), answers (k, labels).
    Each call's times are its quickest of the rounds that counted."""

    rows: tuple[int, ...]
    wall_ms: Floats
    cpu_s: Floats
    answers: Scores
    load: Load = QUIET


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one prediction. curve_ms: the 101 percentiles 0..100. load: what else the machine did meanwhile.
    own_p50_ms, own_p95_ms: of the processor time alone, which other processes do not lengthen by making it wait."""

    calls: int
    p50_ms: Metric
    p95_ms: Metric
    curve_ms: tuple[float, ...]
    machine: Machine
    load: Load = QUIET
    own_p50_ms: float = 0.0
    own_p95_ms: float = 0.0


@dataclass(frozen=True)
class _Round:
    wall_ms: Floats
    cpu_s: Floats
    load: Load


def time_single_calls(
    model: Model,
    inputs: Sequence[Any],
    seed: int,
    *,
    enough: Callable[[Timings], bool] = lambda timings: True,
    watch: Callable[[], Watch] = watching,
) -> Timings:
    """Predict real inputs one at a time, in a seeded order: up to 1,000 calls or 1 s, but at least 75 calls; and the
    same calls again in two rounds more while 3 s last.

    A round beside other work does not count where another one does. Where all were disturbed and what came of it is not
    `enough` (a gate would say no), rounds are made until one is not, for up to 30 s. watch: begins to look at the load.
    """
    order = np.random.default_rng(seed).permutation(len(inputs))
    for row in order[:WARM_UP_CALLS]:
        model.predict([inputs[row]])
    started = time.perf_counter()
    first, rows, answers = _first_round(model, inputs, order, watch())
    rounds = [first]
    while True:
        found = _joined(rows, answers, rounds)
        elapsed, quiet = time.perf_counter() - started, sum(not one.load.disturbed for one in rounds)
        if quiet >= ROUNDS or (elapsed >= SECONDS and (quiet or enough(found))):
            return found
        if len(rounds) >= MOST_ROUNDS or elapsed >= MOST_SECONDS:
            return found
        if elapsed >= SECONDS:
            time.sleep(WAIT_S)  # what disturbs may be over soon
        rounds.append(_again(model, [inputs[row] for row in rows], watch()))


def _first_round(
    model: Model, inputs: Sequence[Any], order: Integers, load: Watch
) -> tuple[_Round, tuple[int, ...], Scores]:
    rows: list[int] = []
    times, answers = [], []
    started = time.perf_counter()
    while len(rows) < MOST_CALLS and (len(rows) < FEWEST_CALLS or time.perf_counter() - started < FIRST_ROUND_S):
        rows.append(int(order[len(rows) % len(order)]))
        wall_ms, cpu_s, answer = _timed(model, inputs[rows[-1]])
        times.append((wall_ms, cpu_s))
        answers.append(answer[0])
    wall, cpu = np.array(times).T
    if time.perf_counter() - started < SHORTEST_ROUND_S:  # too short to see a load by: other rounds go on with it
        more = _again(model, [inputs[row] for row in rows], load)
        return (
            _Round(np.minimum(wall, more.wall_ms), np.minimum(cpu, more.cpu_s), more.load),
            tuple(rows),
            np.stack(answers),
        )
    return _Round(wall, cpu, load.end()), tuple(rows), np.stack(answers)


def _again(model: Model, inputs: Sequence[Any], load: Watch) -> _Round:
    """The same calls, over and over while the round is too short; each one's quickest."""
    wall, cpu = np.full(len(inputs), np.inf), np.full(len(inputs), np.inf)
    started = time.perf_counter()
    while time.perf_counter() - started < SHORTEST_ROUND_S or np.isinf(wall).any():
        times = np.array([_timed(model, one)[:2] for one in inputs])
        wall, cpu = np.minimum(wall, times[:, 0]), np.minimum(cpu, times[:, 1])
    return _Round(wall, cpu, load.end())


def _timed(model: Model, one: Any) -> tuple[float, float, Scores]:
    cpu_before, wall_before = time.process_time_ns(), time.perf_counter_ns()
    answer = model.predict([one])
    wall_after, cpu_after = time.perf_counter_ns(), time.process_time_ns()
    return (wall_after - wall_before) / 1e6, (cpu_after - cpu_before) / 1e9, answer


def _joined(rows: tuple[int, ...], answers: Scores, rounds: Sequence[_Round]) -> Timings:
    """The rounds that counted: those that nothing disturbed, or all where there is none."""
    kept = [one for one in rounds if not one.load.disturbed] or rounds
    wall = np.min([one.wall_ms for one in kept], axis=0)
    cpu = np.min([one.cpu_s for one in kept], axis=0)
    return Timings(rows, wall, cpu, answers, Load.of([one.load for one in kept]))


def latency(timings: Timings) -> Latency:
    """The median and the 95th percentile with order-statistic intervals, and the whole curve."""
    curve = np.quantile(timings.wall_ms, np.linspace(0, 1, 101))
    own = np.minimum(timings.wall_ms, 1000 * timings.cpu_s)  # several threads burn more than the call lasts
    return Latency(
        calls=len(timings.rows),
        p50_ms=quantile(timings.wall_ms, 0.50),
        p95_ms=quantile(timings.wall_ms, 0.95),
        curve_ms=tuple(round(float(ms), 6) for ms in curve),
        machine=machine(),
        load=timings.load,
        own_p50_ms=quantile(own, 0.50).value,
        own_p95_ms=quantile(own, 0.95).value,
    )


def machine() -> Machine:
    """This machine's processor, its cores and features, and the versions that matter to speed."""
    name, features = _cpu()
    return Machine(
        cpu=name,
        cores=os.cpu_count() or 1,
        features=features,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        onnxruntime=_version("onnxruntime"),
    )


def _cpu() -> tuple[str, tuple[str, ...]]:
    """Model name and known features; Linux tells both in /proc/cpuinfo, other systems only a name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), ()
    facts = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set((facts.get("flags") or facts.get("features") or "").split())
    name = facts.get("model name") or platform.processor() or platform.machine()
    return name, tuple(feature for feature in _FEATURES if feature in flags)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
