"""Nobody is offered what they took, also what the test holds back; and ids decide nothing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.errors import BadInput
from penstock.models.protocol import Parts
from penstock.tasks.recommendation.data.preparing import prepare, records_of
from penstock.tasks.recommendation.model.files import open_parts, to_files
from penstock.tasks.recommendation.model.recommender import Recommender, is_recommender
from penstock.tasks.recommendation.task import TASK
from penstock.tasks.recommendation.train import RUNGS
from penstock.training.records import TrainRequest
from penstock.workspace.records import Product

PRICE: dict[str, Any] = {"tiers": [{"unit_price": "0.001"}]}


def trained(folder: Path, lines: list[str], rung: str = "item-item.v1", **options: Any) -> tuple[Recommender, Any, Any]:
    """The model of a log of user,item,time,weight, with the product's train and test."""
    (folder / "log.csv").write_text("user,item,time,weight\n" + "\n".join(lines))
    product = Product(task="recommendation", data="log.csv", gate={}, price=PRICE, options=options)  # type: ignore[arg-type]
    found = prepare(product, folder)
    train, test = records_of(found.train, product), records_of(found.test, product)
    made = next(one for one in RUNGS if one.name == rung).train(TrainRequest(train, options=options))
    return is_recommender(made.model), train, test


def log(users: int = 40, items: int = 30, each: int = 8, seed: int = 0, rename: Any = str) -> list[str]:
    chance = random.Random(seed)
    rows = []
    for user in range(users):
        for at, item in enumerate(chance.sample(range(items), each)):
            rows.append(f"u{user},{rename(item)},{at},{chance.choice([1, 4, 5])}")
    return rows


def offered(model: Recommender, user: str) -> set[str]:
    wire = {"user": user, "top": 100}
    (ask,) = TASK.parse([wire], model)
    return {each["item"] for each in TASK.render(model, ask, model.predict([ask])[0])["items"]}


@pytest.mark.parametrize("options", [{}, {"leave_last": 3}, {"split_date": "1970-01-01T00:00:05"}, {"min_weight": 3.5}])
@pytest.mark.parametrize("rung", ["popularity.v1", "item-item.v1", "sequence-ease.v1"])
def test_a_user_is_never_offered_what_it_took(tmp_path: Path, rung: str, options: dict[str, Any]) -> None:
    lines = log()
    model, _, _ = trained(tmp_path, lines, rung, **options)
    names = set(model.labels)
    for user in list(model.histories.users):
        took = {line.split(",")[1] for line in lines if line.startswith(f"{user},")} & names
        assert not offered(model, user) & took
        assert offered(model, user) == names - took


def test_what_is_tested_is_known_from_its_time_on_only(tmp_path: Path) -> None:
    model, _, test = trained(tmp_path, log(), leave_last=3)
    for row, ask in zip(test.interactions, TASK.inputs(test), strict=True):
        mask = model.allowed(ask)
        assert mask[model.places[row.item]]  # or no test could ask for it
        earlier = [r.item for r in test.interactions if r.user == row.user and r.time < row.time]
        assert not mask[[model.places[item] for item in earlier]].any()


def test_an_artifact_keeps_what_users_took_and_older_ones_answer_as_before(tmp_path: Path) -> None:
    model, _, _ = trained(tmp_path, log())
    files = to_files(model)
    settings = {"kind": model.kind, "decay": model.decay, "top": model.top}
    again = open_parts(Parts(model.labels, settings, files.__getitem__, "here"))
    assert offered(again, "u3") == offered(model, "u3")
    older = to_files(Recommender(**{**_fields(model), "taken": None}))
    before = open_parts(Parts(model.labels, settings, older.__getitem__, "here"))
    assert offered(before, "u3") > offered(model, "u3")


def _fields(model: Recommender) -> dict[str, Any]:
    return {name: getattr(model, name) for name in Recommender.__dataclass_fields__}


def test_where_repeats_make_sense_what_was_taken_comes_again(tmp_path: Path) -> None:
    lines = [f"u{user},i{(user + at) % 4},{10 * at},1" for user in range(40) for at in range(9)]
    model, _, test = trained(tmp_path, lines, repeats=True)
    assert len(test.interactions) == 40
    assert offered(model, "u1") == {"i0", "i1", "i2", "i3"}
    assert all(model.allowed(ask).all() for ask in TASK.inputs(test))
    without = [line for line in lines if not line.startswith("u1,") or line.endswith("0,1")]
    with pytest.raises(BadInput, match="no item is left"):
        offered(trained(tmp_path, without)[0], "u1")


def measured(folder: Path, lines: list[str], rung: str) -> dict[str, Any]:
    model, _, test = trained(folder, lines, rung)
    return dict(TASK.measure(model, test, model.predict(TASK.inputs(test)), 0).quality)


def test_the_names_of_items_change_no_figure(tmp_path: Path) -> None:
    """Every popularity is the same, so equal scores are all there is; ids sorted either way used to tell the winner."""
    rows = [f"u{user},{{{(user + 7 * at) % 30}}},{at},1" for user in range(30) for at in range(5)]
    up = [line.format(*range(100, 130)) for line in rows]
    down = [line.format(*range(130, 100, -1)) for line in rows]
    one, other = (measured(tmp_path, lines, "popularity.v1") for lines in (up, down))
    for name in ("ndcg_at_10", "hr_at_10"):
        assert one[name].value == pytest.approx(other[name].value)
    assert one["hr_at_10"].high - one["hr_at_10"].low > 0.05  # what the ties decide is part of it


def test_which_of_a_moment_is_tested_is_drawn_by_lot(tmp_path: Path) -> None:
    """With days for times all of a day are level; the last id is no more likely to be the test than another."""
    lines = [f"u{user},{item},7,1" for user in range(200) for item in range(10, 20)]
    _, _, test = trained(tmp_path, lines, "popularity.v1")
    counts = np.bincount([int(row.item) - 10 for row in test.interactions], minlength=10)
    assert counts.sum() == 200
    assert counts.max() < 45 and counts.min() > 5


def test_equal_scores_are_not_listed_in_the_order_of_ids(tmp_path: Path) -> None:
    model, _, _ = trained(tmp_path, log())
    order = model.best(np.zeros(len(model.labels), dtype=np.float32), 30).tolist()
    assert sorted(order) == list(range(30))
    assert order not in (list(range(30)), list(range(29, -1, -1)))
