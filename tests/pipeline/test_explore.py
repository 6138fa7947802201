"""Exploration: every rung and compression that the budget allows, the frontier, the choice, what a release takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline.climbing import DIAL, any_rung, at_once, company, dialled
from training.bert import write_bert

from penstock import installed
from penstock.cli.root import run
from penstock.core.errors import BadInput, Broken, Conflict
from penstock.evaluation import choice
from penstock.evaluation.intervals import Metric
from penstock.pipeline.climb import attempts
from penstock.pipeline.climb import explore as exploring
from penstock.pipeline.climb.explore import all_rungs, explore
from penstock.pipeline.climb.frontier import frontier_rows, write_frontier
from penstock.pipeline.climb.train import train
from penstock.pipeline.compress import workflow as compress
from penstock.pipeline.records import ExploreResult
from penstock.pipeline.runs.reports import passed_candidate
from penstock.registry import candidates, runs
from penstock.runtime import wire
from penstock.runtime.house import House
from penstock.runtime.progress import no_progress
from penstock.tasks.text.train import ngram_linear
from penstock.training.compress.records import CompressRequest
from penstock.training.records import Rung, Trained, TrainRequest

NGRAM = "ngram-linear.v1"
ANY = 'latency_p95_ms = "<= 100000"'


@pytest.fixture(autouse=True)
def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    any_rung(monkeypatch)
    monkeypatch.setattr(attempts, "run_child", at_once)
    monkeypatch.setattr(compress, "run_child", at_once)
    monkeypatch.setitem(installed.rungs(), DIAL, dialled())


def halfway(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dial's rung learns from labels of which 40% are wrong: worse than n-grams, better than no model."""
    learn = installed.rungs()[DIAL].train
    rung = replace(
        installed.rungs()[DIAL], train=lambda request: learn(replace(request, recipe={"wrong": 0.4, **request.recipe}))
    )
    monkeypatch.setitem(installed.rungs(), DIAL, rung)


def explored(house: House, **arguments: Any) -> dict[str, Any]:
    return explore(house, {"product": "router", "rungs": [], "budget_minutes": 60, **arguments}, no_progress)


def test_it_tries_every_rung_whatever_passes_and_chooses_by_profit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halfway(monkeypatch)
    house = company(tmp_path, ladder=f'"{DIAL}"', gate=ANY, more='error_cost = "0.03"')
    result = explored(house, rungs=[NGRAM, DIAL])
    assert [outcome["rung"] for outcome in result["outcomes"]] == [DIAL, NGRAM]  # the faster to train first
    assert all(outcome["passed"] for outcome in result["outcomes"])
    assert result["choice"]["rule"] == "profit"
    (chosen,) = [row for row in frontier_rows(wire.read(ExploreResult, result).points) if row["chosen"]]
    assert chosen["rung"] == NGRAM and chosen["frontier"] == "yes"
    assert float(chosen["profit/1000"].split()[0]) > 45

    page, chart = write_frontier(house, "router", wire.read(ExploreResult, result), tmp_path / "out.html")
    assert "Chosen: 2 ngram-linear.v1" in page.read_text() and chart.read_text().startswith("<svg")
    with house.store.read() as tx:
        found, why = passed_candidate(house, tx, "router", None)
    assert found.rung == NGRAM and "expected profit" in why


def test_the_command_draws_the_frontier_and_says_what_it_chose_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    company(tmp_path, gate=ANY, more='error_cost = "0.03"').close()
    words = ["train", "router", "--explore", "--rung", NGRAM, "--rung", DIAL, "--html", str(tmp_path / "out.html")]
    assert run(["--workspace", str(tmp_path), *words]) == 0
    told = capsys.readouterr()
    assert "profit/1000" in told.out and "frontier" in told.out
    said = " ".join(told.err.split())
    assert "chosen: candidate 2: it brings the highest expected profit" in said and "runs show router/2" in said
    assert "Chosen: 2 ngram-linear.v1" in (tmp_path / "out.html").read_text()
    assert (tmp_path / "out.svg").read_text().startswith("<svg")


def test_a_release_takes_the_chosen_of_the_newest_exploration_not_the_newest_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halfway(monkeypatch)
    house = company(tmp_path, ladder=f'"{NGRAM}", "{DIAL}"', gate=ANY, more="within = 0.01")
    train(house, {"product": "router", "rungs": [DIAL]}, no_progress)  # not explored together with the others
    explored(house, rungs=[DIAL, NGRAM])
    with house.store.read() as tx:
        passed = candidates.list_candidates(tx, "router")
        found, why = passed_candidate(house, tx, "router", None)
    assert sorted(one.rung for one in passed) == [DIAL, DIAL, NGRAM]
    assert found.rung == NGRAM and "within 0.01" in why

    train(house, {"product": "router", "rungs": [DIAL]}, no_progress)
    with house.store.read() as tx:
        found, why = passed_candidate(house, tx, "router", None)
        named, _ = passed_candidate(house, tx, "router", "1")
    assert (found.number, why) == (4, "is the newest that passed")  # trained on purpose after the exploration
    assert named.number == 1


def test_what_fails_or_has_no_time_left_is_told_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(request: Any) -> Any:
        raise Broken("the loss is not finite at step 7")

    monkeypatch.setitem(installed.rungs(), "broken.v1", Rung("broken.v1", broken, minutes=0.01))
    monkeypatch.setitem(installed.rungs(), "long.v1", Rung("long.v1", ngram_linear.train, minutes=1e6))
    house = company(tmp_path)
    result = explored(house, rungs=["long.v1", "broken.v1", NGRAM])
    assert [outcome["rung"] for outcome in result["outcomes"]] == [NGRAM]
    why = {each["rung"]: each["why"] for each in result["not_tried"]}
    assert "not finite at step 7" in why["broken.v1"] and "of the budget are left" in why["long.v1"]
    with house.store.read() as tx:
        states = {run.rung: run.state for run in runs.list_runs(tx, "router")}
    assert states == {"broken.v1": "failed", NGRAM: "done"}


def test_when_nothing_can_be_trained_the_first_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(request: Any) -> Any:
        raise Broken("the loss is not finite at step 7")

    monkeypatch.setitem(installed.rungs(), "broken.v1", Rung("broken.v1", broken, minutes=0.01))
    with pytest.raises(Broken, match="step 7"):
        explored(company(tmp_path), rungs=["broken.v1"])


def test_the_test_splits_uses_bound_an_exploration(tmp_path: Path) -> None:
    house = company(tmp_path, more="most_test_uses = 1")
    result = explored(house, rungs=[DIAL, NGRAM])
    assert len(result["outcomes"]) == 1
    assert "may judge 1" in result["not_tried"][0]["why"]


def test_all_rungs_are_the_tasks_and_those_that_the_ladder_adds(tmp_path: Path) -> None:
    house = company(tmp_path, ladder=f'"{DIAL}"')
    product = house.workspace.products["router"]
    found = all_rungs(product)
    assert NGRAM in found and DIAL in found
    assert not any(installed.rungs()[rung].needs_backbone for rung in found)  # the product names none
    with_backbone = all_rungs(product.model_copy(update={"backbone": "english"}))
    assert "frozen-linear.v1" in with_backbone


def test_a_page_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    house = company(tmp_path)
    result = explored(house, rungs=[NGRAM])
    with pytest.raises(BadInput, match="cannot write here") as refused:
        write_frontier(house, "router", wire.read(ExploreResult, result), tmp_path / "no" / "such" / "folder.html")
    assert "--html" in (refused.value.hint or "")


def cheaper(request: CompressRequest) -> Trained:
    """n-grams once more, in place of what makes an encoder cheaper."""
    return ngram_linear.train(TrainRequest(request.train, seed=request.seed))


@pytest.fixture
def as_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """n-grams can be made cheaper here, within a second."""
    monkeypatch.setattr(exploring, "_ENCODERS", ("ngram-linear.v1",))
    for name, compression in list(installed.compressions().items()):
        monkeypatch.setitem(installed.compressions(), name, replace(compression, compress=cheaper))


def made(result: dict[str, Any]) -> list[str]:
    """What came of an exploration, in its order, as the table names it."""
    named = {row["candidate"]: row["rung"] for row in frontier_rows(wire.read(ExploreResult, result).points)}
    return [named[outcome["number"]] for outcome in result["outcomes"]]


def test_int8_follows_at_once_and_the_best_is_distilled_and_pruned(tmp_path: Path, as_encoders: None) -> None:
    result = explored(company(tmp_path, gate=ANY), rungs=[NGRAM, DIAL])
    assert made(result)[:4] == [DIAL, "int8.v1 of 1", NGRAM, "int8.v1 of 3"]
    rest = made(result)[4:]
    expected = ["distil.v1 student=static of 3", "distil.v1 of 3", "prune.v1 of 3"]
    assert [name for name in rest if not name.startswith(("int8", "cascade"))] == expected
    assert "int8.v1 of 5" in rest and result["not_tried"] == []


def test_a_better_base_comes_before_the_compressions_of_a_weak_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_encoders: None
) -> None:
    """A rung of 9 of the 10 minutes: it is trained first, and compressed with what is left."""
    dear = Rung("dear.v1", ngram_linear.train, minutes=87)  # for 10,000 rows; so few count as 1,000
    monkeypatch.setitem(installed.rungs(), "dear.v1", dear)
    result = explored(company(tmp_path, gate=ANY), rungs=["dear.v1", NGRAM], budget_minutes=10)
    assert made(result)[:3] == [NGRAM, "dear.v1", "int8.v1 of 1"]


def test_a_cheap_rung_waits_for_a_dear_one_that_would_not_fit_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_encoders: None
) -> None:
    for name, minutes in (("middle.v1", 30), ("dear.v1", 80)):
        monkeypatch.setitem(installed.rungs(), name, Rung(name, ngram_linear.train, minutes=minutes))
    names = made(explored(company(tmp_path, gate=ANY), rungs=[NGRAM, "middle.v1", "dear.v1"], budget_minutes=10))
    assert names[:2] == [NGRAM, "dear.v1"] and names.index("prune.v1 of 1") < names.index("middle.v1")


def test_a_rung_hardly_dearer_than_the_base_leaves_time_for_compressions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_encoders: None
) -> None:
    for name, minutes in (("base.v1", 15), ("dear.v1", 28)):
        monkeypatch.setitem(installed.rungs(), name, Rung(name, ngram_linear.train, minutes=minutes))
    for name, compression in list(installed.compressions().items()):
        monkeypatch.setitem(installed.compressions(), name, replace(compression, minutes=8))
    monkeypatch.setattr(exploring, "KEPT_SHARE", 0.8)
    names = made(explored(company(tmp_path, gate=ANY), rungs=["base.v1", "dear.v1"], budget_minutes=5))
    assert names[0] == "base.v1" and names.index("prune.v1 of 1") < names.index("dear.v1")
    after = names[names.index("dear.v1") + 1 :]
    assert any(name.startswith("int8.v1") for name in after)


def test_a_rung_alone_in_its_budget_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_encoders: None
) -> None:
    monkeypatch.setitem(installed.rungs(), "dear.v1", Rung("dear.v1", ngram_linear.train, minutes=87))
    result = explored(company(tmp_path, gate=ANY), rungs=["dear.v1"], budget_minutes=10)
    assert made(result)[:2] == ["dear.v1", "int8.v1 of 1"]


@pytest.mark.parametrize(("minutes", "name"), [(60, "cascade.v1"), (30, "cascade.v1 dear=right")])
def test_a_cascade_comes_before_longer_work_and_trains_no_half_that_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_encoders: None, minutes: float, name: str
) -> None:
    def slow(module: str, job: str, arguments: dict[str, Any], progress: Any = no_progress, **_: Any) -> dict[str, Any]:
        answer = at_once(module, job, arguments, progress)
        return {**answer, "seconds": 3600.0} if arguments.get("at", {}).get("rung") == NGRAM else answer

    monkeypatch.setattr(attempts, "run_child", slow)  # n-grams tell that they took an hour, most of which is needed
    costs = {DIAL: 0.1, NGRAM: 1.0}
    monkeypatch.setattr(choice, "GOOD_ENOUGH", 1.0)
    monkeypatch.setattr(exploring, "_figures", lambda _, one: (certain(costs.get(one.rung, 0.5)),) * 2)
    result = explored(company(tmp_path, gate=ANY), rungs=[NGRAM, DIAL], budget_minutes=minutes)
    names = made(result)
    assert names[4] == f"{name} of 1 and 3" and "distil.v1 student=static of 3" in names[5:]
    assert sum("cascade" in each for each in names) == 1


def test_a_second_cascade_has_time_since_the_halves_of_the_first_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_encoders: None
) -> None:
    """Of 72 minutes n-grams take 30, and training them once more for a cascade 20. What is distilled of them costs less
    and becomes the dear half of a second cascade; pruning comes after that."""
    folders: list[str] = []

    def slow(module: str, job: str, arguments: dict[str, Any], progress: Any = no_progress, **_: Any) -> dict[str, Any]:
        folders.extend(filter(None, [arguments.get("stand_ins")]))
        for each in folders:
            Path(each).mkdir(parents=True, exist_ok=True)
        answer = at_once(module, job, arguments, progress)
        done = arguments.get("at", arguments).get("rung") or arguments.get("by", "")
        seconds = {NGRAM: 1800.0, "cascade.v1": 1200.0}.get(done, 1.0)
        return {**answer, "seconds": seconds, "before_s": seconds}

    monkeypatch.setattr(attempts, "run_child", slow)
    monkeypatch.setattr(compress, "run_child", slow)
    figures = {DIAL: (0.95, 0.1), NGRAM: (1.0, 1.0), "distil.v1": (0.999, 0.8)}
    monkeypatch.setattr(exploring, "_figures", lambda _, one: [*map(certain, figures.get(one.rung, (0.5, 2.0)))])
    names = made(explored(company(tmp_path, gate=ANY), rungs=[NGRAM, DIAL], budget_minutes=72))
    cascades = [name for name in names if name.startswith("cascade")]
    assert len(cascades) == 2 and not any("dear=right" in name for name in cascades)
    assert names.index(cascades[1]) < names.index("prune.v1 of 3")
    assert len(set(folders)) == 1 and not Path(folders[0]).exists()


def test_a_cascade_that_was_refused_is_not_tried_again_with_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_encoders: None
) -> None:
    """Its halves stand, so that the next one is charged no training of theirs."""

    def useless(request: CompressRequest) -> Trained:
        raise Conflict("a cascade would save nothing")

    asked: list[list[str]] = []

    def watched(exploration: Any, idea: Any) -> list[Any]:
        found = again(exploration, idea)
        asked.append([one.candidate for one in found if one.candidate not in exploration.standing])
        return found

    again = exploring._again
    monkeypatch.setattr(exploring, "_again", watched)
    named = installed.compressions()["cascade.v1"]
    monkeypatch.setitem(installed.compressions(), "cascade.v1", replace(named, compress=useless))
    figures = {DIAL: (0.95, 0.1), NGRAM: (1.0, 1.0)}
    monkeypatch.setattr(exploring, "_figures", lambda _, one: [*map(certain, figures.get(one.rung, (0.5, 2.0)))])
    result = explored(company(tmp_path, gate=ANY), rungs=[NGRAM, DIAL])
    assert [each["rung"] for each in result["not_tried"]] == ["cascade.v1 of 1 and 3"]
    first, *_, last = [each for each in asked if each] or [[]]
    assert len(first) == 2 and len(asked[-1]) == 0 and last == first


def test_no_lesser_cascade_of_a_pair_that_was_made_is_named_when_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_encoders: None
) -> None:
    def slow(module: str, job: str, arguments: dict[str, Any], progress: Any = no_progress, **_: Any) -> dict[str, Any]:
        answer = at_once(module, job, arguments, progress)
        return {**answer, "before_s": 3600.0} if arguments.get("by") == "cascade.v1" else answer

    monkeypatch.setattr(compress, "run_child", slow)
    figures = {DIAL: (0.95, 0.1), NGRAM: (1.0, 1.0)}
    monkeypatch.setattr(exploring, "_figures", lambda _, one: [*map(certain, figures.get(one.rung, (0.5, 2.0)))])
    result = explored(company(tmp_path, gate=ANY), rungs=[NGRAM, DIAL])
    assert "cascade.v1 of 1 and 3" in made(result)
    assert result["not_tried"] and not any("dear=right" in each["rung"] for each in result["not_tried"])


def certain(value: float) -> Metric:
    return Metric(value, value, value)


def test_an_encoder_is_made_cheaper_and_joins_a_cascade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, compression in list(installed.compressions().items()):
        monkeypatch.setitem(installed.compressions(), name, replace(compression, minutes=0.1))
    write_bert(tmp_path / "tiny-bert")
    tail = '[backbones.tiny]\nsource = "path:tiny-bert"\n'
    house = company(tmp_path, gate=ANY, more='backbone = "tiny"', tail=tail)
    result = explored(house, rungs=[NGRAM, "frozen-linear.v1"])
    assert made(result)[:3] == [NGRAM, "frozen-linear.v1", "int8.v1 of 2"]
    tried = {*made(result), *(each["rung"] for each in result["not_tried"])}
    assert {"prune.v1 of 2", "distil.v1 of 2"} <= tried
    assert "distil.v1 student=static of 2" not in tried  # a frozen model's is no better than the rung static.v1
    with house.store.read() as tx:
        sources = {one.number: one.made_from for one in candidates.list_candidates(tx, "router")}
        first = candidates.find_candidate(tx, "router", "2")
    assert sources[3] == (first.id,)
