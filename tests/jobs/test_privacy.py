"""A product that states privacy: only rungs that keep it, a gate that asks for it, trainings that are all charged."""

from __future__ import annotations

from typing import Any

import pytest
from evaluation.measured import needs
from registry.shelf import SECRET, candidate, decide

from penstock.core.errors import BadInput, Conflict
from penstock.jobs.check import check_words, ladder_of
from penstock.jobs.privacy import check_privacy, check_spending, gate_of, spent, spent_in_words
from penstock.registry import releases
from penstock.storage.engine import Store
from penstock.training.rungs import RUNGS
from penstock.workspace.records import Product, Workspace

PRICE = {"tiers": [{"unit_price": "0.1"}]}


def product(privacy: dict[str, Any] | None = None, **changes: Any) -> Product:
    options = {} if privacy is None else {"privacy": privacy}
    facts = {"task": "text-classification", "data": "x.csv", "gate": {"accuracy": ">= 0.8"}, "price": PRICE}
    return Product.model_validate({**facts, "backbone": "english", "options": options, **changes})


def workspace(sold: Product) -> Workspace:
    backbones = {"english": {"source": "package:x"}}
    shop = {"company": {"name": "Harbour AI"}, "backbones": backbones, "products": {"desk": sold.model_dump()}}
    return Workspace.model_validate({**shop, "products": {}}).model_copy(update={"products": {"desk": sold}})


def test_where_privacy_is_stated_the_ladder_and_the_gate_ask_for_it() -> None:
    sold = product({"epsilon": 4.0})
    assert ladder_of(sold) == ("private-linear.v1",)
    assert [str(one) for one in gate_of(sold)] == ["accuracy >= 0.8", "epsilon <= 4"]
    assert gate_of(product()) == product().gate


def test_a_bound_of_the_gate_s_own_stands() -> None:
    sold = product({"epsilon": 4.0}, gate={"epsilon": "<= 6"})
    assert gate_of(sold) == (needs("epsilon", "<=", 6),)


@pytest.mark.parametrize("rung", ["full.v1", "frozen-linear.v1", "ngram-linear.v1"])
def test_a_rung_without_privacy_is_refused_where_some_is_stated(rung: str) -> None:
    with pytest.raises(BadInput, match=f"{rung} keeps no privacy"):
        check_privacy(product({"epsilon": 4.0}), [rung], "--rung")
    sold = product({"epsilon": 4.0}, ladder=["private-linear.v1", rung])
    with pytest.raises(BadInput, match="keeps no privacy"):
        check_words(workspace(sold), "desk", sold)


def test_a_private_rung_without_stated_privacy_is_refused() -> None:
    with pytest.raises(BadInput, match="needs to be told what privacy it may cost"):
        check_privacy(product(ladder=["private-linear.v1"]), ["private-linear.v1"], "ladder")


def test_a_gate_that_asks_for_less_than_a_training_spends_is_refused() -> None:
    with pytest.raises(BadInput, match="none would pass") as refused:
        check_privacy(product({"epsilon": 8.0}, gate={"epsilon": "<= 3"}), [], "gate")
    assert "epsilon = 3" in refused.value.hint


@pytest.mark.parametrize(
    ("privacy", "wrong"),
    [
        ({}, "Field required"),
        ({"epsilon": 0}, "greater than 0"),
        ({"epsilon": 4.0, "delta": 0.5}, "less than or equal to 0.001"),
        ({"epsilon": 4.0, "total": 2.0}, "not one training fits"),
        ({"epsilon": 4.0, "labels": ["one"]}, "at least two labels"),
    ],
)
def test_wrong_words_are_refused(privacy: dict[str, Any], wrong: str) -> None:
    sold = product(privacy)
    with pytest.raises(BadInput, match=wrong):
        check_words(workspace(sold), "desk", sold)


def test_a_search_has_nothing_to_try_of_a_private_rung() -> None:
    assert not RUNGS["private-linear.v1"].space


def test_all_private_trainings_are_charged_and_the_total_bounds_them(store: Store) -> None:
    sold = product({"epsilon": 3.0, "total": 8.0})
    made = {"rung": "private-linear.v1", "parameters": {"epsilon": 2.9, "delta": 1e-5}}
    with store.transaction() as tx:
        check_spending(tx, "helpdesk", sold)
        first = candidate(tx, "first", **made)
        check_spending(tx, "helpdesk", sold)
        candidate(tx, "second", **made)
        candidate(tx, "no privacy")
        with pytest.raises(Conflict, match=r"have cost epsilon 5\.8; one more of 3"):
            check_spending(tx, "helpdesk", sold)
        smaller = candidate(tx, "int8 of the first", rung="int8.v1", made_from=[first.id])
        decide(tx, smaller)
        releases.release(tx, smaller.id, SECRET)
        charged = spent(tx, "helpdesk")
    assert [(one.candidate, one.epsilon, one.released) for one in charged] == [(1, 2.9, True), (2, 2.9, False)]
    assert spent_in_words(charged) == [
        "privacy spent by 2 trainings: epsilon 5.8 at delta 2e-05 together; by the 1 released: epsilon 2.9"
    ]
