"""From rows to a trained model of a table: fit the members, mix, calibrate or draw intervals, pack, and check."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.protocol import Parts
from penstock.runtime.progress import Progress, Tell, part
from penstock.tasks.tabular.data.options import RegressionOptions
from penstock.tasks.tabular.model.linear import Linear
from penstock.tasks.tabular.model.tabular import Tabular, open_parts, settings_of, to_files
from penstock.tasks.tabular.train.losses import loss_of
from penstock.tasks.tabular.train.mixing import mix
from penstock.tasks.tabular.train.problem import Fitted, Problem, problem_of
from penstock.training.extras import training_libraries
from penstock.training.records import Trained, TrainRequest

Fit = Callable[[Problem, Tell], Fitted]


def train_descent(request: TrainRequest) -> Trained:
    """`gradient-descent.v1`: the plain linear model. Raises BadInput for rows that cannot train."""
    from penstock.tasks.tabular.train import descent

    return _train("gradient-descent.v1", request, lambda problem: [descent.fit])


def train_linear(request: TrainRequest) -> Trained:
    """`tabular-linear.v1`: regularised. Raises BadInput, or Unavailable without scikit-learn."""
    _needs("sklearn")
    from penstock.tasks.tabular.train import linear

    return _train("tabular-linear.v1", request, lambda problem: [linear.fit])


def train_boosting(request: TrainRequest) -> Trained:
    """`tabular-boosting.v1`: trees of the shape that held-out rows prefer. Raises BadInput, Unavailable."""
    _needs("lightgbm")
    from penstock.tasks.tabular.train import boosting

    def fits(problem: Problem) -> list[Fit]:
        return [_shaped(shape, problem.seed) for shape in boosting.shapes(problem.rows)]

    return _train("tabular-boosting.v1", request, fits, best=True)


def train_ensemble(request: TrainRequest) -> Trained:
    """`tabular-ensemble.v1`: a linear model and trees of every shape, mixed. Raises BadInput, Unavailable."""
    _needs("lightgbm")
    _needs("sklearn")
    from penstock.tasks.tabular.train import boosting, linear

    def fits(problem: Problem) -> list[Fit]:
        trees = [_shaped(shape, problem.seed + place) for place, shape in enumerate(boosting.shapes(problem.rows))]
        return [linear.fit, *trees]

    return _train("tabular-ensemble.v1", request, fits)


def _shaped(shape: Any, seed: int) -> Fit:
    from penstock.tasks.tabular.train import boosting

    return lambda problem, tell: boosting.fit(problem, shape, seed, tell)


def _needs(library: str) -> None:
    from importlib import import_module

    with training_libraries("training on tables"):
        import_module(library)
        import_module("scipy.optimize")


def _train(
    kind: str, request: TrainRequest, fits: Callable[[Problem], Sequence[Fit]], *, best: bool = False
) -> Trained:
    """best: of several fits the one with the least held-out loss, instead of all of them mixed."""
    began = time.perf_counter()
    problem = problem_of(request)
    wanted = fits(problem)
    fitted = _fitted(problem, wanted, request.progress)
    if best:
        fitted = [min(fitted, key=lambda each: loss_of(each.held, problem))]
    request.progress("train", 100 * len(wanted) // (len(wanted) + 1), 100, "calibrating")
    trained = _finish(kind, problem, fitted, began)
    request.progress("train", 100, 100, "done")
    return trained


def _fitted(problem: Problem, fits: Sequence[Fit], progress: Progress) -> list[Fitted]:
    done = []
    for place, fit in enumerate(fits):
        tell = part(progress, "train", place / (len(fits) + 1), (place + 1) / (len(fits) + 1), "fitting")
        tell(0.0)
        done.append(fit(problem, tell))
        if not np.isfinite(done[-1].held).all():
            raise Broken("a fit gave scores that are not finite", hint="look for huge numbers in the data")
    return done


def _finish(kind: str, problem: Problem, fitted: Sequence[Fitted], began: float) -> Trained:
    """Mix the members, make scores mean something, and pack."""
    weights, held = mix(problem, fitted)
    members = [(float(weight), each.member) for weight, each in zip(weights, fitted, strict=True) if weight > 1e-3]
    notes = [
        each.note if len(fitted) == 1 else f"{w:.2f} of {each.note}" for w, each in zip(weights, fitted, strict=True)
    ]
    extra: dict[str, Any] = {}
    if problem.classes:
        from penstock.tasks.tabular.train.calibrating import calibrate

        extra["calibration"], note = calibrate(held, problem.y, problem.classes, problem.seed)
        extra["decision"] = problem.decision
    else:
        from penstock.tasks.tabular.train.conformal import interval_of

        share = problem.options.interval if isinstance(problem.options, RegressionOptions) else 0.9
        extra["interval"], note = interval_of(problem, held, share)
    offset = np.zeros(problem.outputs)
    settings = {
        **settings_of(problem.encoding.schema, members, offset, **extra),
        "rows": problem.rows,
        "seed": problem.seed,
    }
    spread = extra["interval"].spread if "interval" in extra else None
    files = to_files([member for _, member in members], spread)
    model = open_parts(kind, Parts(problem.labels, settings, files.__getitem__, "the trained model"))
    _check_same(model, problem, members)
    equation = _equation(problem, members)
    return Trained(
        model=model,
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        notes=(*notes, note, *equation),
    )


def _equation(problem: Problem, members: Sequence[tuple[float, Any]]) -> tuple[str, ...]:
    """A plain line in words, where there is only one number to read."""
    if problem.classes or len(problem.encoding.features) != 1 or not isinstance(members[0][1], Linear):
        return ()
    line = members[0][1]
    slope = float(line.weights[0, 0])
    start = float(line.base[0] - slope * line.mean[0])
    start = 0.0 if abs(start) < 1e-9 * (1.0 + abs(float(line.base[0]))) else start
    return (f"value = {slope:.4g} * {problem.encoding.features[0].name} {start:+.4g}",)


def _check_same(model: Tabular, problem: Problem, members: Sequence[tuple[float, Any]]) -> None:
    """The model that will be saved must score as the members in memory."""
    for row in np.linspace(0, problem.rows - 1, num=min(problem.rows, 50), dtype=np.int64):
        vector = problem.x[row]
        expected = sum(weight * member.scores(vector) for weight, member in members)
        if not np.allclose(model.scores(vector), expected, rtol=1e-9, atol=1e-9):
            raise Broken("the saved model scores otherwise than the fitted one", where=model.kind)
