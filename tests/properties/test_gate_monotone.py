"""The gate: a model that is worse in any number, and better in none, is never accepted where the better was refused."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.measured import needs, report_of
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.evaluation.gate import judge
from penstock.evaluation.intervals import Metric
from penstock.evaluation.report import Report
from penstock.workspace.records import Condition

UP = ("accuracy", "macro_f1", "gross_margin")  # more is better
DOWN = ("ece", "latency_p50_ms", "latency_p95_ms", "cost_per_1000", "parity")

number = st.floats(0, 1).map(lambda value: round(value, 4))
worsening = st.one_of(st.just(0.0), number)


@dataclass(frozen=True)
class Pair:
    """A report, one that is nowhere better, and a live model's on the same rows."""

    better: Report
    worse: Report
    live: Report | None


def metric(numbers: list[float]) -> Metric:
    low, value, high = sorted(numbers)
    return Metric(value, low, high)


def moved(figure: Metric, by: float) -> Metric:
    return Metric(figure.value + by, figure.low + by, figure.high + by)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    rows = draw(st.integers(1, 80))
    right = st.lists(st.booleans(), min_size=rows, max_size=rows)
    better, harm = draw(right), draw(right)
    worse = [one and not spoilt for one, spoilt in zip(better, harm, strict=True)]
    live = draw(st.none() | right)
    figures = {name: metric(draw(st.tuples(number, number, number))) for name in (*UP[1:], *DOWN)}
    if draw(st.booleans()):
        figures["parity"] = Metric(0, 0, 0)
    losses = {name: -draw(worsening) for name in UP[1:]} | {name: draw(worsening) for name in DOWN}
    spoilt: dict[str, Metric | None] = {name: moved(figure, losses[name]) for name, figure in figures.items()}
    if draw(st.booleans()):
        spoilt["gross_margin"] = None
    return Pair(
        report_of(better, **figures), report_of(worse, **spoilt), None if live is None else report_of(live, **figures)
    )


conditions = st.lists(
    st.one_of(
        st.builds(needs, st.sampled_from(UP), st.just(">="), number),
        st.builds(needs, st.sampled_from(DOWN), st.just("<="), number),
    ),
    max_size=3,
).map(tuple)


@settings(max_examples=300, deadline=None)
@given(pair=pairs(), conditions=conditions)
def test_worse_numbers_never_turn_a_no_into_a_yes(pair: Pair, conditions: tuple[Condition, ...]) -> None:
    if judge(pair.worse, conditions, pair.live).passed:
        assert judge(pair.better, conditions, pair.live).passed


@settings(max_examples=200, deadline=None)
@given(pair=pairs(), conditions=conditions, more=conditions)
def test_more_conditions_never_turn_a_no_into_a_yes(
    pair: Pair, conditions: tuple[Condition, ...], more: tuple[Condition, ...]
) -> None:
    if conditions and judge(pair.better, (*conditions, *more), pair.live).passed:
        assert judge(pair.better, conditions, pair.live).passed


@settings(max_examples=200, deadline=None)
@given(pair=pairs(), conditions=conditions)
def test_a_yes_always_rests_on_conditions_and_parity_that_all_hold(
    pair: Pair, conditions: tuple[Condition, ...]
) -> None:
    verdict = judge(pair.better, conditions, pair.live)
    assert verdict.passed == all(reason.passed for reason in verdict.reasons)
    if verdict.passed:
        assert conditions and pair.better.parity.holds
