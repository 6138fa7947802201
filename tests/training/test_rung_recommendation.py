"""The rungs of recommendation on invented readers of series: each rung learns what the one below cannot."""

import zlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from penstock.core.errors import BadInput
from penstock.models.backbone import Backbone
from penstock.models.protocol import Parts
from penstock.tasks.recommendation.data.preparing import Records
from penstock.tasks.recommendation.data.values import Interaction, Item
from penstock.tasks.recommendation.model import KINDS
from penstock.tasks.recommendation.model.recommender import Ask, is_recommender
from penstock.tasks.recommendation.train import RUNGS
from penstock.tasks.recommendation.train.counting import co_counts, learned_items, sequence_counts
from penstock.tasks.recommendation.train.log import hold_out, read_log
from penstock.training.records import Trained, TrainRequest

SERIES, VOLUMES, USERS = 8, 5, 150
THEMES = ("harbour", "orchard", "dragon", "bread", "comet", "owl", "castle", "river")
TRAIN = {rung.name: rung.train for rung in RUNGS}


class Words:
    """A backbone of word counts: texts that share words are alike."""

    def encode_batch_fast(self, texts: Sequence[str]) -> list[Any]:
        return [SimpleNamespace(ids=[zlib.crc32(word.encode()) % 97 for word in text.split()]) for text in texts]

    def run(self, _names: None, inputs: Any) -> list[Any]:
        counts = [np.bincount(ids[mask == 1], minlength=97) for ids, mask in zip(*inputs.values(), strict=True)]
        return [np.stack([row / np.linalg.norm(row) for row in counts]).astype(np.float32)]


BACKBONE = Backbone("words", 97, 256, 0.0, Words(), Words())


def volume(series: int, number: int) -> str:
    return f"s{series}v{number}"


@pytest.fixture(scope="module")
def readers() -> Records:
    """Each reads two series from the first volume on, with one book everybody reads; 30 items more were never read."""
    chance = np.random.default_rng(3)
    rows: list[Interaction] = []
    for user in range(USERS):
        one, other = chance.permutation(SERIES)[:2].tolist()
        books = [volume(one, at) for at in range(VOLUMES)][: int(chance.integers(2, VOLUMES + 1))]
        books += [volume(other, at) for at in range(VOLUMES)][: int(chance.integers(2, VOLUMES + 1))]
        books.insert(int(chance.integers(0, len(books))), "everybody")
        rows += [Interaction(f"u{user}", book, float(at), 1.0, "") for at, book in enumerate(books)]
    items = {row.item: item(row.item) for row in rows}
    new = {
        f"n{series}": Item(f"n{series}", f"new {THEMES[series]}", f"{THEMES[series]} tale") for series in range(SERIES)
    }
    return Records(tuple(rows), {**items, **new})


def item(name: str) -> Item:
    return Item(name, name, f"{THEMES[int(name[1])]} tale" if name[0] == "s" else "famous book")


@pytest.fixture(scope="module")
def trained(readers: Records) -> dict[str, Trained]:
    request = TrainRequest(readers, backbone=BACKBONE, options={"top": 3})
    return {name: train(request) for name, train in TRAIN.items()}


def first(trained: Trained, *items: str) -> str:
    model = is_recommender(trained.model)
    ask = Ask(items=items)
    scores = np.where(model.allowed(ask), model.predict([ask])[0], -np.inf)
    return model.labels[int(scores.argmax())]


def test_popularity_offers_what_everybody_reads(trained: dict[str, Trained]) -> None:
    assert first(trained["popularity.v1"], "s1v0") == "everybody"


def test_item_to_item_stays_in_the_series(trained: dict[str, Trained]) -> None:
    assert first(trained["item-item.v1"], "s1v0", "s1v1")[:2] == "s1"


def test_the_sequence_goes_on_with_the_next_volume(trained: dict[str, Trained]) -> None:
    following = [first(trained["sequence-ease.v1"], volume(series, 0), volume(series, 1)) for series in range(SERIES)]
    assert following == [volume(series, 2) for series in range(SERIES)]


def test_the_hybrid_offers_an_item_that_nobody_read_to_who_reads_its_like(trained: dict[str, Trained]) -> None:
    model, plain = is_recommender(trained["hybrid-items.v1"].model), is_recommender(trained["sequence-ease.v1"].model)
    scores = model.predict([Ask(items=("s4v0",))])[0]
    new = [model.places[f"n{series}"] for series in range(SERIES)]
    assert int(scores[new].argmax()) == 4 and scores[new][4] > 0
    assert not plain.predict([Ask(items=("s4v0",))])[0][new].any()


@pytest.mark.parametrize("name", list(TRAIN))
def test_what_was_saved_answers_as_what_was_trained(name: str, trained: dict[str, Trained]) -> None:
    made = trained[name]
    parts = Parts(made.model.labels, made.settings, made.files.__getitem__, "artifact", BACKBONE)
    again = KINDS[name](parts)
    asks = [Ask(user="u3"), Ask(items=("s0v0", "everybody")), Ask()]
    assert again.kind == made.model.kind == name
    assert np.array_equal(again.predict(asks), made.model.predict(asks))
    assert made.notes and all(file.endswith((".safetensors", ".json")) for file in made.files)


def test_training_again_gives_the_same_files(readers: Records, trained: dict[str, Trained]) -> None:
    again = TRAIN["sequence-ease.v1"](TrainRequest(readers, options={"top": 3}))
    assert again.files == trained["sequence-ease.v1"].files


def test_the_hybrid_says_how_hidden_items_fared(trained: dict[str, Trained]) -> None:
    made = trained["hybrid-items.v1"]
    assert any("hidden on purpose" in note for note in made.notes)
    assert 0 <= made.settings["cold_hr_at_10"] <= made.settings["cold_hr_at_10_among_new"] <= 1


def test_too_few_interactions_to_hold_anybody_out_still_train(readers: Records) -> None:
    few = Records((Interaction("a", "x", 1, 1, ""), Interaction("a", "y", 2, 1, ""), Interaction("b", "x", 1, 1, "")))
    for train in TRAIN.values():
        made = train(TrainRequest(few, backbone=BACKBONE))
        assert made.model.labels == ("x", "y") and np.isfinite(made.model.predict([Ask(user="b")])).all()


def test_nothing_to_train_on_and_a_missing_backbone_are_said_plainly(readers: Records) -> None:
    with pytest.raises(BadInput, match="no interactions"):
        TRAIN["popularity.v1"](TrainRequest(Records(())))
    with pytest.raises(BadInput, match="needs a backbone"):
        TRAIN["hybrid-items.v1"](TrainRequest(readers))


def test_counts_are_those_done_by_hand() -> None:
    rows = [("a", "x", 1), ("a", "y", 2), ("a", "z", 2), ("b", "x", 1), ("b", "z", 5)]
    log, items, _ = read_log(Records(tuple(Interaction(user, item, at, 1, "") for user, item, at in rows)))
    learned = learned_items(log)
    together, follows = sequence_counts(log, learned, 0.5)
    assert items == ("x", "y", "z")
    # y and z come at one moment, so half each way, z first by lot; x then y is two steps apart, x then z one step twice
    assert follows.tolist() == [[0, 0.5, 2], [0, 0, 0.5], [0, 0.5, 0]]
    assert together.tolist() == [[2, 0.25, 1], [0.25, 1, 0.5], [1, 0.5, 2]]
    assert co_counts(log, learned).tolist() == [[2, 1, 2], [1, 1, 1], [2, 1, 2]]


def test_held_out_users_lose_their_last_interaction_only(readers: Records) -> None:
    log, items, users = read_log(readers)
    held = hold_out(log, seed=0)
    assert len(held.log.items) == len(log.items) - len(held.users)
    user = int(held.users[0])
    last = max((row for row in readers.interactions if row.user == users[user]), key=lambda row: row.order)
    assert items[int(held.targets[0])] == last.item
