"""Judges a report against a product's conditions and against the model now live; says why in plain words.

A condition is held against the pessimistic end of the metric's 95% interval. It records nothing (see registry).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from penstock.core.errors import Conflict
from penstock.datasets.report import Contamination
from penstock.evaluation.intervals import Metric
from penstock.evaluation.measured import SIGNIFICANT, Trivial
from penstock.evaluation.pairing import Paired, paired
from penstock.evaluation.parity import MOST_DIFFERENCE
from penstock.evaluation.report import Report
from penstock.evaluation.words import plain_number
from penstock.workspace.records import Condition

MOST_KEPT = 0.01
"""Of the test rows, what may be in train too: on 1,000 rows at most a point of what a model learned by heart."""

_OF_MACHINE = ("latency_p50_ms", "latency_p95_ms", "cost_per_1000", "gross_margin", "parity")
"""Intervals that more test rows do not make narrower."""
_TIMED = frozenset(_OF_MACHINE) - {"parity"}


@dataclass(frozen=True)
class Reason:
    """One thing the gate looked at. For a condition `bound` is what was judged: low for >=, high for <=. how: what it
    was compared with, where that is no model."""

    kind: Literal["condition", "parity", "incumbent", "empty", "trivial", "contamination", "busy"]
    metric: str
    passed: bool
    text: str
    op: str = ""
    threshold: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    how: str = ""

    @property
    def bound(self) -> float | None:
        return self.high if self.op == "<=" else self.low


@dataclass(frozen=True)
class Verdict:
    """Yes or no, with every reason, on the rows named by `rows_digest`. paired: None without an incumbent.

    rows_settle: more test rows would make the intervals of quality narrower, as they do where each row is scored.
    """

    passed: bool
    reasons: tuple[Reason, ...]
    paired: Paired | None
    rows: int
    rows_digest: str
    rows_settle: bool = True

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data


@dataclass(frozen=True)
class Shortfall:
    """How near a failed condition came. points: what the judged bound lacks.

    rows_needed: test rows at which the same estimate would pass, None where more rows would not help.
    """

    metric: str
    points: float
    rows_needed: int | None
    text: str


def judge(
    report: Report,
    conditions: tuple[Condition, ...],
    incumbent: Report | None,
    contamination: Contamination | None = None,
) -> Verdict:
    """Every condition, more than what no model is needed for, parity, and (with an incumbent) a paired comparison on
    the same rows must hold, on a test that training has not seen.

    A condition on what this test cannot measure does not hold. contamination: of train with test rows, as cleaning
    counted it. Raises Conflict when the incumbent was measured on other rows.
    """
    reasons = [_condition(report, condition) for condition in conditions] or [_EMPTY]
    reasons += _above_trivial(report, conditions)
    reasons += _unseen(contamination)
    reasons.append(_parity(report))
    comparison = None
    if incumbent is not None:
        comparison = _pair(report, incumbent)
        reasons.append(_no_worse(report, incumbent, comparison))
    passed = all(reason.passed for reason in reasons)
    settle = len(report.scores) == report.rows
    return Verdict(passed, tuple(reasons), comparison, report.rows, report.rows_digest, settle)


def shortfall(verdict: Verdict) -> tuple[Shortfall, ...]:
    """What failed and how near it came: points lacking, and roughly how many test rows would settle it."""
    failed = [reason for reason in verdict.reasons if not reason.passed]
    return tuple(_shortfall(reason, verdict.rows if verdict.rows_settle else None) for reason in failed)


_EMPTY = Reason(
    kind="empty",
    metric="gate",
    passed=False,
    text='the gate has no condition, so nothing speaks for this model: write one, e.g. accuracy = ">= 0.90"',
)


def _condition(report: Report, condition: Condition) -> Reason:
    name, op, threshold = condition.metric, condition.op, condition.threshold
    needs = f"needs {op} {plain_number(threshold, 6)}"
    if name not in report.metrics:
        measured = ", ".join(report.metrics)
        text = f"{name} was not measured on this test (measured: {measured}), {needs}: no"
        return Reason("condition", name, False, text, op, threshold)
    found = report.metric(name)
    if found is None:
        why = "the lowest unit price is zero, so there is no margin"
        text = f"{name} cannot be computed ({why}), {needs}: no"
        return Reason("condition", name, False, text, op, threshold)
    bound = found.low if op == ">=" else found.high
    passed = condition.holds(bound)
    if not passed and _may_be_others(report, condition, found):
        return _busy(report, condition, found)
    value_text, bound_text, threshold_text = _shown(found.value, bound, threshold)
    side = "at least" if op == ">=" else "at most"
    interval = "" if found.low == found.high else f", 95% {side} {bound_text}"
    text = f"{name} {value_text}{interval}, needs {op} {threshold_text}: {_yes(passed)}"
    return Reason("condition", name, passed, text, op, threshold, found.value, found.low, found.high)


def _may_be_others(report: Report, condition: Condition, found: Metric) -> bool:
    """Whether other work on the machine may be why a condition on time or cost does not hold: it would, if the model's
    own processor time were half. Two threads that share a core slow each other down at most so much."""
    load, name = report.latency.load, condition.metric
    if not load.disturbed or name not in _TIMED:
        return False
    own = {"latency_p50_ms": report.latency.own_p50_ms, "latency_p95_ms": report.latency.own_p95_ms}
    least = 1 - (1 - found.value) / 2 if name == "gross_margin" else own.get(name, found.value) / 2
    return condition.holds(least)


def _busy(report: Report, condition: Condition, found: Metric) -> Reason:
    load = report.latency.load
    text = (
        f"{condition.metric} could not be measured: the machine was {load.busy:.0%} busy with other work in each of "
        f"{load.rounds} rounds ({plain_number(found.value)} meanwhile), needs {condition.op} "
        f"{plain_number(condition.threshold, 6)}: not known; run it again when the machine is quiet"
    )
    return Reason("busy", condition.metric, False, text, condition.op, condition.threshold, load.busy)


def _above_trivial(report: Report, conditions: Sequence[Condition]) -> list[Reason]:
    """Of the metrics that the gate names, those that can be had without a model; where it names none, the headline."""
    if not report.trivial:
        text = f"what {report.headline} would be without a model was not measured: evaluate the candidate again"
        return [Reason("trivial", report.headline, False, text)]
    named = {condition.metric for condition in conditions}
    asked = [each for each in report.trivial if each.metric in named] or report.trivial[:1]
    return [_better_than(report, each) for each in asked]


def _better_than(report: Report, trivial: Trivial) -> Reason:
    found, difference = report.quality[trivial.metric], trivial.difference
    how_sure = "" if trivial.p_value is None else f", p = {trivial.p_value:.2g}"
    verdict = "yes" if trivial.beaten else "no, not better by more than chance"
    text = (
        f"without a model: {trivial.metric} {plain_number(trivial.value, 4)} by {trivial.how}, the model's "
        f"{plain_number(found.value, 4)}, better by {difference.value:.4f} (95% {difference.low:+.4f} to "
        f"{difference.high:+.4f}{how_sure}), needs better: {verdict}"
    )
    bounds = found.value, difference.low, difference.high
    return Reason(
        "trivial", trivial.metric, trivial.beaten, text, "", trivial.value, *bounds, trivial.p_value, trivial.how
    )


def _unseen(contamination: Contamination | None) -> list[Reason]:
    """Whether training has seen the test; nothing to say where no training row is near a test row."""
    if contamination is None or not contamination.removed + contamination.kept:
        return []
    removed, kept, share = contamination.removed, contamination.kept, contamination.share
    passed = share <= MOST_KEPT
    advice = "" if passed else ", the test is not judged by: let them leave train (cleaning.drop_near_test = true)"
    text = (
        f"training rows that repeat or nearly repeat test rows: {removed:,} left train, {kept:,} stayed "
        f"({_percent(share)} of {contamination.rows_test:,} test rows), needs <= {MOST_KEPT:.0%}: {_yes(passed)}"
        f"{advice}"
    )
    return [Reason("contamination", "contamination", passed, text, "<=", MOST_KEPT, share, share, share)]


def _parity(report: Report) -> Reason:
    parity = report.parity
    agreement = min(parity.trained_reloaded.label_agreement, parity.single_batch.label_agreement)
    largest = parity.max_difference
    text = (
        f"parity: trained, reloaded, single and batched answers differ by at most {largest:.1e} "
        f"and agree on {_percent(agreement)} of best labels, needs <= {MOST_DIFFERENCE:g} and 100%: "
        f"{_yes(parity.holds)}"
    )
    return Reason("parity", "parity", parity.holds, text, "<=", MOST_DIFFERENCE, largest, largest, largest)


def _pair(report: Report, incumbent: Report) -> Paired:
    if report.rows_digest != incumbent.rows_digest:
        raise Conflict(
            f"the live model was measured on other test rows ({incumbent.rows_digest[:12]}…) "
            f"than this candidate ({report.rows_digest[:12]}…)",
            hint="evaluate the live model again on this test split, then judge",
        )
    return paired(report.scores, incumbent.scores)


def _no_worse(report: Report, incumbent: Report, comparison: Paired) -> Reason:
    difference = comparison.difference
    significant = comparison.p_value < SIGNIFICANT and difference.value < 0
    lost, most = difference.value < -report.most_loss, f"{report.most_loss:g}"
    passed = not significant and not lost
    verdict = "yes" if passed else "no, significantly worse" if significant else f"no, loses more than {most}"
    # of a ratio of sums over all rows, no row is better or worse by itself
    counted = "" if report.headline == "micro_f1" else f"{comparison.better} rows better and {comparison.worse} worse, "
    text = (
        f"against the live model on the same {comparison.rows:,} rows: {report.headline} "
        f"{report.headline_metric.value:.4f} after {incumbent.headline_metric.value:.4f}, "
        f"difference {difference.value:+.4f} (95% {difference.low:+.4f} to {difference.high:+.4f}), "
        f"{counted}p = {comparison.p_value:.3g}, needs not worse: {verdict}"
    )
    low, high = difference.low, difference.high
    bounds = difference.value, low, high
    return Reason("incumbent", report.headline, passed, text, ">=", -report.most_loss, *bounds, comparison.p_value)


def _shortfall(reason: Reason, rows: int | None) -> Shortfall:
    if reason.kind != "condition" or reason.value is None or reason.threshold is None or reason.bound is None:
        return Shortfall(reason.metric, 0.0, None, reason.text)
    points = abs(reason.bound - reason.threshold)
    gap = f"{reason.metric} lacks {plain_number(points, 2)}"
    value_holds = reason.value > reason.threshold if reason.op == ">=" else reason.value < reason.threshold
    if not value_holds:
        itself = abs(reason.value - reason.threshold)
        text = f"{gap}: the estimate itself is {plain_number(itself, 2)} short, so more test rows alone will not do"
        return Shortfall(reason.metric, points, None, text)
    if reason.metric in _OF_MACHINE or rows is None:
        return Shortfall(reason.metric, points, None, f"{gap} at the bound; the estimate itself holds: measure again")
    # an interval's half-width falls with the root of the rows
    needed = math.ceil(rows * ((reason.value - reason.bound) / (reason.value - reason.threshold)) ** 2)
    text = f"{gap} at the bound; the estimate holds, and would pass on about {needed:,} test rows (now {rows:,})"
    return Shortfall(reason.metric, points, needed, text)


def _shown(value: float, bound: float, threshold: float) -> tuple[str, str, str]:
    """The three numbers, with as many digits as tell bound and threshold apart."""
    digits = 3
    while digits < 9 and bound != threshold and f"{bound:.{digits}g}" == f"{threshold:.{digits}g}":
        digits += 1
    return plain_number(value, digits), plain_number(bound, digits), plain_number(threshold, 6)


def _percent(share: float) -> str:
    """100% only when it is all of them."""
    return "100%" if share == 1 else f"{math.floor(share * 10_000) / 100:.2f}%"


def _yes(passed: bool) -> str:
    return "yes" if passed else "no"


def reasons_from_json(data: Sequence[dict[str, Any]]) -> tuple[Reason, ...]:
    """The reasons of a stored decision."""
    return msgspec.convert(list(data), tuple[Reason, ...])
