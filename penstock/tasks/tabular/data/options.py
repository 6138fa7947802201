"""What [products.NAME.options] may say of a table. It checks words and numbers, not whether the columns exist."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from penstock.datasets.numbers import form_from
from penstock.workspace.records import Record
from penstock.workspace.values import Ratio


def _label(value: object) -> object:
    """A label as the reader writes it: 1 and true are names of classes too."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


Label = Annotated[str, BeforeValidator(_label)]
Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _notation(value: str) -> str:
    return str(form_from(value))


def _several(value: object) -> object:
    """What holds for all columns, as for the column named "" where none is."""
    return value if isinstance(value, dict) else {"": value}


Words = Annotated[dict[str, tuple[Annotated[str, BeforeValidator(_label)], ...]], BeforeValidator(_several)]
Notations = Annotated[dict[str, Annotated[str, AfterValidator(_notation)]], BeforeValidator(_several)]
Orders = Annotated[dict[str, Literal["MM/DD/YYYY", "DD/MM/YYYY"]], BeforeValidator(_several)]


class Costs(Record):
    """What a wrong decision costs, in any one unit. false_negative: the positive label was missed."""

    false_negative: Cost = 1.0
    false_positive: Cost = 1.0

    @model_validator(mode="after")
    def _some(self) -> Costs:
        if self.false_negative + self.false_positive == 0:
            raise ValueError("at least one kind of mistake must cost something")
        return self

    @property
    def threshold(self) -> float:
        """The probability of the positive label from which deciding for it costs less (Elkan 2001, IJCAI)."""
        return self.false_positive / (self.false_positive + self.false_negative)


class TableOptions(Record):
    """target: the column to predict. drop, known_after: columns that are no inputs. time, group: split by them.

    types: columns read otherwise than they look. missing: texts that stand for no value, of all columns or by column.
    numbers, dates: how columns write them, where the cells do not tell: of all columns or by column.
    missing_zero: columns whose zeros stand for missing values.
    monotone: "+" or "-" by number column: the answer never falls, or never rises, with it. fairness: columns whose
    groups are compared in the report. allow_leakage: columns kept although they predict the target too well. leaks:
    what is done with others that do: training stops and asks, or they are left out, or kept. refit: once the gate has
    said yes, the recipe is trained again on the test rows too, and a release serves that.
    """

    target: str = Field(default="target", min_length=1)
    drop: tuple[str, ...] = ()
    known_after: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None
    types: dict[str, Literal["number", "category", "date"]] = Field(default_factory=dict)
    missing: Words = Field(default_factory=dict)
    numbers: Notations = Field(default_factory=dict)
    dates: Orders = Field(default_factory=dict)
    missing_zero: tuple[str, ...] = ()
    monotone: dict[str, Literal["+", "-"]] = Field(default_factory=dict)
    fairness: tuple[str, ...] = ()
    allow_leakage: tuple[str, ...] = ()
    leaks: Literal["ask", "drop", "keep"] = "ask"
    refit: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _consistent(self) -> TableOptions:
        outside = {*self.drop, *self.known_after, *(name for name in (self.time, self.group) if name)}
        if self.target in outside:
            raise ValueError(f"the target {self.target!r} cannot be left out too")
        for key, names in (("monotone", self.monotone), ("allow_leakage", self.allow_leakage), ("types", self.types)):
            for name in names:
                if name == self.target or name in outside:
                    raise ValueError(f"{key} names {name!r}, which is no input")
        return self

    def missing_of(self, column: str) -> frozenset[str]:
        """The texts that stand for no value in a column, besides an empty cell; "0" stands for every zero."""
        zero = ("0",) if column in self.missing_zero else ()
        return frozenset((*self.missing.get("", ()), *self.missing.get(column, ()), *zero))

    def notation_of(self, column: str) -> str | None:
        """How 1234.5 is written in a column; None where its cells tell."""
        return self.numbers.get(column, self.numbers.get(""))

    def order_of(self, column: str) -> str | None:
        """Whether month or day come first in a column of dates; None where its cells tell."""
        return self.dates.get(column, self.dates.get(""))

    @property
    def outside(self) -> tuple[str, ...]:
        """Columns named as no inputs, other than the target, in a fixed order."""
        named = (*self.drop, *self.known_after, self.time, self.group)
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """(option, column) for every column named: all must be in the data."""
        lists = {name: getattr(self, name) for name in ("drop", "known_after", "types", "missing_zero", "monotone")}
        lists |= {key: [c for c in getattr(self, key) if c] for key in ("missing", "numbers", "dates")}
        lists |= {"fairness": self.fairness, "allow_leakage": self.allow_leakage}
        lists |= {"time": (self.time,) if self.time else (), "group": (self.group,) if self.group else ()}
        return tuple((key, name) for key, names in lists.items() for name in names)


class ClassificationOptions(TableOptions):
    """positive: the label whose probability is decided on, by default the rarer of two."""

    positive: Label | None = None
    costs: Costs = Costs()


class RegressionOptions(TableOptions):
    """interval: the share of true values that the predicted intervals are to hold."""

    interval: Ratio = Field(default=0.9, ge=0.5, le=0.99)
