"""The climb within a budget: a refused rung's recipe is searched on held-out training rows, and judged once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline.climbing import DIAL, any_rung, at_once, company, dial, dialled
from registry.shelf import candidate

from penstock import installed
from penstock.cli.root import run
from penstock.core.errors import BadInput, Broken, Conflict, GateRefused, OutOfTime
from penstock.pipeline.check import check_workspace
from penstock.pipeline.climb import attempts, judging
from penstock.pipeline.climb.climbing import minutes_for
from penstock.pipeline.climb.train import gate_refused, train
from penstock.pipeline.compress.workflow import recompress
from penstock.pipeline.records import MadeVersion, TrainResult
from penstock.pipeline.runs.candidate_list import list_judged
from penstock.registry import candidates, decisions, runs
from penstock.runtime import ray_cluster, wire
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import no_progress
from penstock.training import search as searching
from penstock.training.records import Range, Trained, TrainRequest
from penstock.training.search import Trial, hold_out, search
from penstock.workspace.records import Costs


@pytest.fixture(autouse=True)
def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    any_rung(monkeypatch)
    monkeypatch.setattr(attempts, "run_child", at_once)
    monkeypatch.setattr(searching, "MOST_TRIALS", 8)  # a machine's speed must not decide how many there are
    monkeypatch.setitem(installed.rungs(), DIAL, dialled())


def climbed(house: House, **arguments: Any) -> dict[str, Any]:
    return train(house, {"product": "router", "rungs": [], **arguments}, no_progress)


def refused_of(result: dict[str, Any]) -> GateRefused:
    told = wire.read(TrainResult, result)
    return gate_refused("router", told.outcomes, told.not_tried, told.advice)


def all_runs(house: House, kind: runs.Kind | None = None) -> list[runs.Run]:
    with house.store.read() as tx:
        return runs.list_runs(tx, "router", kind=kind, limit=500)


def test_a_refused_recipe_is_searched_and_the_best_found_passes(tmp_path: Path) -> None:
    house = company(tmp_path, ladder=f'"{DIAL}"')
    result = climbed(house, budget_minutes=60)
    first, tuned = result["outcomes"]
    assert not first["passed"] and tuned["passed"]
    assert first["search"]["best"] > first["search"]["own"]
    with house.store.read() as tx:
        made = candidates.get_candidate(tx, tuned["candidate"])
        assert len(decisions.list_decisions(tx, "router")) == 2  # the test split judged two, not every trial
    assert made.parameters["searched"] == first["search"]["parameters"]
    assert made.parameters["wrong"] == made.parameters["searched"]["wrong"] < 0.6
    trials = all_runs(house, "trial")
    assert len(trials) == first["search"]["trials"] == 8
    assert all(run.candidate is None for run in trials)
    done = [run for run in trials if run.state == "done"]
    assert {next(iter(run.metrics)) for run in done} == {"accuracy"}
    assert next(run for run in all_runs(house, "train") if run.candidate == made.id).curves_blob is not None


def test_a_training_within_a_budget_is_told_when_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was expected of a rung may be wrong: the training itself keeps the time too, the search's best included."""
    left: list[float] = []

    def watched(request: TrainRequest) -> Trained:
        left.append(request.until - time.perf_counter())
        return dial(request)

    monkeypatch.setitem(installed.rungs(), DIAL, replace(dialled(), train=watched))
    house = company(tmp_path, ladder=f'"{DIAL}"')
    climbed(house, budget_minutes=2)
    first, last = left[0], left[-1]
    assert 60 < first < 120 - attempts.OVERHEAD_S and last < first
    left.clear()
    climbed(house)
    assert left == [math.inf]


def test_a_trial_learns_as_the_model_of_all_rows_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a rung whose recipe follows the number of rows would be searched around another recipe than it serves."""
    asked: list[TrainRequest] = []

    def watched(request: TrainRequest) -> Trained:
        asked.append(request)
        return dial(request)

    monkeypatch.setitem(installed.rungs(), DIAL, replace(dialled(), train=watched))
    climbed(company(tmp_path, ladder=f'"{DIAL}"'), budget_minutes=60)
    whole, *trials, again = asked
    assert whole.stands_for is None and again.stands_for is None
    assert all(len(each.train) < len(whole.train) for each in trials)
    assert {each.stands_for for each in trials} == {len(whole.train)}


def test_a_later_command_goes_on_from_the_trials_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_TRIALS", 3)
    house = company(tmp_path, ladder=f'"{DIAL}"', gate='accuracy = ">= 0.60", ece = "<= 0.000001"')
    first = climbed(house, budget_minutes=60)["outcomes"][0]["search"]
    monkeypatch.setattr(searching, "MOST_TRIALS", 5)
    again = climbed(house, budget_minutes=60)["outcomes"][0]["search"]
    assert (first["trials"], again["trials"]) == (3, 5)
    tried = [run.parameters["tried"] for run in all_runs(house, "trial")]
    assert len(tried) == 5 == len({str(each) for each in tried})  # none was tried twice


def test_without_a_budget_nothing_is_searched(tmp_path: Path) -> None:
    house = company(tmp_path, ladder=f'"{DIAL}", "ngram-linear.v1"')
    result = climbed(house)
    assert [outcome["passed"] for outcome in result["outcomes"]] == [False, True]
    assert all_runs(house, "trial") == []
    assert [run.rung for run in all_runs(house)] == ["ngram-linear.v1", DIAL]


def test_a_model_too_dear_is_not_searched(tmp_path: Path) -> None:
    house = company(tmp_path, ladder=f'"{DIAL}"', gate='accuracy = ">= 0.60", cost_per_1000 = "<= 0.000000001"')
    result = climbed(house, budget_minutes=60)
    assert all_runs(house, "trial") == []  # no recipe makes it cheaper
    assert "search" not in result["outcomes"][0]


def test_a_recipe_set_by_hand_is_not_searched_over(tmp_path: Path) -> None:
    house = company(tmp_path, ladder=f'"{DIAL}"')
    text = (tmp_path / "penstock.toml").read_text()
    fixed = text.replace("robust_rows = 0", f'robust_rows = 0, recipes = {{ "{DIAL}" = {{ wrong = 0.05 }} }}')
    (tmp_path / "penstock.toml").write_text(fixed)
    house = open_house(tmp_path, create=True)
    result = climbed(house, budget_minutes=60)
    assert [outcome["passed"] for outcome in result["outcomes"]] == [True]
    assert all_runs(house)[0].parameters["wrong"] == 0.05


def test_a_rung_that_cannot_end_in_what_is_left_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(installed.rungs(), "long.v1", replace(dialled(), name="long.v1", minutes=1_000_000))
    house = company(tmp_path, ladder=f'"{DIAL}", "long.v1"', gate='accuracy = ">= 0.60", ece = "<= 0.000001"')
    result = climbed(house, budget_minutes=60)
    assert {outcome["rung"] for outcome in result["outcomes"]} == {DIAL}
    assert result["outcomes"][0]["search"]["trials"] == 8  # no time is kept for a rung that will not be begun
    assert result["not_tried"][0]["rung"] == "long.v1"
    assert "of the budget are left" in result["not_tried"][0]["why"]
    assert "long.v1 was not tried" in refused_of(result).message


def test_the_time_that_measuring_takes_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_to_measure(module: str, job: str, arguments: dict[str, Any], progress: Any, **_: Any) -> dict[str, Any]:
        answer = at_once(module, job, arguments, progress)
        return {**answer, "measuring_s": 3600.0} if job == "train-rung" else answer

    monkeypatch.setattr(attempts, "run_child", slow_to_measure)
    house = company(tmp_path, ladder=f'"{DIAL}", "ngram-linear.v1"')
    result = climbed(house, budget_minutes=60)
    assert [outcome["rung"] for outcome in result["outcomes"]] == [DIAL]
    assert result["outcomes"][0]["search"]["trials"] == 0  # the best found could not be measured in time
    assert "ngram-linear.v1: takes about 60." in f"{result['not_tried'][0]['rung']}: {result['not_tried'][0]['why']}"


def test_a_training_without_steps_is_ended_when_the_budget_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def endless(module: str, job: str, arguments: dict[str, Any], progress: Any, *, seconds: float = 0.0) -> Any:
        if job != "train-rung":
            return at_once(module, job, arguments, progress)
        given.append(seconds)
        raise OutOfTime(f"stopped after {seconds:,.0f} s: its time was over")

    monkeypatch.setattr(attempts, "run_child", endless)
    house = company(tmp_path, ladder=f'"{DIAL}", "ngram-linear.v1"')
    with pytest.raises(OutOfTime, match=f"{DIAL} was stopped after .* its time was over") as refused:
        climbed(house, budget_minutes=2)
    assert "give more minutes" in str(refused.value.hint)
    assert len(given) == 1 and 110 < given[0] <= 132  # two minutes and a tenth, less the cleaning
    [failed] = all_runs(house)
    assert failed.state == "failed" and "its time was over" in str(failed.error)


def test_the_first_rung_too_is_not_begun_when_it_cannot_end_in_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(installed.rungs(), DIAL, replace(installed.rungs()[DIAL], minutes=10_000.0))
    house = company(tmp_path, ladder=f'"{DIAL}", "ngram-linear.v1"', gate='accuracy = ">= 0.60"')
    result = climbed(house, budget_minutes=5)
    assert [each["rung"] for each in result["outcomes"]] == ["ngram-linear.v1"]
    assert [each["rung"] for each in result["not_tried"]] == [DIAL]


@pytest.mark.parametrize(
    ("minutes", "says"),
    [(0, "no number of minutes"), (-3, "no number"), (float("nan"), "no number"), (0.0001, "are too few")],
)
def test_an_impossible_budget_is_refused(tmp_path: Path, minutes: float, says: str) -> None:
    house = company(tmp_path)
    with pytest.raises(BadInput, match=says) as refused:
        climbed(house, budget_minutes=minutes)
    assert refused.value.where in ("--budget-minutes", "the budget")
    assert all_runs(house) == []


@pytest.mark.parametrize(("money", "cores", "minutes"), [("0.04", 1, 60), ("0.04", 2, 30), ("0.001", 3, 0.5)])
def test_money_buys_minutes_of_all_cores(money: str, cores: int, minutes: float) -> None:
    assert minutes_for(money, Costs(), cores=cores) == pytest.approx(minutes)


def test_a_gpu_shortens_what_money_buys_and_is_named_and_priced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine with one: torch is asked whether it was used."""
    assert minutes_for("5.16", Costs(), cores=2, gpus=1) == pytest.approx(120)
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    monkeypatch.setattr(attempts, "run_child", lambda *asked, **_: {**at_once(*asked), "cpu_s": 0.0, "seconds": 3600.0})
    house = company(tmp_path)
    climbed(house)
    (run,) = all_runs(house)
    assert run.machine["gpu"] == "H200"
    assert run.cost == Costs().gpu_hour


@pytest.mark.parametrize("money", ["", "much", "0", "-2", "NaN", "Infinity", "1e400", "1e999999", "0.0000000001"])
def test_what_is_no_amount_of_money_is_refused(money: str) -> None:
    with pytest.raises(BadInput, match=r"not a decimal number|more than 9 decimals|no budget"):
        minutes_for(money, Costs(), cores=2)


def test_money_bounds_nothing_where_cores_are_free() -> None:
    with pytest.raises(BadInput, match="bounds nothing") as refused:
        minutes_for("5", Costs.model_validate({"cpu_core_hour": "0"}), cores=2)
    assert "--budget-minutes" in (refused.value.hint or "")


@pytest.mark.parametrize("more", [["--budget-minutes", "90"], ["--explore"]])
def test_the_command_says_how_long_its_money_lasts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    company(tmp_path).close()
    assert run(["--workspace", str(tmp_path), "train", "router", "--budget-money", "0.00001", *more]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "0.00001 USD buy" in told and "at 0.04 an hour each" in told and "minutes are too few" in told


def test_a_gate_that_no_model_can_pass_is_refused_before_training(tmp_path: Path) -> None:
    house = company(tmp_path, gate='accuracy = ">= 1.01"')
    with pytest.raises(BadInput, match="never above 1") as refused:
        climbed(house)
    assert "penstock.toml:" in (refused.value.where or "")
    assert all_runs(house) == []
    with pytest.raises(BadInput, match="never above 1"):
        check_workspace(house.workspace)


def test_a_gate_that_so_few_test_rows_cannot_prove_is_refused_before_training(tmp_path: Path) -> None:
    house = company(tmp_path, gate='accuracy = ">= 0.9999"')
    with pytest.raises(GateRefused, match="could prove it"):
        climbed(house)
    assert all_runs(house) == []


def test_a_refusal_says_how_near_each_rung_came_and_what_would_help(tmp_path: Path) -> None:
    house = company(tmp_path, ladder=f'"{DIAL}"', gate='accuracy = ">= 0.90"')
    refused = refused_of(climbed(house))
    assert f"{DIAL}:" in refused.message and "accuracy lacks" in refused.message
    hint = refused.hint or ""
    assert "--budget-minutes" in hint and "a backbone opens more rungs" in hint and "penstock data inspect" in hint


def test_a_test_split_that_is_used_up_judges_nothing_more(tmp_path: Path) -> None:
    house = company(tmp_path, more="most_test_uses = 1")
    assert climbed(house)["outcomes"][0]["passed"]
    with pytest.raises(Conflict, match="has judged 1 candidates, and may judge 1") as refused:
        climbed(house)
    assert "fresh test split" in (refused.value.hint or "")
    assert len(all_runs(house)) == 1


def test_each_part_of_what_is_compressed_anew_asks_whether_the_split_may_judge(tmp_path: Path) -> None:
    house = company(tmp_path, more="most_test_uses = 1")
    with house.store.transaction() as tx:
        source = candidate(tx, product="router", rung=DIAL)
        smaller = candidate(tx, "smaller", product="router", rung="int8.v1", made_from=[source.id])
    work = attempts.Work(house, "router", at_version(house), "run-1", no_progress)
    with pytest.raises(Conflict, match="has judged 1 candidates, and may judge 1"):
        recompress(work, smaller.id)
    (run,) = all_runs(house)
    assert run.rung == DIAL  # judged; int8 was not begun


def test_a_split_used_up_on_the_way_ends_the_climb_and_says_so(tmp_path: Path) -> None:
    house = company(
        tmp_path, ladder=f'"{DIAL}", "ngram-linear.v1"', gate='accuracy = ">= 0.90"', more="most_test_uses = 1"
    )
    result = climbed(house)
    assert len(result["outcomes"]) == 1
    assert "may judge 1" in result["not_tried"][0]["why"]


def test_a_training_that_fails_is_recorded_with_its_reason_and_its_curves_until_then(tmp_path: Path) -> None:
    house = company(tmp_path, ladder=f'"{DIAL}"')
    work = attempts.Work(house, "router", at_version(house), "run-1", no_progress)
    with pytest.raises(Broken, match="not finite"):
        attempts.attempt(work, DIAL, recipe={"wrong": 0.99})
    (run,) = all_runs(house)
    assert (run.state, run.candidate, run.metrics) == ("failed", None, {})
    assert "not finite" in run.error
    assert runs.curves_of(house.blobs, run) == {"loss": ((0.0, 1.0), (1.0, 7.0))}


def at_version(house: House) -> MadeVersion:
    return attempts.make_version(house, "router", [], None, no_progress)


def test_judging_the_same_work_twice_makes_one_candidate_and_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = company(tmp_path)
    seen: list[judging.Judged] = []

    def twice(*args: Any, **named: Any) -> judging.Judged:
        seen.append(judging.judge_candidate(*args, **named))
        return judging.judge_candidate(*args, **named)

    monkeypatch.setattr(attempts, "judge_candidate", twice)
    (outcome,) = climbed(house)["outcomes"]
    assert (outcome["candidate"], outcome["run"]) == (seen[0].candidate.id, seen[0].run.number)
    assert len(list_judged(house, "router")) == len(all_runs(house)) == 1


def test_a_run_tells_what_it_cost_and_by_which_code(tmp_path: Path) -> None:
    house = company(tmp_path)
    climbed(house)
    (run,) = all_runs(house)
    assert run.cost > 0 and run.seconds > 0
    assert run.code == judging.code_version()
    assert any("regularisation" in remark for remark in run.notes)
    assert next(iter(run.metrics)) == "accuracy" and "cost_per_1000" in run.metrics
    assert run.machine["cores"] >= 1
    assert list_judged(house, "router")[0].quality == run.metrics["accuracy"]


def test_what_several_workers_burn_is_counted_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def three(module: str, job: str, arguments: dict[str, Any], progress: Any, *, workers: int) -> dict[str, Any]:
        assert workers == 3
        return {**at_once(module, job, arguments, progress), "cpu_s": 600.0}

    monkeypatch.setattr(ray_cluster, "run_workers", three)
    house = company(tmp_path)
    climbed(house, executor="ray", workers=3)
    (run,) = all_runs(house)
    assert run.parameters["workers"] == 3
    assert run.cost == judging.cost_of(1800.0, Costs())


SPACE = {"rate": Range(1e-5, 1e-1, log=True), "layers": Range(1, 3, whole=True), "kind": ("a", "b")}


def near_a_thousandth(parameters: Any) -> Trial:
    import math

    score = -abs(math.log10(parameters.get("rate", 0.1)) + 3) - (parameters.get("kind") == "b")
    return Trial(dict(parameters), score, 0.001)


def test_a_search_finds_numbers_near_the_best() -> None:
    found = search(SPACE, near_a_thousandth, seed=3, seconds=60, expected_s=0.01, most=40)
    assert found.stopped == "40 trials are enough"
    assert found.best is not None
    assert 3e-4 < found.best.parameters["rate"] < 3e-3
    assert found.best.parameters["kind"] == "a" and found.best.parameters["layers"] in (1, 2, 3)


def test_a_search_draws_the_same_from_the_same_seed() -> None:
    once, again = (search(SPACE, near_a_thousandth, seed=3, seconds=60, expected_s=0.01, most=9) for _ in range(2))
    assert [trial.parameters for trial in once.trials] == [trial.parameters for trial in again.trials]


def test_a_trial_that_would_not_end_in_time_is_not_begun() -> None:
    def slow(parameters: Any) -> Trial:
        return Trial(dict(parameters), 0.5, 40.0)

    found = search(SPACE, slow, seed=0, seconds=30, expected_s=5)
    assert len(found.trials) == 1  # the first was expected to be short; after it, 40 s are more than is left
    assert "would take about 40 s" in found.stopped
    assert found.best is None


def test_a_search_ends_when_the_values_are_used_up_or_nothing_trains() -> None:
    small = search({"kind": ("a", "b")}, near_a_thousandth, seed=0, seconds=60, expected_s=0.01)
    assert small.stopped == "the values to try are used up" and len(small.trials) == 3
    failing: Callable[[Any], Trial] = lambda parameters: Trial(dict(parameters), None, 0.01)  # noqa: E731
    assert "failed" in search(SPACE, failing, seed=0, seconds=60, expected_s=0.01).stopped


def test_the_held_rows_are_drawn_label_by_label() -> None:
    rows = [{"text": f"t{i}", "label": "a" if i % 10 else "b"} for i in range(200)] + [{"text": "x", "label": "only"}]
    kept, held = hold_out(rows, seed=1)
    assert len(kept) + len(held) == 201
    assert 38 <= len(held) <= 42
    assert {row["label"] for row in held} == {"a", "b"}  # a label's only row is never held
    assert sorted(row["text"] for row in [*kept, *held]) == sorted(row["text"] for row in rows)
    assert hold_out(rows, seed=1) == (kept, held) != hold_out(rows, seed=2)


def test_check_tells_what_train_would_refuse_as_things_stand(tmp_path: Path) -> None:
    house = company(tmp_path, more="most_test_uses = 1")
    assert not [told for told in check_workspace(house.workspace, house)[0]["told"] if "as things stand" in told]
    climbed(house)
    (facts,) = check_workspace(house.workspace, house)
    assert any("has judged 1 candidates, and may judge 1" in told for told in facts["told"])
    with pytest.raises(Conflict, match="has judged 1 candidates"):
        climbed(house)
