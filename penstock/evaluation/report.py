"""The report: everything that was measured about one candidate on one test split, frozen, as JSON and as table rows.

It judges nothing (see gate.py) and draws nothing (see html.py).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.core.hashing import digest_of
from penstock.evaluation.cost import Cost
from penstock.evaluation.intervals import Metric
from penstock.evaluation.latency import Latency
from penstock.evaluation.metrics import Calibration, ClassMetrics, ConfusedPair, top_confused
from penstock.evaluation.parity import Parity

VERSION = 1
METRICS = (
    "accuracy",
    "macro_f1",
    "ece",
    "latency_p50_ms",
    "latency_p95_ms",
    "cost_per_1000",
    "gross_margin",
    "parity",
)
"""What a gate may name. `parity` is the largest probability difference."""


@dataclass(frozen=True)
class WrongAnswer:
    """A test row answered wrongly: its position, its text, both labels and both scores."""

    row: int
    text: str
    truth: str
    predicted: str
    score: float
    truth_score: float


@dataclass(frozen=True)
class SummaryRow:
    """One line of the table people see first."""

    metric: str
    value: str
    interval: str
    note: str


@dataclass(frozen=True)
class Report:
    """What evaluation measured. `correct` and `predictions` (label indices) are per test row, in the split's order."""

    rows: int
    rows_digest: str
    labels: tuple[str, ...]
    seed: int
    accuracy: Metric
    macro_f1: Metric
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[ConfusedPair, ...]
    calibration: Calibration
    latency: Latency
    cost: Cost
    gross_margin: Metric | None
    parity: Parity
    worst_errors: tuple[WrongAnswer, ...]
    correct: tuple[bool, ...] = field(repr=False)
    predictions: tuple[int, ...] = field(repr=False)
    version: int = VERSION

    @property
    def ece(self) -> Metric:
        return self.calibration.ece

    @property
    def latency_p50_ms(self) -> Metric:
        return self.latency.p50_ms

    @property
    def latency_p95_ms(self) -> Metric:
        return self.latency.p95_ms

    @property
    def cost_per_1000(self) -> Metric:
        """As floats, for display and conditions; the exact decimals are in `cost`."""
        return self.cost.metric()

    def metric(self, name: str) -> Metric | None:
        """A metric by the name a gate uses; None where it does not exist (the margin of a free product).

        Raises BadInput, naming what can be measured.
        """
        if name not in METRICS:
            raise BadInput(f"no metric {name!r}", where=f"gate.{name}", hint=f"use one of: {', '.join(METRICS)}")
        if name == "parity":
            largest = self.parity.max_difference
            return Metric(largest, largest, largest)
        found: Metric | None = getattr(self, name)
        return found

    def top_confused(self, most: int = 20) -> tuple[ConfusedPair, ...]:
        """The label pairs most often taken for each other, largest first."""
        return top_confused(self.confusion, most)

    def to_json(self) -> dict[str, Any]:
        """JSON values; the per-row parts are packed (one bit, two or four bytes a row, base 64)."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        bits = np.packbits(np.array(self.correct, dtype=bool))
        width = "<u2" if len(self.labels) <= 0xFFFF else "<u4"
        data["correct"] = _text(bits.tobytes())
        data["predictions"] = {"type": width, "data": _text(np.array(self.predictions, dtype=width).tobytes())}
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> Report:
        """The report that `to_json` wrote. Raises BadInput for anything else."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise BadInput("this is not a report that this Penstock can read", hint="evaluate the candidate again")
        try:
            rows, width = data["rows"], data["predictions"]["type"]
            bits = np.frombuffer(_bytes(data["correct"]), dtype=np.uint8)
            answers = np.frombuffer(_bytes(data["predictions"]["data"]), dtype=width)
            if len(answers) != rows or len(bits) != (rows + 7) // 8:  # unpackbits would invent the missing rows
                raise ValueError(f"it counts {rows} rows and holds {len(answers)} answers")
            correct = np.unpackbits(bits, count=rows).astype(bool).tolist()
            unpacked = {**data, "correct": correct, "predictions": answers.tolist()}
            return msgspec.convert(unpacked, Report)
        except (msgspec.ValidationError, KeyError, TypeError, ValueError, binascii.Error, Broken) as error:
            raise BadInput(f"the report is damaged: {error}", hint="evaluate the candidate again") from error


def rows_digest(texts: Sequence[str], labels: Sequence[str]) -> str:
    """Names a test split: two reports can be paired only when this is equal. Order counts."""
    return digest_of([list(texts), list(labels)])


def summary_rows(report: Report) -> tuple[SummaryRow, ...]:
    """The table of the command line: metric, value, 95% interval, note."""
    margin = report.gross_margin
    parity = report.parity
    return (
        _share("accuracy", report.accuracy, f"{report.rows:,} test rows"),
        _share("macro_f1", report.macro_f1, f"{len(report.labels)} labels"),
        _share("ece", report.ece, "calibration error, 15 bins"),
        _number("latency_p50_ms", report.latency_p50_ms, f"{report.latency.calls} single calls"),
        _number("latency_p95_ms", report.latency_p95_ms, report.latency.machine.cpu),
        _number("cost_per_1000", report.cost_per_1000, f"{report.cost.cpu_s_per_1000.value:.3g} core-seconds"),
        SummaryRow("gross_margin", "none", "", "the lowest unit price is zero")
        if margin is None
        else _share("gross_margin", margin, f"of {report.cost.price_per_1000} per 1,000"),
        SummaryRow(
            "parity",
            f"{parity.max_difference:.1e}",
            "",
            "saved, reloaded and batched agree" if parity.holds else "saved, reloaded and batched DISAGREE",
        ),
    )


def _share(name: str, metric: Metric, note: str) -> SummaryRow:
    return SummaryRow(name, f"{metric.value:.4f}", f"{metric.low:.4f} to {metric.high:.4f}", note)


def _number(name: str, metric: Metric, note: str) -> SummaryRow:
    return SummaryRow(name, f"{metric.value:.3g}", f"{metric.low:.3g} to {metric.high:.3g}", note)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
