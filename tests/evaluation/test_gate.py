"""The gate: what it says yes to, what it refuses, and in which words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from evaluation.measured import differing, needs, report, report_of

from penstock.core.errors import Conflict
from penstock.datasets.report import Contamination
from penstock.evaluation.gate import Verdict, judge, reasons_from_json, shortfall
from penstock.evaluation.intervals import Metric
from penstock.evaluation.measured import MOST_LOSS
from penstock.evaluation.report import Report

EASY = (needs("accuracy", ">=", 0.5),)


def against(new: Report, live: Report) -> Verdict:
    """The verdict on a model that meets its conditions, compared with the live one."""
    return judge(new, EASY, live)


def why_not(verdict: Verdict) -> list[str]:
    return [reason.text for reason in verdict.reasons if not reason.passed]


def test_at_least_is_judged_at_the_lower_end_of_the_interval() -> None:
    good = report(accuracy=Metric(0.92, 0.88, 0.95))
    assert judge(good, (needs("accuracy", ">=", 0.88),), None).passed
    verdict = judge(good, (needs("accuracy", ">=", 0.90),), None)
    assert not verdict.passed
    assert why_not(verdict) == ["accuracy 0.92, 95% at least 0.88, needs >= 0.9: no"]


def test_at_most_is_judged_at_the_upper_end_of_the_interval() -> None:
    quick = report(latency_p95_ms=Metric(40, 35, 52))
    assert judge(quick, (needs("latency_p95_ms", "<=", 52),), None).passed
    verdict = judge(quick, (needs("latency_p95_ms", "<=", 50),), None)
    assert not verdict.passed
    assert why_not(verdict) == ["latency_p95_ms 40, 95% at most 52, needs <= 50: no"]


@pytest.mark.parametrize("metric", tuple(report().metrics))
def test_every_metric_can_be_a_condition(metric: str) -> None:
    verdict = judge(report(), (needs(metric, ">=", -1_000_000_000),), None)
    assert verdict.passed and [reason.metric for reason in verdict.reasons] == [metric, "accuracy", "parity"]


def test_one_condition_that_fails_is_enough_for_a_no() -> None:
    verdict = judge(report(), (*EASY, needs("macro_f1", ">=", 0.999), needs("ece", "<=", 1)), None)
    assert not verdict.passed
    assert [reason.passed for reason in verdict.reasons] == [True, False, True, True, True]


def test_what_this_test_cannot_measure_does_not_hold() -> None:
    verdict = judge(report(100), (needs("out_of_scope_recall", ">=", 0.1),), None)
    assert not verdict.passed
    assert "out_of_scope_recall was not measured on this test (measured: accuracy, macro_f1" in verdict.reasons[0].text


def test_a_gate_without_conditions_says_no() -> None:
    verdict = judge(report(100), (), None)
    assert not verdict.passed
    assert "nothing speaks for this model" in why_not(verdict)[0]
    assert shortfall(verdict)[0].rows_needed is None


@pytest.mark.parametrize("parity", [differing(2e-4), differing(0.0, agreement=0.99)])
def test_parity_is_required_though_no_condition_names_it(parity: object) -> None:
    verdict = judge(replace(report(100), parity=parity), EASY, None)
    assert not verdict.passed
    assert why_not(verdict)[0].startswith("parity: trained, reloaded, single and batched answers differ")


def test_a_backbone_that_was_exported_badly_is_refused() -> None:
    spoilt = replace(report(100).parity, backbone=0.01)
    assert not judge(replace(report(100), parity=spoilt), EASY, None).passed


def test_without_a_live_model_the_conditions_decide() -> None:
    verdict = judge(report(), EASY, None)
    assert verdict.passed and verdict.paired is None
    assert [reason.kind for reason in verdict.reasons] == ["condition", "trivial", "parity"]


def test_a_model_as_good_as_the_live_one_may_replace_it() -> None:
    verdict = against(report(90), report(90))
    assert verdict.passed and verdict.paired is not None
    assert "against the live model on the same 100 rows" in verdict.reasons[-1].text
    assert "0 rows better and 0 worse" in verdict.reasons[-1].text


def test_no_row_is_better_or_worse_by_a_ratio_of_all_rows() -> None:
    said, before = (
        replace(one, quality={"micro_f1": one.quality["accuracy"], **one.quality}) for one in (report(90), report(88))
    )
    verdict = against(said, before)
    assert "micro_f1" in verdict.reasons[-1].text and "rows better" not in verdict.reasons[-1].text


def test_a_model_that_is_significantly_worse_is_refused_even_by_a_small_loss() -> None:
    new, live = report(980, 1000), report(990, 1000)  # one point less, ten rows worse and none better
    verdict = against(new, live)
    assert verdict.paired is not None and verdict.paired.p_value < 0.05
    assert abs(verdict.paired.difference.value) < MOST_LOSS
    assert "no, significantly worse" in why_not(verdict)[0]


def test_a_loss_of_more_than_two_points_is_refused_even_when_the_test_is_too_small_to_prove_it() -> None:
    verdict = against(report(97, 100), report(100, 100))
    assert verdict.paired is not None and verdict.paired.p_value > 0.05
    assert "no, loses more than 0.02" in why_not(verdict)[0]


def test_a_loss_of_two_points_within_the_noise_is_accepted() -> None:
    assert against(report(98, 100), report(100, 100)).passed


def test_a_model_that_trades_many_rows_for_as_many_is_accepted() -> None:
    live = report_of([True] * 80 + [False] * 20)
    assert against(report_of([False] * 20 + [True] * 80), live).passed


def test_better_than_the_live_model_is_not_enough_when_a_condition_fails() -> None:
    verdict = judge(report(95), (needs("accuracy", ">=", 0.99),), report(60))
    assert [reason.passed for reason in verdict.reasons] == [False, True, True, True]
    assert not verdict.passed


def test_a_model_that_is_no_better_than_the_commonest_label_is_refused_whatever_the_gate_asks() -> None:
    idle = report_of([row % 2 == 1 for row in range(100)])  # right exactly where the commonest label is
    verdict = judge(idle, (needs("accuracy", ">=", 0.3),), None)
    assert not verdict.passed
    assert why_not(verdict) == [
        "without a model: accuracy 0.5 by always the commonest label, the model's 0.5, better by 0.0000 "
        "(95% -0.0192 to +0.0192, p = 1), needs better: no, not better by more than chance"
    ]


def test_a_gate_that_names_no_quality_asks_for_a_better_headline_all_the_same() -> None:
    idle = report_of([row % 2 == 1 for row in range(100)])
    assert not judge(idle, (needs("latency_p95_ms", "<=", 1e9),), None).passed


def test_a_few_rows_more_than_the_commonest_label_may_be_luck() -> None:
    lucky = report_of([row % 2 == 1 or row < 8 for row in range(100)])  # 4 rows better, none worse: p = 1/16
    assert not judge(lucky, (needs("accuracy", ">=", 0.3),), None).passed
    assert judge(
        report_of([row % 2 == 1 or row < 10 for row in range(100)]), (needs("accuracy", ">=", 0.3),), None
    ).passed


def test_a_report_that_does_not_tell_what_no_model_is_needed_for_is_refused() -> None:
    verdict = judge(replace(report(), trivial=()), EASY, None)
    assert why_not(verdict) == ["what accuracy would be without a model was not measured: evaluate the candidate again"]


def test_a_test_that_training_has_seen_judges_nobody() -> None:
    seen = judge(report(100), EASY, None, Contamination(removed=0, kept=2, rows_test=100))
    assert not seen.passed
    assert why_not(seen) == [
        "training rows that repeat or nearly repeat test rows: 0 left train, 2 stayed (2.00% of 100 test rows), needs "
        "<= 1%: no, the test is not judged by: let them leave train (cleaning.drop_near_test = true)"
    ]
    left = judge(report(100), EASY, None, Contamination(removed=40, kept=1, rows_test=100))
    assert left.passed and "40 left train, 1 stayed" in left.reasons[2].text


def test_models_measured_on_different_rows_are_not_compared() -> None:
    with pytest.raises(Conflict, match="other test rows") as caught:
        against(report(), replace(report(), rows_digest="f" * 64))
    assert "evaluate the live model again" in str(caught.value.hint)


def test_a_margin_condition_cannot_hold_for_a_free_product() -> None:
    verdict = judge(report(gross_margin=None), (needs("gross_margin", ">=", 0.7),), None)
    assert why_not(verdict) == [
        "gross_margin cannot be computed (the lowest unit price is zero, so there is no margin), needs >= 0.7: no"
    ]
    assert shortfall(verdict)[0].rows_needed is None


def test_a_near_miss_shows_enough_digits_to_see_why() -> None:
    verdict = judge(report(accuracy=Metric(0.93, 0.89996, 0.95)), (needs("accuracy", ">=", 0.9),), None)
    assert why_not(verdict) == ["accuracy 0.93, 95% at least 0.89996, needs >= 0.9: no"]


def test_the_shortfall_says_how_many_test_rows_would_settle_it() -> None:
    close = report(accuracy=Metric(0.92, 0.88, 0.95))
    (short,) = shortfall(judge(close, (needs("accuracy", ">=", 0.90),), None))
    # the bound must come half as near: four times the rows
    assert (short.metric, short.points, short.rows_needed) == ("accuracy", pytest.approx(0.02), 400)
    assert short.text == (
        "accuracy lacks 0.02 at the bound; the estimate holds, and would pass on about 400 test rows (now 100)"
    )


def test_the_shortfall_says_when_the_estimate_itself_is_too_low() -> None:
    poor = report(accuracy=Metric(0.85, 0.80, 0.89))
    (short,) = shortfall(judge(poor, (needs("accuracy", ">=", 0.90),), None))
    assert short.rows_needed is None
    assert short.text == "accuracy lacks 0.1: the estimate itself is 0.05 short, so more test rows alone will not do"


def test_the_shortfall_of_a_noisy_latency_asks_to_measure_again() -> None:
    noisy = report(latency_p95_ms=Metric(40, 35, 52))
    (short,) = shortfall(judge(noisy, (needs("latency_p95_ms", "<=", 50),), None))
    assert (short.points, short.rows_needed) == (2, None)
    assert short.text == "latency_p95_ms lacks 2 at the bound; the estimate itself holds: measure again"


def test_a_yes_falls_short_of_nothing() -> None:
    assert shortfall(judge(report(), EASY, None)) == ()


def test_shortfalls_of_parity_and_the_live_model_are_told_in_their_own_words() -> None:
    verdict = judge(replace(report(80), parity=differing(0.5)), EASY, report(90))
    assert [short.metric for short in shortfall(verdict)] == ["parity", "accuracy"]
    assert [short.text for short in shortfall(verdict)] == why_not(verdict)


def test_a_verdict_goes_through_json_and_back() -> None:
    verdict = judge(report(), EASY, report(95))
    data = json.loads(json.dumps(verdict.to_json()))
    assert data["passed"] is verdict.passed
    assert reasons_from_json(data["reasons"]) == verdict.reasons
