"""Tables' risks and estimates for customers' programs: builds the inputs from rows, reads the answers."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from penstock.client.core import Call, Prediction, listed, predict_as

Value: TypeAlias = float | int | str | bool | datetime.date | None
Row: TypeAlias = Mapping[str, Value]
Rows: TypeAlias = Row | Iterable[Row]
"""One row by column, or several."""


@dataclass(frozen=True)
class Reason:
    """What a column adds compared with a usual row: log-odds of `Risk.explains`, or units of the estimate."""

    column: str
    value: float | str | None
    effect: float


@dataclass(frozen=True)
class Risk:
    """label: the likeliest, with its probability. decision: the label to act on, where that costs least.

    probabilities: by label. explains: the label that the reasons speak for (effect > 0) or against.
    """

    label: str
    probability: float
    decision: str
    probabilities: Mapping[str, float]
    explains: str
    reasons: tuple[Reason, ...]

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> Risk:
        """One of `Prediction.outputs` of a tabular-classification product."""
        return cls(
            label=output["label"],
            probability=float(output["probability"]),
            decision=output["decision"],
            probabilities={label: float(each) for label, each in output["probabilities"].items()},
            explains=output["explains"],
            reasons=_reasons(output),
        )


@dataclass(frozen=True)
class Estimate:
    """A value, and the interval that holds the true one as often as the product promises."""

    value: float
    low: float
    high: float
    reasons: tuple[Reason, ...]

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> Estimate:
        """One of `Prediction.outputs` of a tabular-regression product."""
        return cls(float(output["value"]), float(output["low"]), float(output["high"]), _reasons(output))


def risks(product: str, rows: Rows, request_id: str | None = None) -> Call[Prediction[Risk]]:
    """The call that judges rows: `client.ask(tabular.risks("credit", [{"age": 41, "purpose": "car"}]))`."""
    return predict_as(Risk.from_output, product, table_inputs(rows), request_id)


def estimates(product: str, rows: Rows, request_id: str | None = None) -> Call[Prediction[Estimate]]:
    """The call that estimates: `client.ask(tabular.estimates("rents", [{"rooms": 3, "area": 71.5}]))`."""
    return predict_as(Estimate.from_output, product, table_inputs(rows), request_id)


def table_inputs(
    rows: Rows,
) -> list[dict[str, float | str | bool | None]]:
    """Inputs of rows by column: dates become ISO text, NaN (as data frames write it) null."""
    each = listed(rows, (Mapping,), "rows", each=(Mapping,))
    return [{str(column): _wire(value) for column, value in row.items()} for row in each]


def _wire(value: Value) -> float | str | bool | None:
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _reasons(output: Mapping[str, Any]) -> tuple[Reason, ...]:
    return tuple(Reason(each["column"], each["value"], float(each["effect"])) for each in output["reasons"])
