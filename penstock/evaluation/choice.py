"""Chooses among candidates measured on the same test rows: by expected profit, nearness to the best, worth, or cost.

It compares estimates, and takes costs whose intervals overlap for equal: a timer's noise decides nothing. Whether a
candidate may be released, the gate decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from penstock.evaluation.intervals import Metric, metric
from penstock.evaluation.report import Report
from penstock.evaluation.words import plain_number

SHARES_OF_RIGHT = frozenset({"accuracy", "top1", "hr_at_10", "detection_rate"})
"""Headlines that are a share of right answers, so that what is left of 1 are errors, each of which costs."""

SHARES_OF_WORTH = SHARES_OF_RIGHT | {"auc", "r2", "ndcg_at_10"}
"""Headlines of at most 1, more is better: where nothing says what an error costs, that share of the price is earned."""

GOOD_ENOUGH = 0.10  # below the best: a cascade's cheap half that is worse sends nearly everything on
NEARLY_BEST = 0.003  # below the best: what a cascade's dear half may be, where that is cheaper, as int8 of the best is
_SENT_ON = 2.0  # texts for each error of a cascade's cheap half: n-grams on BANKING77 err at 8.5% and sent on 20%
_FEWEST_TIMES_CHEAPER = 3.0  # for the cheap half of a cascade: else nothing is won

Rule = Literal["profit", "within", "worth", "cheapest"]


@dataclass(frozen=True)
class Option:
    """A candidate to choose from. cost, price: of 1,000 predictions, in the company's currency."""

    name: str
    headline: str
    quality: Metric
    cost: Metric
    price: float
    passed: bool


@dataclass(frozen=True)
class Choice:
    """The chosen option's name, by which rule, and why in words. alike: how many cost as little, as far as can be
    measured, of which it is the best; 1 where it alone does, and where the rule is profit."""

    name: str
    rule: Rule
    text: str
    alike: int = 1


def option(name: str, report: Report, *, passed: bool) -> Option:
    """The option that a report describes."""
    price = float(report.cost.price_per_1000)
    return Option(name, report.headline, report.headline_metric, report.cost_per_1000, price, passed)


def profit(one: Option, error_cost: Decimal) -> Metric | None:
    """Expected profit of 1,000 predictions: price - cost - errors x what an error costs; its interval joins the worse
    (and the better) ends of quality and cost, so it is wider than 95%. None where the headline counts no errors."""
    if one.headline not in SHARES_OF_RIGHT:
        return None
    each = float(error_cost)

    def left(quality: float, cost: float) -> float:
        return one.price - cost - 1000 * (1 - quality) * each

    low, high = left(one.quality.low, one.cost.high), left(one.quality.high, one.cost.low)
    return metric(left(one.quality.value, one.cost.value), low, high)


def choose(
    options: Sequence[Option], *, error_cost: Decimal | None = None, within: float | None = None
) -> Choice | None:
    """Of those that passed: the highest expected profit where an error's cost is known; else the cheapest whose
    headline is at most `within` below the best one's; else the one worth most, a wrong answer counted at its price; for
    a product that is free, the cheapest. Of those that cost as little as the cheapest, within what was measured, the
    best is taken. None when none passed."""
    passed = [one for one in options if one.passed]
    if not passed:
        return None
    if error_cost is not None and all(one.headline in SHARES_OF_RIGHT for one in passed):
        return _by_profit(passed, error_cost)
    counted = "" if error_cost is None else f" (error_cost is not used: {passed[0].headline} counts no errors)"
    if within is not None:
        return _near_the_best(passed, within, counted)
    if all(one.headline in SHARES_OF_WORTH and one.price > 0 for one in passed):
        return _by_worth(passed, counted)
    chosen, alike = _cheapest(passed)
    text = f"costs the least of {_those(passed)}, {plain_number(chosen.cost.value)} per 1,000"
    return Choice(chosen.name, "cheapest", text + _told(chosen, alike) + counted, alike)


def beats(one: Option, other: Option) -> bool:
    """At least as good and as cheap, and better in one of both."""
    better, cheaper = one.quality.value - other.quality.value, other.cost.value - one.cost.value
    return better >= 0 and cheaper >= 0 and (better > 0 or cheaper > 0)


def cascade_pair(figures: Mapping[str, tuple[float, float]]) -> tuple[str, str] | None:
    """The cheap and the dear half of a cascade, by (quality, cost) of each: the cheapest that is nearly the best, and
    before it what makes the two the cheapest. None where nothing much cheaper is good enough."""
    best = max((quality for quality, _ in figures.values()), default=0.0)
    near = {name: cost for name, (quality, cost) in figures.items() if quality >= best - NEARLY_BEST}
    dear = min(near, key=lambda name: near[name], default="")
    together = {
        name: cost + _SENT_ON * (1 - quality) * near[dear]
        for name, (quality, cost) in figures.items()
        if quality >= best - GOOD_ENOUGH and cost * _FEWEST_TIMES_CHEAPER <= near[dear]
    }
    return (min(together, key=lambda name: together[name]), dear) if together else None


def _by_profit(passed: Sequence[Option], error_cost: Decimal) -> Choice:
    profits = {one.name: found for one in passed if (found := profit(one, error_cost)) is not None}
    chosen, *others = sorted(passed, key=lambda one: (-profits[one.name].value, *_cheapest_first(one)))
    found = profits[chosen.name]
    text = (
        f"brings the highest expected profit of {_those(passed)}, {plain_number(found.value, 4)} per 1,000 "
        f"({plain_number(found.low, 4)} to {plain_number(found.high, 4)}) at {error_cost} an error"
    )
    if others and profits[others[0].name].high > found.low:
        text += f"; the intervals overlap with {others[0].name}'s, {plain_number(profits[others[0].name].value, 4)}"
    return Choice(chosen.name, "profit", text)


def _worth(one: Option) -> float:
    """What 1,000 predictions earn less what they cost, if a wrong one earns nothing: no customer who pays a price for
    an answer loses less by a wrong one. Of a headline that counts no errors, its share of the price."""
    return one.price * max(0.0, one.quality.value) - one.cost.value


def _by_worth(passed: Sequence[Option], counted: str) -> Choice:
    chosen = min(passed, key=lambda one: (-_worth(one), *_cheapest_first(one)))
    each = plain_number(chosen.price / 1000, 4)
    way = "every wrong answer" if chosen.headline in SHARES_OF_RIGHT else f"what {chosen.headline} lacks of 1"
    text = (
        f"is worth the most of {_those(passed)}: {plain_number(_worth(chosen), 4)} per 1,000 after a cost of "
        f"{plain_number(chosen.cost.value)}, with {way} counted at the price of an answer, {each} "
        "(error_cost would say what one costs)"
    )
    return Choice(chosen.name, "worth", text + counted)


def _near_the_best(passed: Sequence[Option], within: float, counted: str) -> Choice:
    best = max(passed, key=lambda one: one.quality.value)
    near = [one for one in passed if one.quality.value >= best.quality.value - within]
    chosen, alike = _cheapest(near)
    if chosen is best:
        text = f"has the best {best.headline} of {_those(passed)}, and none within {within:g} of it is cheaper"
        text += " by more than the measurement's noise" if alike > 1 else ""
    else:
        times = best.cost.value / chosen.cost.value if chosen.cost.value > 0 else float("inf")
        text = (
            f"is the cheapest within {within:g} of the best {best.headline} ({best.quality.value:.4f} of {best.name}): "
            f"{chosen.quality.value:.4f} for {_times(times)} of its cost"
        )
        text += _told(chosen, alike)
    return Choice(chosen.name, "within", text + counted, alike)


def _cheapest(options: Sequence[Option]) -> tuple[Option, int]:
    """The best of those whose cost's interval overlaps the cheapest one's, and how many those are. An option that
    another beats is none of them, so that a wide interval takes nothing off the frontier."""
    least = min(options, key=_cheapest_first)
    alike = [
        one for one in options if one.cost.low <= least.cost.high and not any(beats(other, one) for other in options)
    ]
    return min(alike, key=lambda one: (-one.quality.value, *_cheapest_first(one))), len(alike)


def _told(chosen: Option, alike: int) -> str:
    if alike == 1:
        return ""
    return f"; {alike} cost the same within the measurement's noise, and its {chosen.headline} is the best of them"


def _cheapest_first(one: Option) -> tuple[float, float, str]:
    return one.cost.value, -one.quality.value, one.name


def _those(passed: Sequence[Option]) -> str:
    return "the one that passed" if len(passed) == 1 else f"the {len(passed)} that passed"


def _times(factor: float) -> str:
    return f"1/{plain_number(factor)}" if factor >= 1 else f"{plain_number(1 / factor)} times"
