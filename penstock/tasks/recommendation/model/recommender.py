"""A recommender: scores every item from what a user did, by weights between items and by what items say.

It answers in numpy alone, one input at a time, and does not know how the weights were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.models.backbone import Backbone
from penstock.models.protocol import Floats, Integers
from penstock.models.softmax import stacked
from penstock.tasks.recommendation.data.values import lot
from penstock.tasks.recommendation.model.histories import Histories, Places, recency
from penstock.tasks.recommendation.model.neighbours import Neighbours
from penstock.tasks.recommendation.model.sparse import Sparse

Mask = npt.NDArray[np.bool_]

LEAST_WEIGHT = 1e-4  # of the newest interaction's: what counts less is left out of the sum
TIE_BREAK = np.float32(1e-5)  # of popularity, so that items of which nothing is known come in its order
MOST_REASONED = 60  # interactions looked at for a reason


@dataclass(frozen=True)
class Ask:
    """For whom: a known user, a list of items (the latest last), both (the items are newer), or neither: the popular.

    before: only what the user did until then counts. top: how many items, None for the model's own number.
    exclude, available: ids that may not come, and the only ones that may.
    """

    user: str | None = None
    items: tuple[str, ...] = ()
    before: float | None = None
    top: int | None = None
    exclude: frozenset[str] = frozenset()
    available: frozenset[str] | None = None


@dataclass(frozen=True, eq=False)
class Recommender:
    """labels: ids of the items, with their titles. listed: (items,) which may be recommended at all; counts: (items,)
    users who knew it. decay: what an interaction loses with every newer one. top: items in an answer.

    weights: None for the popular items alone. text: only on a backbone. unavailable: (items,), by amendment.
    taken: what users have besides their histories, which nothing was learned from. repeats: what a user took may be
    recommended again.
    """

    kind: str
    labels: tuple[str, ...]
    titles: tuple[str, ...]
    listed: Mask
    counts: Floats
    popularity: Floats
    histories: Histories
    decay: float
    top: int
    weights: Sparse | None = None
    text: Neighbours | None = None
    backbone: Backbone | None = None
    unavailable: Mask | None = None
    taken: Histories | None = None
    repeats: bool = False
    places: Mapping[str, int] = field(default_factory=dict)
    embedded: dict[str, Floats] = field(default_factory=dict)  # vectors of items that amendments brought

    def predict(self, inputs: Sequence[Ask]) -> Floats:
        """Scores (n, items), higher is better; what may not be recommended is scored too."""
        return stacked([self.scores(ask) for ask in inputs], len(self.labels))

    def scores(self, ask: Ask) -> Floats:
        """Scores (items,) of one input: popularity (at most 1) where there is no history to go by."""
        places, weights = self.history(ask)
        if not len(places) or self.weights is None:
            return self.popularity.copy()
        return self._from(places, weights) + TIE_BREAK * self.popularity

    def history(self, ask: Ask) -> tuple[Places, Floats]:
        """The items that speak for this input, oldest first, and how much each counts (k,)."""
        newer = np.array([self.places[item] for item in ask.items if item in self.places], dtype=np.int32)
        places, times, own = self.histories.of(ask.user, ask.before)
        counted = recency(times, self.decay, len(newer)) * own
        if len(newer):
            kept = ~np.isin(places, newer)
            latest = self.decay ** np.arange(len(newer) - 1, -1, -1, dtype=np.float64)
            places, counted = np.concatenate((places[kept], newer)), np.concatenate((counted[kept], latest))
        heavy = counted >= LEAST_WEIGHT * counted.max(initial=0.0)
        return places[heavy], counted[heavy].astype(np.float32)

    def allowed(self, ask: Ask) -> Mask:
        """(items,) which may be recommended: listed, in stock, not known to the user, not ruled out by the input."""
        mask = self.listed.copy()
        if self.unavailable is not None:
            mask &= ~self.unavailable
        mask[self.known_to(ask)] = False
        mask[[self.places[item] for item in (*ask.items, *ask.exclude) if item in self.places]] = False
        if ask.available is not None:
            only = np.zeros(len(mask), dtype=bool)
            only[[self.places[item] for item in ask.available if item in self.places]] = True
            mask &= only
        return mask

    def known_to(self, ask: Ask) -> Places:
        """The items that may not come because the user has them: none where repeats make sense. What is taken at the
        very moment `before` is not known yet, or no test could ask for it."""
        if self.repeats:
            return self.histories.items[:0]
        learned = self.histories.of(ask.user, ask.before)[0]
        if self.taken is None:
            return learned
        until = None if ask.before is None else float(np.nextafter(ask.before, -np.inf))
        return np.concatenate((learned, self.taken.of(ask.user, until)[0]))

    @cached_property
    def by_lot(self) -> Integers:
        """The items (items,) in an order drawn by lot, in which equal scores stand: that of ids may mean something."""
        return np.array(sorted(range(len(self.labels)), key=lambda place: lot(self.labels[place])), dtype=np.int64)

    def best(self, scores: Floats, count: int) -> Integers:
        """The places of up to `count` highest finite scores (items,), in order; equal ones by lot."""
        order = self.by_lot[np.argsort(-scores[self.by_lot], kind="stable")[:count]]
        return order[np.isfinite(scores[order])]

    def reasons(self, ask: Ask, chosen: Sequence[int]) -> list[int | None]:
        """For each chosen item the place of the known item that spoke most for it, None where none did."""
        places, weights = self.history(ask)
        if self.weights is None or not len(places) or not len(chosen):
            return [None] * len(chosen)
        heaviest = np.sort(np.argsort(-weights, kind="stable")[:MOST_REASONED])
        columns = np.array(chosen, dtype=np.int64)
        spoken = np.stack([self._spoken(places[[at]], weights[[at]], columns) for at in heaviest])
        best = spoken.argmax(axis=0)
        return [
            int(places[heaviest[at]]) if spoken[at, column] > 0 else None for column, at in enumerate(best.tolist())
        ]

    def amended(self, unavailable: Sequence[str], added: Sequence[tuple[str, str, str]]) -> Recommender:
        """With these items out of stock, and new ones (id, title, words) that the text lets it judge."""
        model = self._with_items([item for item in added if item[0] not in self.places])
        mask = np.zeros(len(model.labels), dtype=bool)
        mask[[model.places[item] for item in unavailable if item in model.places]] = True
        return replace(model, unavailable=mask if mask.any() else None)

    def _from(self, places: Places, weights: Floats) -> Floats:
        scores = self._past(places, weights)
        return scores if self.text is None else self.text.heard(scores)

    def _spoken(self, place: Places, weight: Floats, columns: Integers) -> Floats:
        """What one interaction says for a few items (columns,)."""
        scores = self._past(place, weight)
        return scores[columns] if self.text is None else self.text.heard(scores, columns)

    def _past(self, places: Places, weights: Floats) -> Floats:
        if self.weights is None:
            return np.zeros(len(self.labels), dtype=np.float32)
        if self.text is not None:
            places, weights = self.text.spread(places, weights)
        return self.weights.total(places, weights, len(self.labels))

    def _with_items(self, added: Sequence[tuple[str, str, str]]) -> Recommender:
        if not added or self.text is None or self.backbone is None:
            return self  # without the text of items there is nothing to judge a new one by
        for _, _, words in added:
            if words not in self.embedded:
                self.embedded[words] = self.backbone.embed([words])[0]
        labels = (*self.labels, *(item for item, _, _ in added))
        more = len(added)
        return replace(
            self,
            labels=labels,
            titles=(*self.titles, *(title for _, title, _ in added)),
            listed=np.concatenate((self.listed, np.ones(more, dtype=bool))),
            counts=np.concatenate((self.counts, np.zeros(more, dtype=np.float32))),
            popularity=np.concatenate((self.popularity, np.zeros(more, dtype=np.float32))),
            text=self.text.with_new(np.stack([self.embedded[words] for _, _, words in added])),
            places={label: place for place, label in enumerate(labels)},
        )


def is_recommender(model: Any) -> Recommender:
    """The model as a recommender. Raises Broken when it is of another task."""
    from penstock.core.errors import Broken

    if not isinstance(model, Recommender):
        raise Broken(f"a model of kind {getattr(model, 'kind', '?')!r} recommends nothing")
    return model
