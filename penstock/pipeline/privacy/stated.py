"""What a product's stated privacy asks of its rungs, its gate and its trainings together. It trains nothing.

Where a product states privacy, no model without it passes: the gate asks for epsilon even if nobody wrote so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock import installed
from penstock.core.errors import BadInput, Conflict
from penstock.datasets.privacy import Privacy
from penstock.registry.candidates import get_candidate, list_candidates
from penstock.registry.releases import list_releases
from penstock.storage.engine import Transaction
from penstock.task import AnyTask
from penstock.workspace.records import Condition, Product


@dataclass(frozen=True)
class Spent:
    """One training under differential privacy. released: its model, or one compressed from it, was ever served."""

    candidate: int
    epsilon: float
    delta: float
    released: bool


def stated(product: Product) -> Privacy | None:
    """The privacy that the product's options state, checked before by `check_words`."""
    return installed.of(product).privacy(product)


def private_rungs(task: AnyTask) -> tuple[str, ...]:
    """The task's rungs whose training is differentially private."""
    return tuple(rung.name for rung in task.training().rungs if rung.private)


def rowless_compressions() -> tuple[str, ...]:
    """The compressions that learn from no row, e.g. by rounding."""
    return tuple(each.name for each in installed.compressions().values() if not each.reads_rows)


def gate_of(product: Product) -> tuple[Condition, ...]:
    """The product's conditions; with the stated epsilon among them."""
    privacy = stated(product)
    if privacy is None or any(one.metric == "epsilon" for one in product.gate):
        return product.gate
    return (*product.gate, Condition(metric="epsilon", op="<=", threshold=privacy.epsilon))


def check_privacy(product: Product, rungs: Sequence[str], where: str) -> None:
    """Raises BadInput for rungs that keep no privacy where it is stated, and those that need it where it is not; and
    for a gate that asks for less epsilon than is stated."""
    privacy, private = stated(product), private_rungs(installed.of(product))
    for rung in rungs:
        if privacy is not None and rung not in private:
            hint = f"rungs that are: {', '.join(private)}; or take privacy out of the product's options"
            message = f"{rung} is not differentially private, but this product requires it"
            raise BadInput(message, where=where, hint=hint)
        if privacy is None and rung in private:
            hint = "under [products.NAME.options]: privacy = { epsilon = 8.0 }"
            raise BadInput(f"{rung} needs to be told what privacy it may cost", where=where, hint=hint)
    bound = min((one.threshold for one in product.gate if one.metric == "epsilon" and one.op == "<="), default=None)
    if privacy is not None and bound is not None and bound < privacy.epsilon:
        message = f"the gate asks epsilon <= {bound:g}, and a training may spend {privacy.epsilon:g}: none would pass"
        raise BadInput(
            message, where=where, hint=f"state privacy = {{ epsilon = {bound:g} }}, or raise the gate's bound"
        )


def check_compression(product: Product, by: str, where: str) -> None:
    """Raises BadInput for a compression that learns from rows, where privacy is stated: it would cost epsilon that no
    account holds; and where texts get several labels, which it cannot learn."""
    rowless = rowless_compressions()
    if installed.of(product).several_labels and by not in rowless:
        hint = f"allowed with multi_label = true: {', '.join(rowless)}"
        raise BadInput(f"{by} makes models that give one label for a text, not several", where=where, hint=hint)
    if stated(product) is not None and by not in rowless:
        hint = f"allowed: {', '.join(rowless)}, which reads no row; or take privacy out of the product's options"
        message = f"{by} learns from the rows again and is not differentially private, but this product requires it"
        raise BadInput(message, where=where, hint=hint)


def check_remaking(tx: Transaction, name: str, product: Product, candidate: str) -> None:
    """Before the live model, and what it was made from, are trained anew. Raises Conflict for a model from before
    privacy was stated, and BadInput for one that needs it stated and for a compression that costs some."""
    old = get_candidate(tx, candidate)
    if old.made_from:
        check_compression(product, old.rung, name)
        for source in old.made_from:
            check_remaking(tx, name, product, source)
    elif stated(product) is not None and old.rung not in private_rungs(installed.of(product)):
        raise Conflict(
            f"{old.rung}, by which the live model of {name} was trained, is not differentially private, "
            "but the product requires it",
            where=name,
            hint=f"`penstock train {name}` makes a model that keeps it; once that is released it can be retrained",
        )
    else:
        check_privacy(product, [old.rung], name)


def check_spending(tx: Transaction, name: str, product: Product) -> None:
    """Before a private training. Raises Conflict where all of the product's together would cost more than `total`."""
    privacy = stated(product)
    if privacy is None or privacy.total is None:
        return
    before = sum(one.epsilon for one in spent(tx, name))
    if before + privacy.epsilon > privacy.total:
        raise Conflict(
            f"the trainings of {name} have cost epsilon {before:.3g}; one more of {privacy.epsilon:g} is more than the "
            f"{privacy.total:g} they may cost together",
            where="options.privacy",
            hint="release one of the candidates there are, or raise privacy.total, knowing what it means",
        )


def spent(tx: Transaction, product: str) -> list[Spent]:
    """The product's private trainings, by candidate number. All are charged, those that failed the gate too: somebody
    saw what they measured."""
    found = list_candidates(tx, product)
    served = {one.candidate for one in list_releases(tx, product)}
    for one in reversed(found):
        if one.id in served:
            served |= set(one.made_from)
    private = {rung.name for rung in installed.rungs().values() if rung.private}
    return [
        Spent(one.number, float(one.parameters["epsilon"]), float(one.parameters["delta"]), one.id in served)
        for one in found
        if one.rung in private and "epsilon" in one.parameters
    ]


def spent_in_words(trainings: Sequence[Spent]) -> list[str]:
    """The sum over all trainings bounds what all candidates together tell of a row (basic composition)."""
    if not trainings:
        return []
    epsilon, delta = sum(one.epsilon for one in trainings), sum(one.delta for one in trainings)
    count = "1 training" if len(trainings) == 1 else f"{len(trainings)} trainings"
    told = f"privacy spent by {count}: epsilon {epsilon:.3g} at delta {delta:.2g} together"
    released = [one for one in trainings if one.released]
    if not released:
        return [f"{told}; none of their models was released"]
    return [f"{told}; by the {len(released)} released: epsilon {sum(one.epsilon for one in released):.3g}"]
