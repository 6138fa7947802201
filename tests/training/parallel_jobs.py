"""One of two processes that train together: `python parallel_jobs.py RANK SIZE PORT FOLDER` writes what came of it."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import Conflict
from penstock.runtime.progress import no_progress
from penstock.training.loop import Problem, Recipe, World, fit
from penstock.training.loop import fit as fitting

RECIPE = Recipe(
    epochs=3, batch=15, peak=0.05, dropout=0.0, precision="float32", clip=0.5, decay=0.1, l1=1e-4, accumulate=2
)


def problem(seed: int = 1, **also: Any) -> Problem:
    """Three classes in eight dimensions, 61 rows: the last batch holds one, less than there are workers."""
    import torch

    draw = np.random.default_rng(seed)
    rows = draw.standard_normal((61, 8)).astype(np.float32)
    truth = torch.from_numpy(rows[:, :3].argmax(1))
    torch.manual_seed(seed)
    module = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))
    inputs = torch.from_numpy(rows)
    losses = torch.nn.CrossEntropyLoss(reduction="none")
    lengths = draw.integers(1, 9, 61)
    return Problem(module, 61, lambda at: losses(module(inputs[at]), truth[at]), lengths=lengths, identity="x", **also)


def learned(made: Problem, fitted: Any) -> dict[str, Any]:
    return {
        "loss": [value for _, value in fitted.curves["loss"]],
        "weights": [round(float(each), 7) for each in made.module[2].bias],
        "steps": fitted.steps,
        "notes": list(fitted.notes),
    }


def whole(world: World, folder: Path) -> dict[str, Any]:
    made = problem()
    return learned(made, fit(made, RECIPE, seed=3, progress=no_progress, world=world))


def resumed(world: World, folder: Path) -> dict[str, Any]:
    """Cut off after nine steps, then run again."""

    def cut(stage: str, done: float, total: float, note: str = "") -> None:
        if done == 9:
            raise KeyboardInterrupt

    made = problem()
    try:
        fit(made, RECIPE, seed=3, progress=cut, world=world, checkpoint=folder)
    except KeyboardInterrupt:
        made = problem()
    return learned(made, fit(made, RECIPE, seed=3, progress=no_progress, world=world, checkpoint=folder))


def stopped(world: World, folder: Path) -> dict[str, Any]:
    """The workers' held-out scores differ: rank 0's never improves, rank 1's always does."""
    scores = iter(range(100))
    made = problem(held=lambda: float(next(scores)) if world.rank else 0.5)
    recipe = replace(RECIPE, schedule="constant", patience=2, epochs=9)
    return learned(made, fit(made, recipe, seed=3, progress=no_progress, world=world))


def different(world: World, folder: Path) -> dict[str, Any]:
    try:
        fit(problem(seed=1 + world.rank), RECIPE, seed=3, progress=no_progress, world=world)
    except Conflict as error:
        return {"refused": error.message}
    return {}


def exhausted(world: World, folder: Path) -> dict[str, Any]:
    """One worker runs out of memory once, at a whole part."""
    made = problem()
    plain, failed = made.loss, []

    def loss(rows: Any) -> Any:
        if world.rank == world.size - 1 and not failed and len(rows) > 2:
            failed.append(1)
            raise MemoryError
        return plain(rows)

    return learned(made, fit(replace(made, loss=loss), RECIPE, seed=3, progress=no_progress, world=world))


if __name__ == "__main__":
    from datetime import timedelta

    import torch
    import torch.distributed as together

    rank, size, port = map(int, sys.argv[1:4])
    torch.set_num_threads(1)
    sys.modules[fitting.__module__].CHECKPOINT_EVERY_S = 0.0  # type: ignore[attr-defined]
    if size > 1:
        store = together.TCPStore("127.0.0.1", port, size, rank == 0, timedelta(seconds=120))
        together.init_process_group("gloo", store=store, rank=rank, world_size=size)
    at = Path(sys.argv[4])
    found = {each.__name__: each(World(rank, size), at) for each in (whole, resumed, stopped, exhausted)}
    if size > 1:
        found["different"] = different(World(rank, size), at)
    (at / f"found-{rank}.json").write_text(json.dumps(found))
    if size > 1:
        together.barrier()  # who leaves first takes the connections of the other with it
        together.destroy_process_group()
    os._exit(0)  # all is written; torch's store sometimes aborts when the interpreter takes it down
