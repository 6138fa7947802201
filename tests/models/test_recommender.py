"""Recommenders: an answer does not depend on its batch, what is known or gone never comes, and reasons are true."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recommenders import recommender, word_backbone

from penstock.core.errors import Broken
from penstock.models.protocol import Parts
from penstock.tasks.recommendation.model import files
from penstock.tasks.recommendation.model.histories import recency
from penstock.tasks.recommendation.model.recommender import Ask, Recommender

PLAIN, HYBRID = recommender(), recommender(text=True)
MODELS = pytest.mark.parametrize("model", [PLAIN, HYBRID], ids=["plain", "hybrid"])
ASKS = st.builds(
    Ask,
    user=st.none() | st.sampled_from(["u0", "u1", "u4", "stranger"]),
    items=st.lists(st.sampled_from([f"i{at}" for at in range(12)]), max_size=6, unique=True).map(tuple),
    before=st.none() | st.floats(0, 60),
    exclude=st.frozensets(st.sampled_from(["i0", "i5", "elsewhere"])),
    available=st.none() | st.frozensets(st.sampled_from(["i1", "i3", "i11", "elsewhere"])),
)


def reopened(model: Recommender) -> Recommender:
    saved = files.to_files(model)
    parts = Parts(model.labels, files.settings_of(model), saved.__getitem__, "artifact", word_backbone())
    return files.open_parts(parts)


@given(st.lists(ASKS, max_size=6), st.booleans())
def test_an_answer_is_the_same_alone_in_any_batch_and_after_saving(asks: list[Ask], text: bool) -> None:
    model = HYBRID if text else PLAIN
    together = model.predict(asks)
    assert together.shape == (len(asks), 12) and together.dtype == np.float32 and np.isfinite(together).all()
    again = reopened(model)
    for ask, row in zip(asks, together, strict=True):
        assert np.array_equal(model.predict([ask])[0], row)
        assert np.array_equal(again.predict([ask])[0], row)


@given(ASKS)
def test_what_the_user_knows_excludes_or_cannot_have_is_never_allowed(ask: Ask) -> None:
    allowed = {PLAIN.labels[at] for at in np.flatnonzero(PLAIN.allowed(ask))}
    known = {PLAIN.labels[at] for at in PLAIN.histories.of(ask.user, ask.before)[0]}
    assert not allowed & (known | set(ask.items) | ask.exclude)
    assert ask.available is None or allowed <= ask.available


@MODELS
def test_an_item_out_of_stock_stays_away_and_the_base_model_is_untouched(model: Recommender) -> None:
    amended = model.amended(["i3", "gone"], [])
    assert not amended.allowed(Ask())[3] and model.allowed(Ask())[3]
    assert np.array_equal(amended.predict([Ask(items=("i1",))]), model.predict([Ask(items=("i1",))]))
    assert amended.amended([], []).allowed(Ask())[3]


def test_a_new_item_is_judged_by_its_text_at_once_and_speaks_for_its_like() -> None:
    amended = HYBRID.amended([], [("n1", "New", "dragon dragon bread"), ("n2", "Other", "owl")])
    assert amended.labels[-2:] == ("n1", "n2") and len(HYBRID.labels) == 12
    old, new = HYBRID.predict([Ask(user="u1")])[0], amended.predict([Ask(user="u1")])[0]
    assert np.array_equal(new[:12], old) and new.shape == (14,)
    assert new[12] != 0 and new[12] != new[13]
    assert np.abs(amended.predict([Ask(items=("n1",))])[0]).max() > 1e-3
    again = amended.amended([], [("n1", "New", "dragon dragon bread")])
    assert again.labels == amended.labels  # what is known stays known


def test_without_text_a_new_item_is_not_taken_in() -> None:
    assert PLAIN.amended([], [("n1", "New", "dragon")]).labels == PLAIN.labels


@MODELS
def test_the_reason_is_the_known_item_that_adds_most(model: Recommender) -> None:
    ask = Ask(items=("i1", "i4", "i6"))
    scores = model.scores(ask)
    chosen = np.argsort(-np.where(model.allowed(ask), scores, -np.inf))[:4].tolist()
    weights = dict(zip(*(part.tolist() for part in model.history(ask)), strict=True))
    for place, reason in zip(chosen, model.reasons(ask, chosen), strict=True):
        alone = {item: weights[model.places[item]] * model.scores(Ask(items=(item,)))[place] for item in ask.items}
        best = max(alone, key=lambda item: alone[item])
        assert reason is None if alone[best] <= 0 else model.labels[reason or 0] == best


def test_nobody_known_gets_what_is_popular() -> None:
    for ask in (Ask(), Ask(user="stranger")):
        assert PLAIN.labels[int(PLAIN.scores(ask).argmax())] == "i0"
        assert PLAIN.reasons(ask, [0, 1]) == [None, None]


def test_what_a_user_did_later_does_not_count_before() -> None:
    items, times, _ = PLAIN.histories.of("u0")
    early = PLAIN.histories.of("u0", float(times[0]))[0]
    assert set(early) == set(items[times <= times[0]])
    assert len(PLAIN.histories.of("u0", -1.0)[0]) == 0


def test_newer_interactions_count_more_and_those_of_one_moment_alike() -> None:
    assert recency(np.array([1.0, 2.0, 3.0]), 0.5).tolist() == [0.25, 0.5, 1.0]
    assert recency(np.array([1.0, 3.0, 3.0]), 0.5).tolist() == [0.25, 0.75, 0.75]
    assert recency(np.array([1.0]), 0.5, newer=2).tolist() == [0.25]
    places, weights = PLAIN.history(Ask(items=("i2", "i7")))
    assert (places.tolist(), weights.tolist()) == ([2, 7], [pytest.approx(0.8), 1.0])


def test_items_sent_with_a_user_are_the_newest() -> None:
    known = PLAIN.histories.of("u0")[0]
    places, weights = PLAIN.history(Ask(user="u0", items=(PLAIN.labels[int(known[0])], "i11")))
    assert places[-2:].tolist() == [known[0], 11] and weights[-1] == 1.0
    assert len(set(places.tolist())) == len(places)


@pytest.mark.parametrize(
    "damaged",
    [
        {"titles": ("only one",)},
        {"popularity": np.full(12, np.nan, dtype=np.float32)},
        {"decay": 0.0},
        {"kind": "unheard-of.v1"},
        {"counts": np.zeros(3, dtype=np.float32)},
        {"histories": replace(PLAIN.histories, items=PLAIN.histories.items + 50)},
    ],
)
def test_parts_that_do_not_fit_are_refused(damaged: dict[str, object]) -> None:
    with pytest.raises(Broken, match="do not fit"):
        reopened(replace(PLAIN, **damaged))  # type: ignore[arg-type]
