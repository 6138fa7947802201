"""A small registry of counters, gauges and histograms in Prometheus' text format. It knows no request and no route."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)

Labels = tuple[str, ...]


class Counter:
    """Counts per label values. The caller keeps label values to a known, small set."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self._name, self._help, self._labels = name, help, tuple(labels)
        self._values: dict[Labels, float] = {}
        self._lock = threading.Lock()

    def add(self, *values: str, by: float = 1) -> None:
        with self._lock:
            self._values[values] = self._values.get(values, 0) + by

    def lines(self) -> Iterable[str]:
        yield from _head(self._name, self._help, "counter")
        with self._lock:
            rows = sorted(self._values.items())
        for values, count in rows:
            yield f"{self._name}{_labels(self._labels, values)} {_number(count)}"


class Gauge:
    """Asks for its present values when it is read: label values -> number."""

    def __init__(
        self, name: str, help: str, read: Callable[[], Mapping[Labels, float]], labels: Sequence[str] = ()
    ) -> None:
        self._name, self._help, self._read, self._labels = name, help, read, tuple(labels)

    def lines(self) -> Iterable[str]:
        yield from _head(self._name, self._help, "gauge")
        for values, number in sorted(self._read().items()):
            yield f"{self._name}{_labels(self._labels, values)} {_number(number)}"


class Histogram:
    """Counts observations in cumulative buckets, per label values."""

    def __init__(self, name: str, help: str, bounds: Sequence[float], labels: Sequence[str] = ()) -> None:
        self._name, self._help, self._bounds, self._labels = name, help, tuple(bounds), tuple(labels)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        self._lock = threading.Lock()

    def observe(self, value: float, *values: str) -> None:
        with self._lock:
            counts = self._counts.setdefault(values, [0] * (len(self._bounds) + 1))
            counts[bisect_left(self._bounds, value)] += 1
            self._sums[values] = self._sums.get(values, 0.0) + value

    def lines(self) -> Iterable[str]:
        yield from _head(self._name, self._help, "histogram")
        with self._lock:
            rows = [(values, list(counts), self._sums[values]) for values, counts in sorted(self._counts.items())]
        for values, counts, total in rows:
            running = 0
            for bound, count in zip((*(f"{bound:g}" for bound in self._bounds), "+Inf"), counts, strict=True):
                running += count
                yield f"{self._name}_bucket{_labels((*self._labels, 'le'), (*values, bound))} {running}"
            yield f"{self._name}_sum{_labels(self._labels, values)} {_number(total)}"
            yield f"{self._name}_count{_labels(self._labels, values)} {running}"


def render(metrics: Iterable[Counter | Gauge | Histogram]) -> bytes:
    """The text that Prometheus scrapes (version 0.0.4)."""
    return ("\n".join(line for metric in metrics for line in metric.lines()) + "\n").encode()


def _head(name: str, help: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {help}", f"# TYPE {name} {kind}"


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
