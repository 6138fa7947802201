"""The gate: a model that is worse in any number, and better in none, is never accepted where the better was refused."""

from __future__ import annotations

from collections import Counter
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

ZERO = Metric(0, 0, 0)

# figures that mostly pass, worsened a little or not at all: else every case is a no, and nothing is tried
number = st.integers(0, 100).map(lambda value: value / 100)
loss = st.sampled_from((0.0, 0.0, 0.0, 0.0, 0.01, 0.1, 0.5))
difference = st.sampled_from((0.0, 0.0, 0.00005, 0.0001, 0.0002))
threshold_up = st.sampled_from((0.0, 0.1, 0.2, 0.5, 0.9))
threshold_down = st.sampled_from((0.1, 0.5, 0.8, 0.9, 1.0))


@dataclass(frozen=True)
class Pair:
    """A report, one that is nowhere better, and a live model's on the same rows."""

    better: Report
    worse: Report
    live: Report | None


def metric(numbers: tuple[float, float, float]) -> Metric:
    low, value, high = sorted(numbers)
    return Metric(value, low, high)


def moved(figure: Metric, by: float) -> Metric:
    return Metric(figure.value + by, figure.low + by, figure.high + by)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    rows = draw(st.integers(1, 120))
    some_rows = st.sets(st.integers(0, rows - 1), max_size=6)
    missed, spoilt, missed_live = draw(some_rows), draw(some_rows), draw(st.none() | some_rows)
    figures = {name: metric(draw(st.tuples(number, number, number))) for name in (*UP[1:], *DOWN[:-1])}
    worse: dict[str, Metric | None] = {
        name: moved(figure, -draw(loss) if name in UP else draw(loss)) for name, figure in figures.items()
    }
    parity, parity_loss = draw(difference), draw(difference)
    figures["parity"], worse["parity"] = moved(ZERO, parity), moved(ZERO, parity + parity_loss)
    if draw(st.integers(0, 5)) == 0:
        worse["gross_margin"] = None
    return Pair(
        report_of([row not in missed for row in range(rows)], **figures),
        report_of([row not in missed | spoilt for row in range(rows)], **worse),
        None if missed_live is None else report_of([row not in missed_live for row in range(rows)], **figures),
    )


conditions = st.lists(
    st.one_of(
        st.builds(needs, st.sampled_from(UP), st.just(">="), threshold_up),
        st.builds(needs, st.sampled_from(DOWN), st.just("<="), threshold_down),
    ),
    max_size=3,
).map(tuple)


def test_worse_numbers_never_turn_a_no_into_a_yes() -> None:
    tried: Counter[tuple[bool, bool]] = Counter()

    @settings(max_examples=1_000, deadline=None, database=None, derandomize=True)
    @given(pair=pairs(), conditions=conditions)
    def compare(pair: Pair, conditions: tuple[Condition, ...]) -> None:
        better, worse = (judge(each, conditions, pair.live).passed for each in (pair.better, pair.worse))
        tried[better, worse] += 1
        assert better or not worse

    compare()
    assert min(tried[True, True], tried[True, False], tried[False, False]) >= 10, tried  # or nothing was tried


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
