"""Features filled and brought to mean 0 and spread 1 for linear fits, and fitted weights brought back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.tasks.tabular.model.encoding import Doubles
from penstock.tasks.tabular.model.linear import Linear


@dataclass(frozen=True, eq=False)
class Standard:
    """fill: the median of each feature; mean, spread: of the filled rows; a feature that never varies has spread 1."""

    fill: Doubles
    mean: Doubles
    spread: Doubles

    def matrix(self, x: Doubles) -> Doubles:
        """(rows, features) without NaN, standardised."""
        out: Doubles = (np.where(np.isnan(x), self.fill, x) - self.mean) / self.spread
        return out

    def member(self, weights: Doubles, base: Doubles) -> Linear:
        """weights (outputs, features) of standardised features, and intercepts (outputs,), in the features' units."""
        return Linear(self.fill, self.mean, weights / self.spread, base)


def standard_of(x: Doubles) -> Standard:
    """Learned from rows (rows, features)."""
    present = np.isfinite(x).any(axis=0)
    fill = np.zeros(x.shape[1])
    fill[present] = np.nanmedian(x[:, present], axis=0)
    filled = np.where(np.isnan(x), fill, x)
    spread = filled.std(axis=0)
    spread[spread < 1e-12 * np.maximum(1.0, np.abs(filled).max(axis=0))] = 1.0
    return Standard(fill, filled.mean(axis=0), spread)
