"""What recommends without a model: the same popular items for everybody, which are compared with any items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.evaluation import trivial as without
from penstock.evaluation.measured import Trivial
from penstock.tasks.recommendation.model.recommender import Ask, Mask, Recommender
from penstock.tasks.recommendation.ranking import FIRST, NEVER, Places, gains, place_of

TRIVIAL = ("ndcg_at_10", "hr_at_10")


def without_a_model(
    model: Recommender,
    asks: Sequence[Ask],
    users: Sequence[str],
    targets: Sequence[int | None],
    taken: Mask,
    ranks: Places,
) -> tuple[Trivial, ...]:
    """A row each (n,): what is asked, by whom, and the place of the item that the user took. taken: (items,) which
    anybody took. ranks: the model's."""
    popular = model.weights is None and model.text is None
    everybodys = np.zeros_like(model.popularity) if popular else model.popularity  # all level: the mean of all orders
    places = [
        (NEVER, 0)
        if target is None
        else place_of(np.where(model.allowed(ask) & taken, everybodys, -np.inf).astype(np.float32), target)
        for target, ask in zip(targets, asks, strict=True)
    ]
    above, tied = np.array(places, dtype=np.int64).T
    other, how = Places(above, tied), without.ANY_ITEMS if popular else without.POPULAR
    found = (("ndcg_at_10", gains(ranks), gains(other)), ("hr_at_10", ranks.within(FIRST), other.within(FIRST)))
    return tuple(
        without.compared(
            name, how, without.by_user(own, users), without.by_user(theirs, users), value=float(theirs.mean())
        )
        for name, own, theirs in found
    )
