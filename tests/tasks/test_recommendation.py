"""Recommending over the wire: what may be asked, what is refused and where, and what an answer holds."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.errors import BadInput, Broken
from penstock.models.backbone import Backbone
from penstock.tasks.recommendation.data.preparing import Records, pseudonym, records_of
from penstock.tasks.recommendation.data.values import Interaction, Item
from penstock.tasks.recommendation.model.recommender import Ask, Recommender, is_recommender
from penstock.tasks.recommendation.task import TASK
from penstock.tasks.recommendation.train import RUNGS
from penstock.training.records import TrainRequest

BOOKS = ("b0", "b1", "b2", "b3", "b4", "b5")


def records() -> Records:
    """Twelve readers take the books in turn; b5 was withdrawn and is not listed."""
    rows = [
        Interaction(f"r{reader}", BOOKS[(reader + step) % 6], 10.0 * step, 1.0, "")
        for reader in range(12)
        for step in range(3)
    ]
    return Records(tuple(rows), {book: Item(book, f"Book {book[1]}", listed=book != "b5") for book in BOOKS})


@pytest.fixture(scope="module")
def model() -> Recommender:
    train = next(rung.train for rung in RUNGS if rung.name == "item-item.v1")
    return is_recommender(train(TrainRequest(records(), options={"top": 2})).model)


def answered(model: Recommender, wire: Any) -> dict[str, Any]:
    [ask] = TASK.parse([wire], model)
    output = TASK.render(model, ask, model.predict([ask])[0])
    return dict(json.loads(json.dumps(output, allow_nan=False)))


def items(output: dict[str, Any]) -> list[str]:
    return [one["item"] for one in output["items"]]


def test_a_user_gets_new_items_each_with_its_reason(model: Recommender) -> None:
    output = answered(model, {"user": "r0"})  # knows b0, b1 and b2
    assert set(items(output)) == {"b3", "b4"}
    assert output["items"][0].keys() == {"item", "title", "score", "new", "because"}
    assert output["items"][0]["because"]["item"] in ("b0", "b1", "b2")
    assert output["items"][0]["title"].startswith("Book ")


def test_a_list_of_recent_items_does_without_a_user(model: Recommender) -> None:
    assert "b0" not in items(answered(model, {"items": ["b0"], "top": 100}))
    assert items(answered(model, {"user": "somebody new", "items": ["b0"]})) == items(
        answered(model, {"items": ["b0"]})
    )


def test_what_customers_users_did_cannot_be_asked_for_by_any_name() -> None:
    train = next(rung.train for rung in RUNGS if rung.name == "item-item.v1")
    hidden = pseudonym("cus_1", "alice")
    rows = tuple(Interaction(hidden, book, 10.0 * step, 1.0, "", "cus_1") for step, book in enumerate(BOOKS[:3]))
    learned = is_recommender(train(TrainRequest(replace(records(), interactions=records().interactions + rows))).model)
    assert hidden in learned.histories.users
    for name in ("alice", hidden, hidden.strip(), f"\t{hidden}"):
        with pytest.raises(BadInput, match="is unknown"):
            TASK.parse([{"user": name}], learned)
        beside = answered(learned, {"user": name, "items": ["b4"]})
        assert beside == answered(learned, {"items": ["b4"]})


@settings(max_examples=200, deadline=None)
@given(
    wire=st.fixed_dictionaries(
        {"items": st.lists(st.sampled_from(BOOKS), min_size=1, max_size=3)},
        optional={
            "user": st.sampled_from(["r0", "r5", "stranger"]),
            "exclude": st.lists(st.sampled_from((*BOOKS, "b9")), max_size=5),
            "available": st.lists(st.sampled_from((*BOOKS, "b9")), max_size=3),
        },
    ),
    out=st.lists(st.sampled_from(BOOKS), max_size=4),
)
def test_an_input_is_refused_exactly_when_no_item_is_left(model: Recommender, wire: Any, out: list[str]) -> None:
    amended = model.amended(out, [])
    ruled = {name: frozenset(wire[name]) for name in ("exclude", "available") if name in wire}
    ask = Ask(user=wire.get("user"), items=tuple(wire["items"]), **ruled)
    if amended.allowed(ask).any():
        assert TASK.parse([wire], amended) == [ask]
    else:
        with pytest.raises(BadInput, match="no item is left"):
            TASK.parse([wire], amended)


def test_an_ordinary_input_is_read_without_looking_at_every_item(
    model: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recommender, "allowed", lambda self, ask: pytest.fail("all items were looked at"))
    assert len(TASK.parse([{"items": ["b0"]}, {"user": "r1"}, {"user": "r0", "available": ["b3"]}] * 80, model)) == 240


def test_popular_items_are_asked_for_by_name_and_have_no_reason(model: Recommender) -> None:
    output = answered(model, {"popular": True, "top": 3})
    assert len(output["items"]) == 3 and {one["because"] for one in output["items"]} == {None}


def test_withdrawn_excluded_and_unavailable_items_never_come(model: Recommender) -> None:
    assert "b5" not in items(answered(model, {"popular": True, "top": 100}))
    assert items(answered(model, {"user": "r0", "exclude": ["b3", "never heard of"]})) == ["b4"]
    assert items(answered(model, {"user": "r0", "available": ["b3", "b0"]})) == ["b3"]
    amended = TASK.amend(model, {"unavailable": ["b4"]}) if TASK.amend else model
    assert items(answered(is_recommender(amended), {"user": "r0"})) == ["b3"]


@pytest.mark.parametrize(
    ("wire", "where", "message"),
    [
        ("r0", "", "must be an object"),
        (None, "", "must be an object"),
        ({}, "", "neither a user nor items"),
        ({"top": 3}, "", "neither a user nor items"),
        ({"user": "stranger"}, ".user", "'stranger' is unknown"),
        ({"user": None}, ".user", "must be an id"),
        ({"user": ""}, ".user", "must be an id"),
        ({"user": True}, ".user", "must be an id"),
        ({"user": 1.5}, ".user", "must be an id"),
        ({"user": ["r0"]}, ".user", "must be an id"),
        ({"user": "x" * 300}, ".user", "longer than 200"),
        ({"items": []}, ".items", "is empty"),
        ({"items": "b0"}, ".items", "must be a list"),
        ({"items": ["b0", "b99"]}, ".items[1]", "'b99' is unknown"),
        ({"items": ["b0", None]}, ".items[1]", "must be an id"),
        ({"items": ["b0"] * 1_001}, ".items", "at most 1,000"),
        ({"user": "r0", "items": ["nope"]}, ".items[0]", "'nope' is unknown"),
        ({"user": "r0", "top": 0}, ".top", "from 1 to 100"),
        ({"user": "r0", "top": True}, ".top", "from 1 to 100"),
        ({"user": "r0", "top": 2.0}, ".top", "from 1 to 100"),
        ({"user": "r0", "top": "3"}, ".top", "from 1 to 100"),
        ({"user": "r0", "exclude": {"b1": 1}}, ".exclude", "must be a list"),
        ({"user": "r0", "exclude": ["b3", "b4"]}, ".exclude", "no item is left"),
        ({"user": "r0", "available": []}, ".available", "no item is left"),
        ({"user": "r0", "available": [math.nan]}, ".available[0]", "must be an id"),
        ({"popular": False}, ".popular", "must be true"),
        ({"popular": True, "items": ["b0"]}, ".popular", "stands alone"),
        ({"usr": "r0"}, ".usr", "unknown field"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_field(
    model: Recommender, wire: Any, where: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        TASK.parse([{"user": "r0"}, wire], model)
    assert caught.value.where == f"inputs[1]{where}"
    assert caught.value.hint


def test_numbers_are_ids_too() -> None:
    train = next(rung.train for rung in RUNGS if rung.name == "popularity.v1")
    rows = tuple(Interaction(user, item, 1.0, 1.0, "") for user, item in (("1", "7"), ("2", "7"), ("2", "8")))
    model = is_recommender(train(TrainRequest(Records(rows))).model)
    assert items(answered(model, {"user": 1})) == ["8"]


def test_the_test_is_ranked_against_all_items_but_those_already_known(model: Recommender) -> None:
    test = records_of(
        [{"user": "r0", "item": "b3", "time": 30}, {"user": "r1", "item": "gone", "time": 30}], _product()
    )
    asks = TASK.inputs(test)
    assert asks[0] == Ask(user="r0", before=30)
    answers = np.zeros((2, 6), dtype=np.float32)
    answers[0, 3] = answers[1, 0] = 1.0
    answers[0, :3] = 9.0  # known already, so they are not in the way
    measured = TASK.measure(model, test, answers, 0)
    assert tuple(measured.quality) == TASK.quality
    assert measured.scores == (1.0, 0.0)
    assert measured.quality["ndcg_at_10"].value == measured.quality["hr_at_10"].value == 0.5
    assert measured.quality["coverage"].value == 0.6  # b0, b3 and b4 of five listed
    assert [section.title for section in measured.sections] == [
        "Hits by place",
        "Hits by length of history",
        "Most recommended",
        "Items that nobody took yet",
    ]


def test_a_new_item_in_the_catalogue_takes_no_place_from_those_that_are_tested(model: Recommender) -> None:
    test = records_of([{"user": "r0", "item": "b3", "time": 30}], _product())
    untaken = replace(model, counts=np.where(np.arange(6) == 4, 0, model.counts).astype(np.float32))
    answers = np.zeros((1, 6), dtype=np.float32)
    answers[0, 3:5] = 0.5, 0.9
    assert TASK.measure(model, test, answers, 0).scores[0] < 1.0
    measured = TASK.measure(untaken, test, answers, 0)
    assert measured.scores == (1.0,)
    assert measured.sections[-1].rows == (("new items", "1"), ("share of the first ten places", "50.0%"))


def test_what_a_user_does_later_is_not_seen_by_the_test(model: Recommender) -> None:
    early = records_of([{"user": "r0", "item": "b1", "time": 5}], _product())
    answers = np.full((1, 6), 0.5, dtype=np.float32)
    answers[0, 1] = 1.0  # taken at time 10, so at 5 it may still be recommended
    assert TASK.measure(model, early, answers, 0).scores == (1.0,)


def test_probes_can_be_answered_and_corrections_point_to_events(model: Recommender) -> None:
    for ask in TASK.probes(model):
        assert TASK.render(model, ask, model.predict([ask])[0])["items"]
    with pytest.raises(BadInput, match="not corrected") as caught:
        TASK.correction({"user": "r0"}, "b3")
    assert '"event"' in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"gone": []}, "amendment.gone"),
        ({"unavailable": "b1"}, "amendment.unavailable"),
        ({"items": {"item": "n1"}}, "amendment.items"),
        ({"items": [{"title": "no id"}]}, "amendment.items[0].item"),
        ({"items": [{"item": "n1", "title": 3}]}, "amendment.items[0].title"),
        ({"items": [{"item": "n1", "attributes": ["a"]}]}, "amendment.items[0].attributes"),
    ],
)
def test_an_amendment_that_means_nothing_is_refused(model: Recommender, content: Any, where: str) -> None:
    assert TASK.amend is not None
    with pytest.raises(BadInput) as caught:
        TASK.amend(model, content)
    assert caught.value.where == where


def test_new_items_of_an_amendment_join_the_next_training() -> None:
    rows = TASK.amendment_rows({"unavailable": ["b1"], "items": [{"item": "n1", "title": "New"}]})
    assert [(row["kind"], row["item"]) for row in rows] == [("item", "n1")]


def test_a_model_of_another_task_is_refused() -> None:
    with pytest.raises(Broken, match="recommends nothing"):
        TASK.parse([{"user": "r0"}], Backbone("d", 1, 1, 0.0, None, None))  # type: ignore[arg-type]


def _product() -> Any:
    return None  # rows of a version are read alike for every product
