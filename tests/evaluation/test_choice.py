"""Which of the candidates that passed is chosen: by money where an error has a price, else by nearness or cost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from penstock.evaluation.choice import Option, cascade_pair, choose, profit
from penstock.evaluation.intervals import Metric


def candidate(name: str, quality: float, cost: float, *, passed: bool = True, headline: str = "accuracy") -> Option:
    return Option(
        name=name,
        headline=headline,
        quality=Metric(quality, quality - 0.01, quality + 0.01),
        cost=Metric(cost, cost * 0.9, cost * 1.1),
        price=2.0,
        passed=passed,
    )


SMALL, MIDDLE, LARGE = candidate("small", 0.90, 0.01), candidate("middle", 0.93, 0.10), candidate("large", 0.935, 1.00)
ALL = (SMALL, MIDDLE, LARGE)


def free(one: Option) -> Option:
    return replace(one, price=0.0)


def test_without_a_rule_the_cheapest_that_passed_is_chosen_of_a_free_product() -> None:
    refused = candidate("tiny", 0.5, 0.001, passed=False)
    found = choose([free(one) for one in (*ALL, refused)])
    assert found is not None
    assert (found.name, found.rule) == ("small", "cheapest")
    assert "costs the least of the 3 that passed" in found.text


def test_without_a_rule_a_wrong_answer_is_worth_its_price() -> None:
    """0.00003 saved on a price of 2 to 4 is no reason to take 24 wrong answers more in a thousand."""
    for price in (2.0, 4.0):
        pair = [candidate("worse", 0.844, 0.00001), candidate("better", 0.868, 0.00004)]
        found = choose([replace(one, price=price) for one in pair])
        assert found is not None
        assert (found.name, found.rule) == ("better", "worth")
    assert "worth the most of the 2 that passed: 3.472 per 1,000 after a cost of 0.00004" in found.text
    assert "every wrong answer counted at the price of an answer, 0.004" in found.text


def test_without_a_rule_what_costs_more_than_it_brings_is_not_chosen() -> None:
    found = choose(ALL)  # of 2.00 a thousand: 0.06 more is earned by the middle one, which costs 0.09 more
    assert found is not None
    assert (found.name, found.rule) == ("small", "worth")


def test_expected_profit_is_price_less_cost_less_errors() -> None:
    found = profit(SMALL, Decimal("0.05"))
    assert found is not None
    assert found.value == pytest.approx(2.0 - 0.01 - 1000 * 0.10 * 0.05)
    assert found.low == pytest.approx(2.0 - 0.011 - 1000 * 0.11 * 0.05)
    assert found.high == pytest.approx(2.0 - 0.009 - 1000 * 0.09 * 0.05)


@pytest.mark.parametrize(
    ("error_cost", "chosen"),
    [
        ("0.0001", "small"),  # errors cost next to nothing: the cheapest
        ("0.1", "middle"),  # 30 errors fewer bring 3.00 and cost 0.09; 5 fewer bring 0.50 and cost 0.90
        ("1", "large"),
    ],
)
def test_the_dearer_an_error_the_better_the_model_that_pays(error_cost: str, chosen: str) -> None:
    found = choose(ALL, error_cost=Decimal(error_cost), within=0.5)
    assert found is not None
    assert (found.name, found.rule) == (chosen, "profit")


def test_overlapping_profits_are_said_to_overlap() -> None:
    found = choose(ALL, error_cost=Decimal("0.1"))
    assert found is not None
    assert "the intervals overlap with large's" in found.text


@pytest.mark.parametrize(("within", "chosen"), [(0.005, "middle"), (0.05, "small"), (0.0, "large")])
def test_the_cheapest_near_enough_to_the_best_is_chosen(within: float, chosen: str) -> None:
    found = choose(ALL, within=within)
    assert found is not None
    assert (found.name, found.rule) == (chosen, "within")


def test_how_much_cheaper_than_the_best_is_told() -> None:
    found = choose(ALL, within=0.01)
    assert found is not None
    assert "for 1/10 of its cost" in found.text


def test_the_best_is_sought_among_those_that_passed() -> None:
    refused = candidate("huge", 0.99, 9.0, passed=False)
    found = choose([*ALL, refused], within=0.001)
    assert found is not None
    assert found.name == "large"


def test_an_error_has_no_price_where_the_headline_counts_no_errors() -> None:
    found = choose([candidate("a", 0.8, 2.0, headline="r2"), candidate("b", 0.7, 1.0, headline="r2")],
                   error_cost=Decimal(1))  # fmt: skip
    assert found is not None
    assert (found.name, found.rule) == ("b", "worth")  # 0.2 more is earned by a, which costs 1.0 more
    assert "what r2 lacks of 1" in found.text and "error_cost is not used" in found.text


def test_when_none_passed_none_is_chosen() -> None:
    assert choose([candidate("a", 0.9, 1.0, passed=False)]) is None
    assert choose([]) is None


def test_the_order_of_the_candidates_decides_nothing() -> None:
    twins = [candidate(name, 0.9, 0.1) for name in ("c", "a", "b")]
    for rule in ({}, {"within": 0.01}, {"error_cost": Decimal("0.1")}):
        found = {choice.name for order in (twins, twins[::-1]) if (choice := choose(order, **rule))}  # type: ignore[arg-type]
        assert len(found) == 1


def noisy(name: str, quality: float, cost: float) -> Option:
    """A candidate whose cost was measured to within a third only."""
    return replace(candidate(name, quality, cost), cost=Metric(cost, cost * 0.67, cost * 1.33))


def test_of_candidates_that_cost_the_same_within_noise_the_best_is_chosen() -> None:
    one, other = noisy("one", 0.90, 0.010), noisy("other", 0.93, 0.011)
    for first, second in ((0.010, 0.011), (0.011, 0.010)):  # whichever the timer happens to find cheaper
        found = choose([free(noisy("one", 0.90, first)), free(noisy("other", 0.93, second)), free(LARGE)])
        assert found is not None and found.name == "other"
    found = choose([free(each) for each in (one, other, LARGE)])
    assert found is not None and found.alike == 2
    assert "2 cost the same within the measurement's noise, and its accuracy is the best of them" in found.text
    within = choose([one, other], within=0.05)
    assert within is not None and within.name == "other"
    assert "none within 0.05 of it is cheaper by more than the measurement's noise" in within.text


def test_a_cost_measured_badly_takes_nothing_off_the_frontier() -> None:
    vague = replace(candidate("vague", 0.91, 0.05), cost=Metric(0.05, 0.01, 0.09))  # it may cost as little as small
    sharp = candidate("sharp", 0.92, 0.04)  # better and cheaper than vague, and surely dearer than small
    found = choose([free(one) for one in (SMALL, vague, sharp)])
    assert found is not None and (found.name, found.alike) == ("small", 1)


def test_small_costs_are_told_without_an_exponent() -> None:
    found = choose([candidate("small", 0.9, 9.85e-7)])
    assert found is not None and "a cost of 0.000000985, with" in found.text


def test_a_cascade_joins_the_cheapest_that_is_nearly_the_best_and_what_sends_little_on() -> None:
    figures = {"full": (0.943, 100.0), "int8": (0.942, 50.0), "static": (0.925, 0.9), "n-grams": (0.90, 0.8)}
    assert cascade_pair(figures) == ("static", "int8")
    worse = figures | {"int8": (0.930, 50.0)}
    assert cascade_pair(worse) == ("static", "full"), "int8 lost too much"
    assert cascade_pair({"full": (0.943, 100.0), "small": (0.94, 40.0)}) is None, "not much cheaper"
    assert cascade_pair({"full": (0.943, 100.0), "static": (0.80, 1.0)}) is None, "not nearly as good"
    assert cascade_pair({}) is None
