"""What an interrupted job goes on from: checkpoints named by content, and a workspace that did not change meanwhile."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pipeline.climbing import DIAL, any_rung, at_once, company, dialled
from scenarios.conftest import edit

from penstock import installed
from penstock.core.errors import BadInput, Broken, Conflict, PenstockError, Unavailable
from penstock.pipeline.climb import attempts
from penstock.pipeline.climb.elapsed import FILE, Elapsed, counted
from penstock.pipeline.climb.frontier import frontier_files
from penstock.pipeline.climb.resuming import remove_checkpoint
from penstock.pipeline.climb.train import train
from penstock.registry import candidates, runs
from penstock.runtime import executors
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import no_progress
from penstock.runtime.workflows import Handle, Workflows

ASKED = {"product": "router", "rungs": []}
Child = Callable[..., dict[str, Any]]


def ended_by(error: BaseException, seen: list[Path]) -> Child:
    """A child process whose first training leaves a checkpoint and ends so; later ones go through."""

    def child(
        module: str, job: str, arguments: dict[str, Any], progress: Any = no_progress, **_: Any
    ) -> dict[str, Any]:
        if job == "train-rung":
            seen.append(Path(arguments["checkpoint"]))
            if len(seen) == 1:
                seen[0].mkdir(parents=True)
                (seen[0] / "checkpoint.safetensors").write_bytes(b"half way")
                raise error
            assert seen[0] != seen[-1] or isinstance(error, Broken) or seen[0].exists()
        return at_once(module, job, arguments, progress)

    return child


def workflows_of(house: House) -> Workflows:
    workflows = Workflows(house.workspace.state, house.database_url, "test-resuming")
    workflows.define("train", lambda arguments: train(house, arguments, no_progress))
    return workflows


@pytest.mark.parametrize(("error", "kept"), [(Unavailable("ended by SIGKILL"), True), (Broken("not finite"), False)])
def test_the_same_command_finds_the_checkpoint_of_a_killed_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: PenstockError, kept: bool
) -> None:
    seen: list[Path] = []
    monkeypatch.setattr(attempts, "run_child", ended_by(error, seen))
    house = company(tmp_path)
    with pytest.raises(type(error)):
        train(house, ASKED, no_progress)
    assert seen[0].exists() is kept
    assert train(house, ASKED, no_progress)["outcomes"][0]["passed"]  # another run of the workflow
    assert seen[1] == seen[0] and not seen[0].exists()
    edit(tmp_path, "robust_rows = 0", "robust_rows = 1")
    train(open_house(tmp_path, create=True), ASKED, no_progress)
    assert seen[2] != seen[0]


def test_the_last_good_state_before_a_loss_was_not_finite_stays(tmp_path: Path) -> None:
    lies = tmp_path / "one" / "0" / "checkpoint.safetensors"
    for error, kept in [
        (Broken("not finite", where=str(lies)), True),
        (Conflict("other data", where=str(lies)), False),
    ]:
        lies.parent.mkdir(parents=True, exist_ok=True)
        lies.write_bytes(b"good")
        remove_checkpoint(tmp_path / "one", error)
        assert lies.exists() is kept


def test_checkpoints_that_nobody_came_back_for_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "run_child", at_once)
    house = company(tmp_path)
    old, new = (house.workspace.state / "runs" / name / "train" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "checkpoint.safetensors").write_bytes(b"half way")
    week_ago = time.time() - 8 * 86_400
    for path in (old / "checkpoint.safetensors", old, old.parent):
        os.utime(path, (week_ago, week_ago))
    train(house, ASKED, no_progress)
    assert new.exists() and not old.parent.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: edit(folder, '"ngram-linear.v1"', f'"{DIAL}", "ngram-linear.v1"'), r"\[products.router\]"),
        (lambda folder: edit(folder, "[products.router]", "[costs]\ncpu_core_hour = 1\n\n[products.router]"), "costs"),
        (lambda folder: (folder / "data" / "router.csv").open("a").write("one more,refund\n"), "its data files"),
    ],
)
def test_a_job_whose_surroundings_changed_is_ended_and_the_next_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], Any], says: str
) -> None:
    monkeypatch.setattr(attempts, "run_child", ended_by(executors.Interrupted(), []))
    monkeypatch.setitem(installed.rungs(), DIAL, dialled())
    any_rung(monkeypatch)
    first = workflows_of(company(tmp_path))
    with first:
        begun: Handle = first.start("train", ASKED)
        with pytest.raises(Unavailable, match="stopped before its end"):
            first.result(begun)
    change(tmp_path)
    house = open_house(tmp_path, create=True)
    again = workflows_of(house)
    with again:
        with pytest.raises(Conflict, match=says) as refused:
            again.result(begun)
        assert "starts anew" in (refused.value.hint or "")
        assert again.pending("train") == []
        assert again.run_or_resume("train", ASKED)["outcomes"][-1]["passed"]
    with house.store.read() as tx:
        assert candidates.list_candidates(tx, "router")


def test_what_an_interrupted_training_took_is_counted_by_the_one_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed_once(
        module: str, job: str, arguments: dict[str, Any], progress: Any = no_progress, **_: Any
    ) -> dict[str, Any]:
        folder = Path(arguments.get("checkpoint", "none"))
        if job != "train-rung" or folder.exists():
            return at_once(module, job, arguments, progress)
        _, say = counted(folder, progress)
        say("train", 1, 2)
        assert folder.exists()
        elapsed = {"seconds": 400.0, "cpu_s": 360.0}  # as if it had gone on for so long
        (folder / FILE).write_text(json.dumps(elapsed))
        raise executors.Interrupted

    monkeypatch.setattr("penstock.pipeline.climb.elapsed.EVERY_S", 0.0)
    monkeypatch.setattr(attempts, "run_child", killed_once)
    house = company(tmp_path)
    workflows = workflows_of(house)
    with workflows, pytest.raises(Unavailable):
        workflows.result(workflows.start("train", ASKED))
    again = workflows_of(house)
    with again:
        (outcome,) = again.run_or_resume("train", ASKED)["outcomes"]
    assert 400 < outcome["seconds"] < outcome["wall_s"] < 460
    with house.store.read() as tx:
        (run,) = runs.list_runs(tx, "router")
    assert run.seconds == outcome["seconds"] and float(run.cost) > 0.004  # 360 core-seconds at 0.04 an hour, and more


def test_a_count_that_a_kill_has_torn_begins_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"seconds": 4')
    before, _ = counted(tmp_path, no_progress)
    assert before == Elapsed()
    assert counted(None, no_progress) == (Elapsed(), no_progress)


def test_a_failure_is_priced_by_the_childs_processor_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 370.0])
    monkeypatch.setattr(attempts, "children_cpu_seconds", lambda: next(clock))
    monkeypatch.setattr(attempts, "run_child", ended_by(Unavailable("ended by SIGKILL"), []))
    house = company(tmp_path)
    with pytest.raises(Unavailable):
        train(house, ASKED, no_progress)
    with house.store.read() as tx:
        (run,) = runs.list_runs(tx, "router")
    assert run.seconds < 60 and float(run.cost) == pytest.approx(0.004)  # 360 core-seconds at 0.04 an hour


@pytest.mark.parametrize(("name", "says"), [("page.pdf", "ends in .html"), ("no/page.html", "no such folder")])
def test_where_a_page_cannot_go_is_said_before_the_work(tmp_path: Path, name: str, says: str) -> None:
    house = company(tmp_path)
    with pytest.raises(BadInput, match=says):
        frontier_files(house, "router", tmp_path / name)
    assert frontier_files(house, "router", None) == (
        tmp_path / "frontier-router.html",
        tmp_path / "frontier-router.svg",
    )
