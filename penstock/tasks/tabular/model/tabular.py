"""The model of a table: members' scores mixed, then made probabilities, or a value with its interval.

It knows typed rows and numpy: neither LightGBM nor scikit-learn, and no wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import Broken
from penstock.models.protocol import Floats, Opener, Parts
from penstock.tasks.tabular.data.schema import Schema, Value, Values
from penstock.tasks.tabular.model.calibration import Calibration, read_calibration
from penstock.tasks.tabular.model.encoding import Doubles, Encoding
from penstock.tasks.tabular.model.linear import Linear, read_linear
from penstock.tasks.tabular.model.trees import Trees, read_trees

RUNGS = ("gradient-descent.v1", "tabular-linear.v1", "tabular-boosting.v1", "tabular-ensemble.v1")
FILE = "members.safetensors"
ESTIMATE = ("value", "low", "high")
LARGEST = 3e38  # of float32

Member = Linear | Trees


@dataclass(frozen=True)
class Decision:
    """positive: the label decided on, and the probability of it from which that costs least."""

    positive: str
    threshold: float
    false_negative: float = 1.0
    false_positive: float = 1.0


@dataclass(frozen=True)
class Interval:
    """What is added to a value for its interval: factor times the spread that `spread` (log of it) gives the row.

    share: of true values that it is to hold. least, most: bounds of the spread.
    """

    share: float
    factor: float
    spread: Linear | None
    least: float
    most: float

    def half(self, vector: Doubles) -> float:
        """Half the interval's width at a row."""
        if self.spread is None:
            return self.factor
        at = float(np.exp(np.clip(self.spread.scores(vector)[0], -700, 700)))
        return self.factor * min(self.most, max(self.least, at))


@dataclass(frozen=True)
class Reason:
    """What a column adds to a score compared with a usual row: log-odds of a label, or units of the value."""

    column: str
    value: Value
    effect: float


@dataclass(frozen=True, eq=False)
class Tabular:
    """A row's score is the sum over members of weight times score, plus an offset (outputs,). Two labels have one
    output, the log-odds of the second; more have one each; an estimate has one, in units of the target."""

    labels: tuple[str, ...]
    encoding: Encoding
    members: tuple[tuple[float, Member], ...]
    offset: Doubles
    calibration: Calibration | None
    interval: Interval | None
    decision: Decision | None
    kind: str

    @property
    def schema(self) -> Schema:
        """The inputs it reads."""
        return self.encoding.schema

    def predict(self, inputs: Sequence[Values]) -> Floats:
        """Probabilities (n, labels), or value, low and high (n, 3)."""
        out = np.empty((len(inputs), len(self.labels)), dtype=np.float32)
        for row, values in enumerate(inputs):
            out[row] = self._answer(self.encoding.vector(values))
        return out

    def scores(self, vector: Doubles) -> Doubles:
        """The scores (outputs,) of one row's vector."""
        total = self.offset.copy()
        for weight, member in self.members:
            total += weight * member.scores(vector)
        return total

    def decide(self, probabilities: Floats) -> int:
        """The number of the label to act on (labels,): of two, the positive one from the threshold on, where that
        costs less; of more, the likeliest."""
        if self.decision is None:
            return int(probabilities.argmax())
        return int(float(probabilities[1]) >= self.decision.threshold)

    def reasons(self, values: Values, output: int = 0) -> list[Reason]:
        """What every column adds to one output's score, the largest effects first.

        With the score of a usual row they add up to the score, before calibration.
        """
        vector = self.encoding.vector(values)
        each = np.zeros(len(vector))
        for weight, member in self.members:
            each += weight * member.contributions(vector)[output]
        columns = self.encoding.columns
        sums = np.bincount(self.encoding.column_of, weights=each, minlength=len(columns))
        order = np.argsort(-np.abs(sums), kind="stable")
        return [Reason(columns[place], values.get(columns[place]), float(sums[place])) for place in order]

    def usual(self, output: int = 0) -> float:
        """The score that reasons start from: the mean over training rows."""
        return float(self.offset[output] + sum(weight * member.base[output] for weight, member in self.members))

    def _answer(self, vector: Doubles) -> Doubles:
        scores = self.scores(vector)
        if self.calibration is not None:
            return self.calibration.probabilities(scores)
        value = float(scores[0])
        half = self.interval.half(vector) if self.interval is not None else 0.0
        return np.clip([value, value - half, value + half], -LARGEST, LARGEST)


def to_files(members: Sequence[Member], spread: Linear | None) -> dict[str, bytes]:
    """What an artifact holds besides its settings. Arrays keep their own types: thresholds are float64."""
    from safetensors.numpy import save

    named = [*enumerate(members), *([("spread", spread)] if spread is not None else [])]
    tensors = {f"{name}.{key}": np.ascontiguousarray(array) for name, each in named for key, array in _tensors(each)}
    content: bytes = save(tensors)
    return {FILE: content}


def settings_of(
    schema: Schema,
    members: Sequence[tuple[float, Member]],
    offset: Doubles,
    *,
    calibration: Calibration | None = None,
    interval: Interval | None = None,
    decision: Decision | None = None,
) -> dict[str, Any]:
    """The JSON beside the arrays; floats are written so that they are read back the same."""
    found: dict[str, Any] = {
        "schema": schema.to_json(),
        "members": [{"is": "linear" if isinstance(m, Linear) else "trees", "weight": float(w)} for w, m in members],
        "offset": [float(each) for each in offset],
    }
    if calibration is not None:
        found["calibration"] = calibration.to_json()
    if interval is not None:
        numbers = {name: float(getattr(interval, name)) for name in ("share", "factor", "least", "most")}
        found["interval"] = {**numbers, "spread": interval.spread is not None}
    if decision is not None:
        found["decision"] = {name: getattr(decision, name) for name in Decision.__dataclass_fields__}
    return found


def open_parts(kind: str, parts: Parts) -> Tabular:
    """The model that was saved. Raises Broken when the parts do not fit."""
    from safetensors.numpy import load

    try:
        settings = parts.settings
        encoding = Encoding(Schema.from_json(settings["schema"], parts.where))
        offset = np.array(settings["offset"], dtype=np.float64)
        shape = (len(encoding.features), len(offset))
        tensors = load(parts.read(FILE))
        members = tuple(
            (float(each["weight"]), _read_member(each["is"], _named(tensors, str(place)), shape, parts.where))
            for place, each in enumerate(settings["members"])
        )
        calibration = read_calibration(settings["calibration"], parts.where) if "calibration" in settings else None
        interval = None
        if "interval" in settings:
            has = settings["interval"]["spread"]
            spread = read_linear(_named(tensors, "spread"), shape[0], 1, parts.where) if has else None
            interval = Interval(**{**settings["interval"], "spread": spread})
        decision = Decision(**settings["decision"]) if "decision" in settings else None
    except (KeyError, TypeError, ValueError) as error:
        raise Broken(f"is no model of a table: {error}", where=parts.where) from None
    model = Tabular(parts.labels, encoding, members, offset, calibration, interval, decision, kind)
    _check(model, parts.where)
    return model


def _check(model: Tabular, where: str) -> None:
    wanted = 1 if model.calibration is None or model.calibration.kind != "temperature" else len(model.labels)
    numbers = [weight for weight, _ in model.members]
    fits = len(model.offset) == wanted and bool(np.isfinite([*model.offset, *numbers]).all())
    if model.calibration is None:
        fits = fits and model.labels == ESTIMATE
    elif model.calibration.kind != "temperature":
        fits = fits and len(model.labels) == 2
    if model.decision is not None:
        fits = fits and model.decision.positive in model.labels
    if not (fits and model.members):
        raise Broken("the parts of the table's model do not fit each other", where=where)


def _tensors(member: Member) -> list[tuple[str, NDArray[Any]]]:
    return list(member.tensors().items())


def _named(tensors: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    start = f"{name}."
    return {key.removeprefix(start): array for key, array in tensors.items() if key.startswith(start)}


def _read_member(what: str, tensors: Mapping[str, NDArray[Any]], shape: tuple[int, int], where: str) -> Member:
    if what == "linear":
        return read_linear(tensors, *shape, where)
    if what == "trees":
        return read_trees(tensors, *shape, where)
    raise Broken(f"knows no member {what!r}", where=where)


KINDS: Mapping[str, Opener] = {kind: partial(open_parts, kind) for kind in RUNGS}
