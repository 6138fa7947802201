"""What a task measured of its answers: metrics with intervals, a score per row to pair models by, and what to show.

Any task fills the same records, so that one report, gate and page serve all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from penstock.evaluation.intervals import Metric
from penstock.evaluation.metrics import Calibration, ClassMetrics, ConfusedPair

MOST_LOSS = 0.02  # of the headline, where the test is too small to prove a new model worse: see decision 0006


@dataclass(frozen=True)
class WrongAnswer:
    """A test row answered wrongly: its position, its input in words, both labels and both scores."""

    row: int
    text: str
    truth: str
    predicted: str
    score: float
    truth_score: float


@dataclass(frozen=True)
class Classes:
    """What classifiers are measured by beyond their metrics. labels: those of the model, then the test's own."""

    labels: tuple[str, ...]
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[ConfusedPair, ...]
    calibration: Calibration
    worst_errors: tuple[WrongAnswer, ...]


@dataclass(frozen=True)
class Point:
    """A bar or a point of a line, with its interval where there is one."""

    x: str | float
    y: float
    low: float | None = None
    high: float | None = None
    series: str = ""


@dataclass(frozen=True)
class Chart:
    """bars: one horizontal bar a point, x its name. lines: x is a number; one line a series. x, y: the axes' titles."""

    kind: Literal["bars", "lines"]
    x: str
    y: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Section:
    """A part of a report: a table that is always there, and perhaps a chart of it. Words are English keys; a task's
    `chinese` translates title, note, header and axes. Columns from `numbers_from` on hold numbers."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    chart: Chart | None = None
    numbers_from: int = 1


SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Trivial:
    """What a metric would be without a model, on the same rows. how: in words, a key of evaluation.trivial. value: in
    the metric's unit. difference: how much better the model is, with its 95% interval. p_value: one-sided, that it is
    no better; None where the interval alone decides."""

    metric: str
    how: str
    value: float
    difference: Metric
    p_value: float | None

    @property
    def beaten(self) -> bool:
        """The model is better by more than chance explains."""
        better = self.difference.value > 0
        return better and (self.difference.low > 0 if self.p_value is None else self.p_value < SIGNIFICANT)


@dataclass(frozen=True)
class Measured:
    """quality: metrics by name, the headline first. scores: per test row, higher is better, in the headline's unit:
    two models are paired by them. most_loss: how much of the headline a new model may lose unproven. trivial: what no
    model is needed for, the headline's first: the gate demands more."""

    quality: Mapping[str, Metric]
    scores: tuple[float, ...]
    most_loss: float = MOST_LOSS
    classes: Classes | None = None
    sections: tuple[Section, ...] = ()
    trivial: tuple[Trivial, ...] = ()
