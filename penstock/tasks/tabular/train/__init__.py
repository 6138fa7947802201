"""The rungs of tables, cheapest first: gradient descent, regularised linear, boosted trees, a small ensemble."""

from __future__ import annotations

from penstock.training.records import Rung, Trained, Training, TrainRequest


def _descent(request: TrainRequest) -> Trained:
    from penstock.tasks.tabular.train.rungs import train_descent

    return train_descent(request)


def _linear(request: TrainRequest) -> Trained:
    from penstock.tasks.tabular.train.rungs import train_linear

    return train_linear(request)


def _boosting(request: TrainRequest) -> Trained:
    from penstock.tasks.tabular.train.rungs import train_boosting

    return train_boosting(request)


def _ensemble(request: TrainRequest) -> Trained:
    from penstock.tasks.tabular.train.rungs import train_ensemble

    return train_ensemble(request)


def _check(request: TrainRequest) -> None:
    from penstock.tasks.tabular.train.problem import check

    check(request)


RUNGS: tuple[Rung, ...] = (
    Rung("gradient-descent.v1", _descent, check=_check),
    Rung("tabular-linear.v1", _linear, check=_check),
    Rung("tabular-boosting.v1", _boosting, check=_check),
    Rung("tabular-ensemble.v1", _ensemble, check=_check),
)

TRAINING = Training(RUNGS)
