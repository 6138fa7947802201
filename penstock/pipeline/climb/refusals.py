"""Says in words why no rung passed the gate, how near each came, and what would help; and refuses gates that a test
is too small to prove. It decides nothing about a model."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from penstock import installed
from penstock.core.errors import GateRefused
from penstock.datasets.versions import find_version
from penstock.evaluation.possible import unprovable
from penstock.pipeline.check import ladder_of
from penstock.pipeline.climb.climbing import helped_by_search, only_busy
from penstock.pipeline.records import NotTried, Outcome
from penstock.runtime.house import House
from penstock.workspace.records import Product

_NOT_TO_INT8 = ("blend.v1", "int8.v1")  # two models in one, and one that is in int8 already
_OF_COST = ("latency_p50_ms", "latency_p95_ms", "cost_per_1000", "gross_margin")


def check_provable(house: House, name: str, version_id: str) -> None:
    """Raises GateRefused where even a model without an error could not prove a condition on so few test rows."""
    with house.store.read() as tx:
        rows = find_version(tx, name, version_id).rows_test
    wrong = unprovable(house.workspace.products[name].gate, rows)
    if wrong:
        raise GateRefused(
            "no model can pass this gate on this test: " + "; ".join(wrong),
            where=name,
            hint="give more test rows (`test` or test_share in penstock.toml), or lower the condition",
        )


def gate_refused(
    product: str, outcomes: Sequence[Outcome], not_tried: Sequence[NotTried] = (), advice: Sequence[str] = ()
) -> GateRefused:
    """How near each rung came, what was not tried and why, and what would help."""
    tried = [f"{_name(outcome)}:\n    " + "\n    ".join(outcome.shortfall) for outcome in outcomes]
    left = [f"{each.rung} was not tried: {each.why}" for each in not_tried]
    number = _nearest(outcomes).candidate
    hints = [*advice, f"penstock report {number} --html report.html shows the nearest"]
    return GateRefused(
        "no rung passed the gate\n  " + "\n  ".join([*tried, *left]), where=product, hint="\n  ".join(hints)
    )


def advice(product: Product, name: str, outcomes: Sequence[Outcome], budget: float | None) -> list[str]:
    """What would turn the no into a yes, the likeliest first."""
    if not outcomes or outcomes[-1].passed:
        return []
    near = _nearest(outcomes)
    if only_busy(near):
        return ["stop what else runs on this machine, or wait for it, and give the same command again"]
    failed = {reason.metric for reason in near.reasons if not reason.passed}
    found = []
    if near.rows_needed:
        found.append(f"about {near.rows_needed:,} test rows would settle it, if the estimate holds: add test rows")
    if failed & set(_OF_COST):
        found += _cheaper(product, near, name, failed)
    if failed & set(near.measured) and not near.rows_needed:
        found += _better(product, name, near, budget)
    return [*found, "or lower the gate in penstock.toml"]


def _nearest(outcomes: Sequence[Outcome]) -> Outcome:
    """Of those refused, the one that the fewest conditions refuse, those of cost and time counting as one: they are
    mended together. Of several the last, which is the dearest of a climb."""

    def failed(one: Outcome) -> int:
        metrics = [reason.metric for reason in one.reasons if not reason.passed]
        return len({"cost" if metric in _OF_COST else f"{place} {metric}" for place, metric in enumerate(metrics)})

    return min((one for one in reversed(outcomes) if not one.passed), key=failed)


def _cheaper(product: Product, near: Outcome, name: str, failed: set[str]) -> list[str]:
    found = []
    if product.task == "text-classification" and near.backbone and near.rung not in _NOT_TO_INT8:
        found.append(f"make it cheaper: penstock compress {name}/{near.number} --by int8")
    if "gross_margin" in failed:
        found.append("the margin needs a higher price or a cheaper rung")
    return found


def _better(product: Product, name: str, near: Outcome, budget: float | None) -> list[str]:
    found = []
    ladder, known = ladder_of(product), installed.of(product).ladder
    if product.backbone is None and any(installed.rungs()[rung].needs_backbone for rung in known):
        found.append(f'a backbone opens more rungs: backbone = "english" in [products.{name}]')
    elif missing := [rung for rung in known if rung not in ladder]:
        found.append(f"rungs that the product's ladder leaves out: {', '.join(missing)}")
    if budget is None and helped_by_search(near) and any(installed.rungs()[rung].space for rung in ladder):
        found.append(f"let it search for better settings: penstock train {name} --budget-minutes 30")
    return [*found, f"add training rows, or correct labels (penstock data inspect {name})"]


def _name(outcome: Outcome) -> str:
    searched = outcome.search
    if searched is UNSET:
        return outcome.rung
    return f"{outcome.rung} (its recipe was searched in {searched.trials} trials: {searched.stopped})"
