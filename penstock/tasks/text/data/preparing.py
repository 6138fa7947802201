"""Labelled texts of a product of penstock.toml, fit for training: read, cleaned and split in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput
from penstock.datasets import grouping
from penstock.datasets.cleaning import Cleaned, clean
from penstock.datasets.labels import ONE, Labelling
from penstock.datasets.out_of_scope import parted, read_unlabelled
from penstock.datasets.readers import ReadLabel, columns_of, label_of, read_most
from penstock.datasets.report import Example, Finding, with_unreadable
from penstock.datasets.rows import Prepared, Row, as_objects
from penstock.tasks.text.data.options import TextOptions, read_options
from penstock.workspace.records import Product


def prepare_texts(product: Product, folder: Path, extra: Sequence[Mapping[str, Any]] = ()) -> Prepared:
    """Read the product's data (and test file, if it names one) from the workspace's `folder`, clean and split them.

    extra: feedback rows that join train. The test rows are the same with and without them. Raises BadInput.
    """
    options = read_options(product.options)
    cleaned = cleaned_texts(product, folder, [Row(**row) for row in extra])
    prepared = Prepared(as_objects(cleaned.train), as_objects(cleaned.test), cleaned.report)
    if options.out_of_scope is None:
        return prepared
    return _joined(prepared, product, folder / options.out_of_scope, [*cleaned.train, *cleaned.test])


def cleaned_texts(
    product: Product, folder: Path, extra: Sequence[Row], *, label: ReadLabel = label_of, by: Labelling = ONE
) -> Cleaned:
    """The product's rows, read, cleaned and split as its options say, with the whole report. label: reads a label's
    cell. by: what labels rows have. Raises BadInput."""
    options = read_options(product.options)
    most = options.max_unreadable
    train, unread = read_most(folder / product.data, product.columns, most, label)
    test, untested = (
        (None, ()) if product.test is None else read_most(folder / product.test, product.columns, most, label)
    )
    cells = _cells(options, product, folder)
    share, seed = product.cleaning.test_share, product.seed

    def aside(base: Sequence[Row]) -> tuple[list[Row], list[Row]]:
        if options.group:
            return grouping.by_group(base, cells or {}, share, seed)
        return grouping.by_time(base, cells or {}, str(options.time), share)

    split = None if cells is None else aside
    cleaned = clean(train, test, product.cleaning, seed, extra=extra, aside=split, by=by)
    found = _split_findings(cleaned, options, product, folder, cells)
    report = replace(cleaned.report, findings=(*cleaned.report.findings, *found))
    return replace(cleaned, report=with_unreadable(report, "unreadable-row", _examples(unread), _examples(untested)))


def labels_of(product: Product, folder: Path) -> list[str]:
    """The label of every row of the data that can be read. Raises BadInput."""
    most = read_options(product.options).max_unreadable
    return [row.label for row in read_most(folder / product.data, product.columns, most)[0]]


def _examples(wrong: Sequence[BadInput]) -> list[Example]:
    return [Example(error.where or "", error.message, "") for error in wrong]


def _cells(options: TextOptions, product: Product, folder: Path) -> grouping.Cells | None:
    """The column to split by, None where no option names one. Raises BadInput."""
    column = options.group or options.time
    if column is None:
        return None
    if product.test is not None:
        name = "group" if options.group else "time"
        hint = f"leave `{name}` out, or the test file, so that the data are split by {column!r}"
        raise BadInput("a product with a test file is not split", where=f"options.{name}", hint=hint)
    return grouping.column_of(folder / product.data, column)


def _split_findings(
    cleaned: Cleaned, options: TextOptions, product: Product, folder: Path, cells: grouping.Cells | None
) -> tuple[Finding, ...]:
    """What the rows were split by, or columns that they might better be."""
    known = {row.origin for row in cleaned.train} if cells is None else cells.keys()
    train = [row.origin for row in cleaned.train if row.origin in known]  # without feedback, which has no such column
    test = [row.origin for row in cleaned.test]
    if cells is not None:
        kind, column = ("group", options.group) if options.group else ("time", options.time)
        return (grouping.split_by("group" if kind == "group" else "time", str(column), cells, train, test),)
    if product.test is not None:
        return ()
    named = columns_of(product.columns)
    return grouping.hints(grouping.columns_beside(folder / product.data, (named["text"], named["label"])), train, test)


def _joined(prepared: Prepared, product: Product, path: Path, known: Sequence[Row]) -> Prepared:
    """With the texts of the out-of-scope file, half of them to calibrate by and half to test with."""
    rows = read_unlabelled(path, product.columns.get("text", "text"))
    calibrating, testing, findings = parted(rows, known, product.cleaning.max_chars, product.seed)
    report = replace(
        prepared.report,
        read_train=prepared.report.read_train + len(rows),
        rows_train=prepared.report.rows_train + len(calibrating),
        rows_test=prepared.report.rows_test + len(testing),
        findings=(*prepared.report.findings, *findings),
    )
    return Prepared([*prepared.train, *calibrating], [*prepared.test, *testing], report)
