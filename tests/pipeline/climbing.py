"""A small company to climb in, without child processes, and a rung whose quality one number of its recipe decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock.core.errors import Broken
from penstock.datasets.rows import Split
from penstock.pipeline import check
from penstock.pipeline.climb import train
from penstock.pipeline.climb import worker as child
from penstock.pipeline.compress import worker as compressing
from penstock.runtime import wire
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import Progress, no_progress
from penstock.tasks.text.train import ngram_linear
from penstock.training.loop.checkpoints import write_curves
from penstock.training.records import Range, Rung, Trained, TrainRequest
from tests.scenarios.conftest import rows, write_csv

DIAL = "dial.v1"

TOML = """
[company]
name = "Test Harbour"

[products.router]
task = "text-classification"
data = "data/router.csv"
ladder = [{ladder}]
gate = {{ {gate} }}
{more}
options = {{ robust_rows = 0 }}

[products.router.price]
tiers = [{{ unit_price = "0.05" }}]
{tail}
"""


def any_rung(patch: pytest.MonkeyPatch) -> None:
    """Rungs made up by a test may be asked for, though no task has them."""
    for module in (check, train):
        patch.setattr(module, "check_rung", lambda task, rung, place: None)


def company(
    folder: Path,
    *,
    gate: str = 'accuracy = ">= 0.60"',
    ladder: str = '"ngram-linear.v1"',
    more: str = "",
    tail: str = "",
) -> House:
    """A house with 360 short messages of three subjects, 90 or so of them to test."""
    write_csv(folder / "data" / "router.csv", rows(120))
    (folder / "penstock.toml").write_text(TOML.format(ladder=ladder, gate=gate, more=more, tail=tail), encoding="utf-8")
    return open_house(folder, create=True)


def at_once(
    module: str, job: str, arguments: dict[str, Any], progress: Progress = no_progress, *, seconds: float = 0.0
) -> dict[str, Any]:
    """What `run_child` answers, in this process, however long it takes."""
    jobs = {"penstock.pipeline.climb.worker": child.JOBS, "penstock.pipeline.compress.worker": compressing.JOBS}[module]
    answer: dict[str, Any] = wire.plain(jobs[job](wire.plain(arguments), progress))
    return answer


def dial(request: TrainRequest) -> Trained:
    """n-grams learned from labels of which a share, `wrong`, is not the right one: 0.9 unless the recipe says else.

    Above 0.95 nothing can be learned, and it says so.
    """
    wrong = float(request.recipe.get("wrong", 0.9))
    if wrong > 0.95:
        if request.checkpoint is not None:
            write_curves(request.checkpoint, {"loss": [[0.0, 1.0], [1.0, 7.0]]})
        raise Broken(f"the loss is not finite at wrong = {wrong:.3f}")
    labels = sorted(set(request.train.labels))
    following = dict(zip(labels, [*labels[1:], labels[0]], strict=True))
    share = _spread(len(request.train.labels))
    learned = Split(
        request.train.texts,
        tuple(
            following[label] if place < wrong else label
            for label, place in zip(request.train.labels, share, strict=True)
        ),
    )
    trained = ngram_linear.train(replace(request, train=learned))
    return replace(trained, parameters={"wrong": wrong}, curves={"loss": [(0.0, 1.0), (1.0, wrong)]})


def dialled() -> Rung:
    return Rung(DIAL, dial, space={"wrong": Range(0.0, 1.0)}, minutes=0.02)


def _spread(count: int) -> Iterator[float]:
    """Numbers between 0 and 1, evenly in any part of the rows."""
    return iter([(index * 0.618034) % 1 for index in range(count)])
