"""The records that flow through this package: a labelled text, a split of them, and any task's rows made ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from penstock.datasets.report import CleaningReport

TaskRow: TypeAlias = Mapping[str, Any]
"""A row of any task, as JSON has it: what its columns mean only the task knows."""


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled text. origin: "file.csv:12" (the line or row it was read from) or "feedback:fb_...".

    customer: whose data it is, when it came back from use; None for the company's own rows.
    """

    text: str
    label: str
    origin: str
    customer: str | None = None


@dataclass(frozen=True)
class Split:
    """Labelled rows as trainers and evaluation see them: inputs[i] is labelled labels[i].

    An input is whatever the task's models read: a text, an image (height, width, channels), a table's row. options: of
    the product, where its task measures by them. origins: where each row was read, for messages; () where nobody knows.
    outside: inputs that no label fits, to calibrate or test "don't know" by; never learned from.
    """

    inputs: Sequence[Any]
    labels: Sequence[str]
    options: Any = None
    origins: Sequence[str] = ()
    outside: Sequence[Any] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def part(self, rows: Iterable[int]) -> Split:
        """These of its rows, in this order."""
        chosen, columns = list(rows), (self.inputs, self.labels, self.origins)
        inputs, labels, origins = (tuple(each[row] for row in chosen) if len(each) else () for each in columns)
        return replace(self, inputs=inputs, labels=labels, origins=origins)

    @property
    def texts(self) -> Sequence[str]:
        """The inputs of a task that reads text."""
        return self.inputs

    @property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted(set(self.labels)))


@dataclass(frozen=True)
class Prepared:
    """A task's rows as JSON objects, cleaned, and the account of how they became so.

    The order is canonical: the same rows in another file order come out the same, so that they are the same dataset
    version. `origin` ("file.csv:12", "feedback:fb_…") and `customer` (None: the company's own) are read by the house
    where a row has them; every other key is the task's.
    """

    train: Sequence[TaskRow]
    test: Sequence[TaskRow]
    report: CleaningReport


def as_objects(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Labelled texts as a dataset version keeps them, in canonical order."""
    return [asdict(row) for row in sorted(rows, key=lambda row: (row.text, row.label, row.origin))]


def split_of(rows: Sequence[Row]) -> Split:
    """Rows without their origins."""
    return Split(tuple(row.text for row in rows), tuple(row.label for row in rows))
