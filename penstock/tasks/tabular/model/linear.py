"""A linear member: scores (outputs,) of a vector, and what each feature adds to them compared with a usual row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import Broken
from penstock.tasks.tabular.model.encoding import Doubles


@dataclass(frozen=True, eq=False)
class Linear:
    """fill: what stands for a missing number (features,); mean: of training rows, filled; weights: (outputs, features)
    in the features' own units; base: the scores of the mean row (outputs,). kind of member: "linear"."""

    fill: Doubles
    mean: Doubles
    weights: Doubles
    base: Doubles

    def scores(self, vector: Doubles) -> Doubles:
        """(outputs,): summed feature by feature, so that a row never depends on its batch."""
        scores: Doubles = self.contributions(vector).sum(axis=1) + self.base
        return scores

    def contributions(self, vector: Doubles) -> Doubles:
        """(outputs, features): with `base` they add up to the scores. Exact Shapley values of a linear model whose
        features are independent (Lundberg and Lee 2017, corollary 1)."""
        filled = np.where(np.isnan(vector), self.fill, vector)
        each: Doubles = self.weights * (filled - self.mean)
        return each

    def tensors(self) -> dict[str, Doubles]:
        return {"fill": self.fill, "mean": self.mean, "weights": self.weights, "base": self.base}


def read_linear(tensors: Mapping[str, Doubles], features: int, outputs: int, where: str) -> Linear:
    """Raises Broken when the arrays do not fit a model of that size."""
    shapes = {"fill": (features,), "mean": (features,), "weights": (outputs, features), "base": (outputs,)}
    for name, shape in shapes.items():
        if name not in tensors or tensors[name].shape != shape or not np.isfinite(tensors[name]).all():
            raise Broken(f"the linear member's {name} is missing, of another size or not finite", where=where)
    return Linear(**{name: tensors[name] for name in shapes})
