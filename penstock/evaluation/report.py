"""The report: everything that was measured about one candidate on one test split, frozen, as JSON and as table rows.

It judges nothing (see gate.py) and draws nothing (see html.py).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.core.hashing import digest_of
from penstock.evaluation.cost import Cost
from penstock.evaluation.intervals import Metric
from penstock.evaluation.latency import Latency
from penstock.evaluation.measured import Classes, Section, Trivial
from penstock.evaluation.parity import Parity
from penstock.evaluation.words import plain_number

VERSION = 2


@dataclass(frozen=True)
class SummaryRow:
    """One line of the table people see first."""

    metric: str
    value: str
    interval: str
    note: str


@dataclass(frozen=True)
class Report:
    """What evaluation measured. quality: the task's metrics by name, the headline first. labels: how many the model
    knows. scores: per test row, in the split's order, higher is better: models are paired by them. trivial: what no
    model is needed for."""

    rows: int
    rows_digest: str
    labels: int
    seed: int
    quality: Mapping[str, Metric]
    most_loss: float
    classes: Classes | None
    sections: tuple[Section, ...]
    latency: Latency
    cost: Cost
    gross_margin: Metric | None
    parity: Parity
    scores: tuple[float, ...] = field(repr=False)
    version: int = VERSION
    trivial: tuple[Trivial, ...] = ()

    @property
    def headline(self) -> str:
        """The name of the metric that speaks for the quality of this task's models."""
        return next(iter(self.quality))

    @property
    def rows_of_unknown_labels(self) -> int:
        """Test rows whose label the model does not know: it can only answer them wrongly, and they count as wrong."""
        strange = () if self.classes is None else self.classes.per_class[self.labels :]
        return sum(one.support for one in strange)

    @property
    def headline_metric(self) -> Metric:
        return self.quality[self.headline]

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

    @property
    def metrics(self) -> Mapping[str, Metric | None]:
        """Everything that a gate may name, in the order people read it. `parity` is the largest difference; a free
        product has no margin."""
        largest = self.parity.max_difference
        return {
            **self.quality,
            "latency_p50_ms": self.latency_p50_ms,
            "latency_p95_ms": self.latency_p95_ms,
            "cost_per_1000": self.cost_per_1000,
            "gross_margin": self.gross_margin,
            "parity": Metric(largest, largest, largest),
        }

    def metric(self, name: str) -> Metric | None:
        """A metric by the name a gate uses; None where it does not exist. Raises BadInput, naming those that do."""
        found = self.metrics
        if name not in found:
            hint = f"use one of: {', '.join(found)}"
            raise BadInput(f"no metric {name!r} was measured", where=f"gate.{name}", hint=hint)
        return found[name]

    def to_json(self) -> dict[str, Any]:
        """JSON values; the scores are packed: one bit a row where all are 0 or 1, else eight bytes, in base 64.

        The metrics are a list: canonical JSON sorts an object's keys, and the first of them is the headline.
        """
        data: dict[str, Any] = msgspec.to_builtins(self)
        data["quality"] = [{"name": name, **found} for name, found in data["quality"].items()]
        values = np.array(self.scores, dtype="<f8")
        if np.isin(values, (0.0, 1.0)).all():
            packed, kind = np.packbits(values.astype(bool)).tobytes(), "bits"
        else:
            packed, kind = values.tobytes(), "<f8"
        data["scores"] = {"type": kind, "count": len(values), "data": base64.b64encode(packed).decode("ascii")}
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> Report:
        """The report that `to_json` wrote. Raises BadInput for anything else."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise BadInput("this is not a report that this Penstock can read", hint="evaluate the candidate again")
        try:
            quality = {found["name"]: found for found in data["quality"]}
            return msgspec.convert({**data, "quality": quality, "scores": _scores(data["scores"])}, Report)
        except (msgspec.ValidationError, KeyError, TypeError, ValueError, binascii.Error, Broken) as error:
            raise BadInput(f"the report is damaged: {error}", hint="evaluate the candidate again") from error

    def __post_init__(self) -> None:
        if not self.quality:
            raise Broken("a report without a measure of quality")


def rows_digest(rows: Sequence[Mapping[str, Any]]) -> str:
    """Names a test split: two reports can be paired only when this is equal. Order counts, origins do not."""
    return digest_of([{key: value for key, value in row.items() if key not in ("origin", "customer")} for row in rows])


def summary_rows(report: Report) -> tuple[SummaryRow, ...]:
    """The table of the command line: metric, value, 95% interval, note."""
    margin, parity = report.gross_margin, report.parity
    strange = report.rows_of_unknown_labels
    unknown = f", {strange:,} with a label that train lacks: all wrong" if strange else ""
    outside = report.rows - len(report.scores) if "out_of_scope_recall" in report.quality else 0
    apart = f", and {outside:,} out of scope" if outside else ""
    rows = f"{report.rows - outside:,} test rows{apart}{unknown}"
    notes = {report.headline: rows, "macro_f1": f"{report.labels} labels"}
    notes |= {"ece": "calibration error, 15 bins"}
    for each in report.trivial:
        notes[each.metric] = "; ".join(filter(None, (notes.get(each.metric), f"{each.value:.4f} by {each.how}")))
    core_seconds = plain_number(report.cost.cpu_s_per_1000.value)
    return (
        *(_share(name, metric, notes.get(name, "")) for name, metric in report.quality.items()),
        _number("latency_p50_ms", report.latency_p50_ms, _beside(report.latency)),
        _number("latency_p95_ms", report.latency_p95_ms, report.latency.machine.cpu),
        _number("cost_per_1000", report.cost_per_1000, f"{core_seconds} core-seconds"),
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


def _beside(latency: Latency) -> str:
    """How it was timed, and beside what."""
    load = latency.load
    times = f" in {load.rounds} rounds" if load.rounds > 1 else ""
    return f"{latency.calls} single calls{times}, machine {load.busy:.0%} busy with other work"


def _share(name: str, metric: Metric, note: str) -> SummaryRow:
    return SummaryRow(name, f"{metric.value:.4f}", f"{metric.low:.4f} to {metric.high:.4f}", note)


def _number(name: str, metric: Metric, note: str) -> SummaryRow:
    value, low, high = (plain_number(each) for each in (metric.value, metric.low, metric.high))
    return SummaryRow(name, value, f"{low} to {high}", note)


def _scores(packed: Mapping[str, Any]) -> list[float]:
    content, count = base64.b64decode(packed["data"], validate=True), packed["count"]
    if packed["type"] == "bits":
        if len(content) != (count + 7) // 8:  # unpackbits would invent the missing rows
            raise ValueError(f"it counts {count} scores and holds {len(content)} bytes of them")
        found = np.unpackbits(np.frombuffer(content, dtype=np.uint8), count=count)
    elif packed["type"] == "<f8":
        found = np.frombuffer(content, dtype="<f8")
        if len(found) != count:
            raise ValueError(f"it counts {count} scores and holds {len(found)}")
    else:
        raise ValueError(f"its scores are of an unknown type, {packed['type']!r}")
    return [float(value) for value in found]
