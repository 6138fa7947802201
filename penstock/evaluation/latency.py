"""How long a single prediction takes on this machine, and how much processor time it burns.

It times calls one after the other in this process; waiting in a queue and the network are not in it.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from penstock.evaluation.intervals import Floats, Metric, quantile
from penstock.models.protocol import Floats as Scores
from penstock.models.protocol import Model

FEWEST_CALLS = 75  # from 72 samples on, the 95% upper bound of a p95 exists
MOST_CALLS = 1_000
SECONDS = 3.0
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
    """Calls in the order made: rows asked (k,), wall milliseconds (k,), processor seconds (k,), answers (k, labels)."""

    rows: tuple[int, ...]
    wall_ms: Floats
    cpu_s: Floats
    answers: Scores


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one prediction. curve_ms: the 101 percentiles 0..100."""

    calls: int
    p50_ms: Metric
    p95_ms: Metric
    curve_ms: tuple[float, ...]
    machine: Machine


def time_single_calls(model: Model, inputs: Sequence[Any], seed: int) -> Timings:
    """Predict real inputs one at a time, in a seeded order: up to 1,000 calls or 3 s, but at least 75 calls."""
    order = np.random.default_rng(seed).permutation(len(inputs))
    for row in order[:WARM_UP_CALLS]:
        model.predict([inputs[row]])
    rows: list[int] = []
    wall_ms: list[float] = []
    cpu_s: list[float] = []
    answers = []
    started = time.perf_counter()
    while len(rows) < MOST_CALLS and (len(rows) < FEWEST_CALLS or time.perf_counter() - started < SECONDS):
        row = int(order[len(rows) % len(order)])
        cpu_before, wall_before = time.process_time_ns(), time.perf_counter_ns()
        answer = model.predict([inputs[row]])
        wall_after, cpu_after = time.perf_counter_ns(), time.process_time_ns()
        rows.append(row)
        wall_ms.append((wall_after - wall_before) / 1e6)
        cpu_s.append((cpu_after - cpu_before) / 1e9)
        answers.append(answer[0])
    return Timings(tuple(rows), np.array(wall_ms), np.array(cpu_s), np.stack(answers))


def latency(timings: Timings) -> Latency:
    """The median and the 95th percentile with order-statistic intervals, and the whole curve."""
    curve = np.quantile(timings.wall_ms, np.linspace(0, 1, 101))
    return Latency(
        calls=len(timings.rows),
        p50_ms=quantile(timings.wall_ms, 0.50),
        p95_ms=quantile(timings.wall_ms, 0.95),
        curve_ms=tuple(round(float(ms), 6) for ms in curve),
        machine=machine(),
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
