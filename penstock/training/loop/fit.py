"""The loop: batches of like length, one-cycle rates, bfloat16 where it helps, and checkpoints it goes on from exactly.

Every step draws its randomness from (seed, step), so that a resumed training takes the very steps it would have taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import Broken, Unavailable
from penstock.runtime.progress import Progress
from penstock.training.loop import checkpoints, sharing
from penstock.training.loop.batches import batches_of
from penstock.training.loop.machine import half_precision_helps, out_of_memory
from penstock.training.loop.records import ALONE, Fitted, Integers, Problem, Recipe, World, check_possible

CHECKPOINT_EVERY_S = 20.0  # a kill costs at most so much; one of MiniLM takes 0.3 s to write
CURVE_POINTS = 400  # of the loss, at most about so many are kept
_SMOOTH = 0.95  # of the loss shown
_ROWS_NAMED = 64  # of a batch that cannot be learned from


def fit(
    problem: Problem,
    recipe: Recipe,
    *,
    seed: int,
    progress: Progress,
    checkpoint: Path | None = None,
    world: World = ALONE,
    stage: str = "train",
    until: float = math.inf,
) -> Fitted:
    """Train `problem.module` in place, from the folder's checkpoint where there is one. The last checkpoint stays: who
    gave the folder takes it away when all that follows is recorded.

    until: the moment, of time.perf_counter(), after which no step is begun; a note then says how many were left.
    Workers together take no notice of it: they would stop at different steps, and wait for each other.

    Raises Broken when the loss is not finite (it names the last good checkpoint), Conflict for a checkpoint of other
    data, recipe or code and for workers that do not start from the same, Unavailable when even a single row is too
    much memory, BadInput for a recipe that this problem cannot follow.
    """
    recipe.check(stage)
    embeds = problem.embedding is not None and bool(problem.embedding.requires_grad)
    check_possible(recipe, stage, embeds=embeds, holds=problem.held is not None)
    run = _begin(problem, recipe, seed, checkpoint)
    if world.size > 1:
        sharing.check_same_start(problem.module, run.step, run.identity)
    if not run.done:
        with _caught(run):
            _steps(run, seed, progress, world, stage, until if world.size == 1 else math.inf)
        _take_best(run)
        run.done = True
        if world.rank == 0:
            _keep(run)  # what follows (export, evaluation) may be killed too
    problem.module.eval()
    progress(stage, run.planned, run.planned, _told(run))
    curves = {name: tuple((float(at), float(value)) for at, value in points) for name, points in run.curves.items()}
    return Fitted(run.step, run.planned, run.seconds(), curves, tuple(run.notes))


@dataclass(eq=False)
class _Run:
    """Where a training stands. kept: the parameters of the best held-out score, where patience may stop it later."""

    problem: Problem
    recipe: Recipe
    optimiser: Any
    identity: checkpoints.Identity
    folder: Path | None
    per_epoch: int
    planned: int
    step: int = 0
    began: float = field(default_factory=time.perf_counter)
    before_s: float = 0.0  # spent before it was resumed
    best: float = -math.inf
    stale: int = 0
    kept: dict[str, Any] = field(default_factory=dict)
    smooth: float | None = None
    curves: dict[str, list[list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    done: bool = False

    def seconds(self) -> float:
        return self.before_s + time.perf_counter() - self.began


def _begin(problem: Problem, recipe: Recipe, seed: int, folder: Path | None) -> _Run:
    per_epoch = math.ceil(problem.rows / recipe.batch)
    run = _Run(
        problem=problem,
        recipe=recipe,
        optimiser=_optimiser(problem, recipe),
        identity=checkpoints.Identity.of(problem.identity, recipe.to_json(), seed),
        folder=folder,
        per_epoch=per_epoch,
        planned=max(1, recipe.least_steps, math.ceil(recipe.epochs * per_epoch)),
    )
    if folder is None:
        return run
    try:
        state = checkpoints.read(folder, run.identity)
    except Broken as damaged:
        run.notes.append(f"{damaged.message}: it began anew")
        return run
    if state is not None:
        _restore(run, state)
        if not run.done:
            run.notes.append(f"resumed at step {run.step:,} of {run.planned:,}")
    return run


def _optimiser(problem: Problem, recipe: Recipe) -> Any:
    import torch

    special = {id(each) for group, _ in problem.groups for each in group}
    usual = [each for each in problem.module.parameters() if each.requires_grad and id(each) not in special]
    groups = [(usual, 1.0), *((list(group), factor) for group, factor in problem.groups)]
    return torch.optim.AdamW(
        [{"params": group, "factor": factor} for group, factor in groups if group],
        lr=recipe.peak,
        weight_decay=recipe.decay,
        betas=recipe.betas,
        fused=True,
    )


def _steps(run: _Run, seed: int, progress: Progress, world: World, stage: str, until: float) -> None:
    problem = run.problem
    written = time.perf_counter()
    first = run.step
    while run.step < run.planned:
        if time.perf_counter() >= until:
            run.notes.append(f"the time was over after step {run.step:,} of {run.planned:,}")
            break
        epoch, place = divmod(run.step, run.per_epoch)
        if place == 0 or run.step == first:
            batches = batches_of(problem, run.recipe, seed, epoch)
        problem.module.train()
        loss = _step(run, batches[place], seed, world)
        _note_loss(run, loss)
        run.step += 1
        last = run.step == run.planned and bool(run.recipe.patience)  # it may stand within an epoch, and be the best
        if (run.step % run.per_epoch == 0 or last) and _epoch_ended(run, world):
            break
        progress(stage, run.step, run.planned, _told(run))
        due = time.perf_counter() - written >= CHECKPOINT_EVERY_S
        if world.rank == 0 and due:
            _keep(run)
            written = time.perf_counter()


def _step(run: _Run, rows: Integers, seed: int, world: World) -> float:
    """One step of the optimiser over these rows; their mean loss. Halves what goes through memory at once, and tries
    again, where it is too much."""
    import torch

    _set_rate(run)
    share = rows[world.rank :: world.size]
    while True:
        torch.manual_seed(seed * 1_000_003 + run.step * world.size + world.rank)
        try:
            total = _gradients(run, share, len(rows))
            break
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if len(share) <= run.recipe.accumulate:
                raise Unavailable(
                    f"out of memory at step {run.step + 1:,} even with one row at a time",
                    where="training",
                    hint="use shorter texts or a smaller backbone, or a machine with more memory",
                ) from None
            _use_less_memory(run)
    moved = [each for group in run.optimiser.param_groups for each in group["params"]]
    if world.size > 1:
        sharing.sum_over_all(moved, total)
    loss = float(total)
    # a finite loss may have a gradient that is not, and one such step spoils every weight
    norm = torch.nn.utils.clip_grad_norm_(moved, run.recipe.clip or math.inf)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise _NotFinite(rows)
    run.optimiser.step()
    return loss


def _gradients(run: _Run, share: Integers, batch: int) -> Any:
    """Leave the share's part of the batch's mean gradient in the parameters; its part of the mean loss, a tensor."""
    import torch

    run.optimiser.zero_grad()
    total = torch.zeros(())
    for part in np.array_split(share, min(run.recipe.accumulate, max(1, len(share)))):
        if len(part):
            total += _backward(run, part, batch)
    return total


def _backward(run: _Run, part: Integers, batch: int) -> Any:
    import torch

    rows, kind = torch.from_numpy(part), next(run.problem.module.parameters()).device.type
    half = run.recipe.precision == "auto" and half_precision_helps(kind)

    def loss_of() -> Any:
        with torch.autocast(kind, torch.bfloat16, enabled=half):
            losses = run.problem.loss(rows)
        return losses.float().sum() / batch

    loss, embedding = loss_of(), run.problem.embedding
    if not run.recipe.adversarial:
        loss.backward()
    else:
        seen: list[Any] = []  # this part's gradient, which is added to those of the parts before
        hook = embedding.register_hook(seen.append)
        try:
            loss.backward()
        finally:
            hook.remove()
        against = run.recipe.adversarial * seen[0] / seen[0].norm().clamp(min=1e-12)
        with _disturbed(embedding, against):
            loss_of().backward()
    if run.recipe.l1:  # after the hook: it says nothing of the rows
        moved = [each for group in run.optimiser.param_groups for each in group["params"]]
        (run.recipe.l1 * sum(each.abs().sum() for each in moved) * (len(part) / batch)).backward()
    return loss.detach().cpu()


@contextmanager
def _disturbed(embedding: Any, step: Any) -> Iterator[None]:
    """The embedding one step against us: FGM (Miyato, Dai, Goodfellow 2017, arXiv 1605.07725)."""
    import torch

    with torch.no_grad():
        before = embedding.detach().clone()
        embedding.add_(step)
    try:
        yield
    finally:
        with torch.no_grad():
            embedding.copy_(before)


def _set_rate(run: _Run) -> None:
    """One cycle (Smith 2018, arXiv 1803.09820): from a tenth of the peak up to it, then by a cosine to nearly nothing;
    or, for "constant", up to the peak and on."""
    recipe, done = run.recipe, run.step / run.planned
    if done < recipe.warm:
        share = 0.1 + 0.9 * done / recipe.warm
    elif recipe.schedule == "constant":
        share = 1.0
    else:
        share = max(1e-3, 0.5 * (1 + math.cos(math.pi * (done - recipe.warm) / (1 - recipe.warm))))
    for group in run.optimiser.param_groups:
        group["lr"] = recipe.peak * group["factor"] * share


def _epoch_ended(run: _Run, world: World) -> bool:
    """Ask the held-out rows; whether to stop. Rank 0 asks for all: workers that differ in the last bit could otherwise
    stop after different epochs, and wait for each other for ever."""
    if run.problem.held is None:
        return False
    run.problem.module.eval()
    found = run.problem.held() if world.rank == 0 else 0.0
    if world.size > 1:
        found = sharing.as_rank_0(found)
    run.curves.setdefault("held", []).append([run.step, found])
    run.best, run.stale = (found, 0) if found > run.best else (run.best, run.stale + 1)
    if run.recipe.patience and run.stale == 0:
        run.kept = {name: each.detach().clone() for name, each in _learned(run.problem.module)}
    return bool(run.recipe.patience) and run.stale >= run.recipe.patience


def _learned(module: Any) -> list[tuple[str, Any]]:
    return [(name, each) for name, each in module.named_parameters() if each.requires_grad]


def _take_best(run: _Run) -> None:
    """Where patience kept parameters that were better than the last: those."""
    import torch

    if run.kept and run.stale:
        best = max(run.curves["held"], key=lambda point: point[1])
        run.notes.append(f"the weights after step {best[0]:,} of {run.step:,} stay: no later held-out score was better")
        with torch.no_grad():
            for name, each in _learned(run.problem.module):
                each.copy_(run.kept[name])
    run.kept = {}


def _note_loss(run: _Run, loss: float) -> None:
    run.smooth = loss if run.smooth is None else _SMOOTH * run.smooth + (1 - _SMOOTH) * loss
    if run.step % max(1, run.planned // CURVE_POINTS) == 0 or run.step == run.planned - 1:
        run.curves.setdefault("loss", []).append([run.step, loss])
        run.curves.setdefault("rate", []).append([run.step, run.optimiser.param_groups[0]["lr"]])


def _told(run: _Run) -> str:
    return "" if run.smooth is None else f"loss {run.smooth:.3f}"


def _keep(run: _Run) -> None:
    if run.folder is None:
        return
    tensors = {f"model.{name}": each for name, each in _learned(run.problem.module)}
    tensors |= {f"best.{name}": each for name, each in run.kept.items()}
    tensors |= {f"buffer.{name}": each for name, each in run.problem.module.named_buffers()}
    moving = {} if run.done else run.optimiser.state_dict()["state"]
    for number, moments in moving.items():
        tensors |= {f"optimiser.{number}.{name}": moment for name, moment in moments.items()}
    told = {
        "curves": run.curves,
        "best": run.best if math.isfinite(run.best) else None,
        "stale": run.stale,
        "smooth": run.smooth,
        "seconds": run.seconds(),
        "accumulate": run.recipe.accumulate,
        "notes": run.notes,
    }
    checkpoints.write(run.folder, run.identity, checkpoints.State(run.step, tensors, told, run.done))


def _restore(run: _Run, state: checkpoints.State) -> None:
    import torch

    moments: dict[int, dict[str, Any]] = {}
    with torch.no_grad():
        own = {f"model.{name}": each for name, each in run.problem.module.named_parameters()}
        own |= {f"buffer.{name}": each for name, each in run.problem.module.named_buffers()}
        for name, tensor in state.tensors.items():
            if name in own and own[name].shape == tensor.shape:
                own[name].copy_(tensor)
            elif name.startswith("optimiser."):
                _, number, moment = name.split(".", 2)
                moments.setdefault(int(number), {})[moment] = tensor
            elif name.startswith("best."):
                run.kept[name.removeprefix("best.")] = tensor
    run.done = state.done
    if not run.done:
        run.optimiser.load_state_dict({**run.optimiser.state_dict(), "state": moments})
    told = state.told
    run.notes = list(told["notes"])
    run.step, run.before_s, run.smooth = state.step, told["seconds"], told["smooth"]
    run.best, run.stale = -math.inf if told["best"] is None else told["best"], told["stale"]
    run.curves = told["curves"]
    run.recipe = replace(run.recipe, accumulate=told["accumulate"])


class _NotFinite(Exception):
    def __init__(self, rows: Integers) -> None:
        self.rows = rows


@contextmanager
def _caught(run: _Run) -> Iterator[None]:
    try:
        yield
    except _NotFinite as found:
        good = None
        if run.folder is not None:
            checkpoints.write_curves(run.folder, run.curves)
            with suppress(Broken):  # damaged meanwhile
                good = checkpoints.read(run.folder, run.identity)
        kept = "" if good is None else f"; the last good state, of step {good.step:,}, stays there"
        raise Broken(
            f"the loss is not finite at step {run.step + 1:,} of {run.planned:,}, in the batch of training rows "
            f"{_named(run.problem, found.rows)}{kept}",
            where="training" if run.folder is None or good is None else str(checkpoints.file_of(run.folder)),
            hint='lower `peak` in the recipe, or look at those rows; precision = "float32" rules out rounding',
        ) from None


def _named(problem: Problem, rows: Integers) -> str:
    called = problem.called or (lambda row: f"number {row + 1}")
    names = dict.fromkeys(called(int(row)) for row in np.sort(rows))
    return ", ".join([*list(names)[:_ROWS_NAMED], *(["…"] if len(names) > _ROWS_NAMED else [])])


def _use_less_memory(run: _Run) -> None:
    run.recipe = replace(run.recipe, accumulate=run.recipe.accumulate * 2)
    run.notes.append(
        f"out of memory at step {run.step + 1:,}: from there each batch of {run.recipe.batch} went through in "
        f"{run.recipe.accumulate} parts"
    )
