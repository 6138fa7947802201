"""Maps from scores (log-odds) to probabilities: small, monotone, kept as JSON. Fitting them is training's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.tasks.tabular.model.encoding import Doubles

CLOSEST = 1e-6  # no probability is nearer to 0 or 1: a table's rows never prove so much


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities.

    platt: sigmoid(a s + b) (Platt 1999). beta: sigmoid(a ln p - b ln(1 - p) + c) of p = sigmoid(s) (Kull, Silva Filho
    and Flach 2017). centred-isotonic: straight lines between the centres of isotonic blocks (Oron and Flournoy 2017),
    which keeps ranks. temperature: softmax(s / a), for any number of labels (Guo et al. 2017).
    """

    kind: str
    numbers: tuple[float, ...] = ()
    points: tuple[tuple[float, float], ...] = ()

    def probabilities(self, scores: Doubles) -> Doubles:
        """(labels,) of one row's scores: (1,) for two labels (log-odds of the second), else (labels,)."""
        if self.kind == "temperature":
            raised = np.exp((scores - scores.max()) / self.numbers[0])
            out: Doubles = raised / raised.sum()
            return out
        positive = min(1 - CLOSEST, max(CLOSEST, self.positive(float(scores[0]))))
        return np.array([1 - positive, positive])

    def positive(self, score: float) -> float:
        """The probability of the second of two labels."""
        if self.kind == "platt":
            return sigmoid(self.numbers[0] * score + self.numbers[1])
        if self.kind == "beta":
            a, b, c = self.numbers
            # ln sigmoid(s) = -ln(1 + e^-s), and ln(1 - sigmoid(s)) = -ln(1 + e^s)
            return sigmoid(-a * _softplus(-score) + b * _softplus(score) + c)
        at = [point[0] for point in self.points]
        return float(np.interp(score, at, [point[1] for point in self.points]))

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "numbers": list(self.numbers), "points": [list(point) for point in self.points]}


def read_calibration(content: Mapping[str, Any], where: str) -> Calibration:
    """Raises Broken when it is none, or would not keep the order of scores."""
    found = Calibration(
        str(content["kind"]),
        tuple(map(float, content["numbers"])),
        tuple((float(at), float(value)) for at, value in content["points"]),
    )
    sizes = {"platt": 2, "beta": 3, "temperature": 1, "centred-isotonic": 0}
    right = sizes.get(found.kind) == len(found.numbers) and all(map(math.isfinite, found.numbers))
    if found.kind == "temperature":
        right = right and found.numbers[0] > 0
    elif found.kind in ("platt", "beta"):
        right = right and all(slope >= 0 for slope in found.numbers[:-1])
    elif right:
        points = np.array(found.points)
        right = points.ndim == 2 and len(points) >= 2 and bool((np.diff(points, axis=0) >= 0).all())
        right = right and bool(np.isfinite(points).all()) and points[0, 1] >= 0 and points[-1, 1] <= 1
    if not right:
        raise Broken(f"holds no calibration that keeps the order of scores: {found.kind!r}", where=where)
    return found


def sigmoid(score: float) -> float:
    """1 / (1 + e^-s), without overflow."""
    return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))


def _softplus(score: float) -> float:
    return max(score, 0.0) + math.log1p(math.exp(-abs(score)))
