"""Texts with any number of labels: how several are written in one cell, and rows of them ready to train and to measure.

Between reading and the dataset version a row's label is its labels in order, with the separator between them, so that
every step of cleaning that asks whether two rows say the same works as for one label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput
from penstock.datasets.compare import Kept, normalise
from penstock.datasets.guess import list_in
from penstock.datasets.labels import Labelling
from penstock.datasets.readers import label_of, read_most
from penstock.datasets.rows import Prepared, Row
from penstock.tasks.text.data.options import read_options
from penstock.tasks.text.data.preparing import cleaned_texts
from penstock.workspace.records import Product

LabelSet = tuple[str, ...]
"""The labels of one text, sorted, each once; () where none fits."""


@dataclass(frozen=True)
class LabelledSets:
    """Rows as trainers and evaluation see them: inputs[i] has the labels labels[i]. options, origins: as in Split."""

    inputs: Sequence[str]
    labels: Sequence[LabelSet]
    options: Any = None
    origins: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def texts(self) -> Sequence[str]:
        return self.inputs


@dataclass(frozen=True)
class Separated:
    """Labels in one cell, with this sign between them."""

    separator: str

    def read(self, value: object, where: str) -> str:
        """A cell's labels as a row keeps them: a list, a list in JSON, or labels with the separator between; an empty
        cell is no label. Raises BadInput."""
        labels = [label_of(part, where) for part in self._parts(value)]
        if inside := next((label for label in labels if self.separator in label), None):
            hint = 'name a sign that is in no label: options = { multi_label = true, label_separator = ";" }'
            raise BadInput(f"the label {inside!r} holds the separator {self.separator!r}", where=where, hint=hint)
        return self.joined(labels)

    def _parts(self, value: object) -> Sequence[Any]:
        listed = value if isinstance(value, list | tuple) else list_in(value)
        if listed is not None:
            return listed
        parts = value.split(self.separator) if isinstance(value, str) else [value]
        return [part for part in parts if _given(part)]

    def joined(self, labels: Iterable[str]) -> str:
        return self.separator.join(sorted(set(labels)))

    def labels_of(self, label: str) -> LabelSet:
        """The labels that a row keeps as one."""
        return tuple(label.split(self.separator)) if label else ()

    def labelling(self) -> Labelling:
        """What cleaning must know of such rows. A label that is dropped leaves its rows: the others still fit them."""

        def of(row: Row) -> LabelSet:
            return self.labels_of(row.label)

        def made(row: Row, labels: Iterable[str]) -> Row:
            return replace(row, label=self.joined(labels))

        return Labelling(
            of=of,
            renamed=lambda row, names: made(row, (names.get(label, label) for label in of(row))),
            without=lambda row, labels: made(row, (label for label in of(row) if label not in labels)),
            suspects=lambda rows, seed: [],
            united=self.united,
        )

    def united(self, rows: Sequence[Row]) -> Kept:
        """A text whose rows have one label each and not all the same, as a file with a row for each label: one row with
        all of them. Rows that differ otherwise contradict each other."""
        groups: dict[str, dict[str, Row]] = defaultdict(dict)  # of each text the first row of each label
        for row in rows:
            groups[normalise(row.text)].setdefault(row.label, row)
        kept, dropped = [], []
        for row in rows:
            own = groups[normalise(row.text)]
            if len(own) == 1 or any(len(self.labels_of(label)) != 1 for label in own):
                kept.append(row)
            elif row is (first := next(iter(own.values()))):
                kept.append(replace(row, label=self.joined(own)))
            else:
                dropped.append((row, first.origin))
        return Kept(kept, dropped)


def prepare_sets(product: Product, folder: Path, extra: Sequence[Mapping[str, Any]] = ()) -> Prepared:
    """As `prepare_texts`, of rows with any number of labels; extra rows have a list of them."""
    written = separated(product)
    fed = [_fed(written, **row) for row in extra]
    cleaned = cleaned_texts(product, folder, fed, label=written.read, by=written.labelling())
    train, test = (_objects(written, rows) for rows in (cleaned.train, cleaned.test))
    return Prepared(train, test, cleaned.report)


def labels_in_rows(product: Product, folder: Path) -> list[str]:
    """Every label of every row of the data that can be read. Raises BadInput."""
    written, most = separated(product), read_options(product.options).max_unreadable
    rows = read_most(folder / product.data, product.columns, most, written.read)[0]
    return [label for row in rows for label in written.labels_of(row.label)]


def separated(product: Product) -> Separated:
    """How the product's files write several labels."""
    return Separated(read_options(product.options).label_separator)


def split_sets(rows: Sequence[Mapping[str, Any]], product: Product) -> LabelledSets:
    """Rows of a dataset version; one from before there were several labels has rows with one, or with none."""
    labels = tuple(tuple(row["labels"] if "labels" in row else filter(None, [row["label"]])) for row in rows)
    origins = tuple(row.get("origin", "") for row in rows)
    return LabelledSets(tuple(row["text"] for row in rows), labels, read_options(product.options), origins)


def _fed(written: Separated, labels: Sequence[str], origin: str, **rest: Any) -> Row:
    return Row(label=written.read(written.separator.join(labels), origin), origin=origin, **rest)


def _objects(written: Separated, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as a dataset version keeps them, in canonical order."""
    ordered = sorted(rows, key=lambda row: (row.text, row.label, row.origin))
    return [
        {
            "text": row.text,
            "labels": list(written.labels_of(row.label)),
            "origin": row.origin,
            "customer": row.customer,
        }
        for row in ordered
    ]


def _given(value: object) -> bool:
    """Whether a cell holds anything: spreadsheets write nothing as no value, or as not a number."""
    return value is not None and str(value).strip().lower() not in ("", "nan")
