"""A product that states privacy: only rungs that keep it, a gate that asks for it, trainings that are all charged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation.measured import needs
from pipeline.climbing import at_once, company
from registry.shelf import SECRET, candidate, decide
from training.bert import write_bert

from penstock import installed
from penstock.core.errors import BadInput, Conflict
from penstock.pipeline.check import check_words, ladder_of
from penstock.pipeline.climb import attempts
from penstock.pipeline.climb.explore import explore
from penstock.pipeline.climb.train import retrain
from penstock.pipeline.compress import workflow as compress
from penstock.pipeline.compress.workflow import compress_step, plan, recompress
from penstock.pipeline.privacy.stated import check_privacy, check_spending, gate_of, spent, spent_in_words
from penstock.pipeline.records import MadeVersion
from penstock.registry import releases
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import no_progress
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.training.records import Trained, TrainRequest
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
    with pytest.raises(BadInput, match=f"{rung} is not differentially private"):
        check_privacy(product({"epsilon": 4.0}), [rung], "--rung")
    sold = product({"epsilon": 4.0}, ladder=["private-linear.v1", rung])
    with pytest.raises(BadInput, match="is not differentially private"):
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
    assert not installed.rungs()["private-linear.v1"].space


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


@pytest.mark.parametrize("by", ["prune.v1", "distil.v1", "cascade.v1"])
def test_a_compression_that_learns_from_rows_is_refused_where_privacy_is_stated(
    store: Store, blobs: BlobStore, by: str
) -> None:
    house = House(workspace(product({"epsilon": 4.0})), store, blobs, "")
    with store.transaction() as tx:
        source = candidate(tx, product="desk", rung="private-linear.v1")
        made = candidate(tx, "made before", product="desk", rung=by, made_from=[source.id])
    with pytest.raises(BadInput, match=f"{by} learns from the rows again") as refused:
        plan(house, source.id, by=by)
    assert "allowed: int8.v1" in (refused.value.hint or "")
    work = attempts.Work(house, "desk", MadeVersion(version=1, id="v", learned=0, rows=9), "run-1", no_progress)
    with pytest.raises(BadInput, match="learns from the rows again"):
        compress_step(work, by, [source.id])
    with pytest.raises(BadInput, match="learns from the rows again"):
        recompress(work, made.id)  # before its source would be trained
    assert plan(house, source.id, by="int8").by == "int8.v1"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_live_model_from_before_privacy_was_stated_is_not_retrained(
    store: Store, blobs: BlobStore, compressed: bool
) -> None:
    house = House(workspace(product({"epsilon": 4.0}, backbone=None)), store, blobs, "")
    with store.transaction() as tx:
        live = candidate(tx, product="desk", rung="ngram-linear.v1")
        if compressed:
            live = candidate(tx, "smaller", product="desk", rung="int8.v1", made_from=[live.id])
        decide(tx, live)
        releases.release(tx, live.id, SECRET)
    with pytest.raises(Conflict, match=r"ngram-linear\.v1, by which the live model of desk was trained") as refused:
        retrain(house, {"product": "desk"}, no_progress)
    assert "penstock train desk" in refused.value.hint


def test_an_exploration_under_privacy_only_rounds_and_tells_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def charged(request: TrainRequest) -> Trained:  # opacus takes longer to load than all else here
        trained = installed.rungs()["frozen-linear.v1"].train(request)
        return replace(trained, parameters={"epsilon": 8.0, "delta": 1e-5})

    monkeypatch.setitem(
        installed.rungs(), "private-linear.v1", replace(installed.rungs()["private-linear.v1"], train=charged)
    )
    monkeypatch.setattr(attempts, "run_child", at_once)
    monkeypatch.setattr(compress, "run_child", at_once)
    write_bert(tmp_path / "tiny-bert")
    tail = '[backbones.tiny]\nsource = "path:tiny-bert"\n'
    company(tmp_path, ladder='"private-linear.v1"', more='backbone = "tiny"', tail=tail).close()
    toml = tmp_path / "penstock.toml"
    privacy = "privacy = { epsilon = 8.0, total = 8.0 }"  # one training; int8 costs nothing
    toml.write_text(toml.read_text().replace("robust_rows = 0", f"robust_rows = 0, {privacy}"))
    house = open_house(tmp_path, create=True)
    result = explore(house, {"product": "router", "rungs": [], "budget_minutes": 60}, no_progress)
    why = {each["rung"]: each["why"] for each in result["not_tried"]}
    for name in ("prune.v1 of 1", "distil.v1 of 1"):
        assert "learns from the rows again" in why[name]
    assert [one["rung"] for one in result["outcomes"]] == ["private-linear.v1", "int8.v1"], why
