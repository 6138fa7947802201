"""Labelled texts of a product of penstock.toml, fit for training: read, cleaned and split in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.datasets.cleaning import clean
from penstock.datasets.out_of_scope import parted, read_unlabelled
from penstock.datasets.readers import read_rows
from penstock.datasets.rows import Prepared, Row, as_objects
from penstock.datasets.text_options import read_options
from penstock.workspace.records import Product


def prepare_texts(product: Product, folder: Path, extra: Sequence[Mapping[str, Any]] = ()) -> Prepared:
    """Read the product's data (and test file, if it names one) from the workspace's `folder`, clean and split them.

    extra: feedback rows that join train. The test rows are the same with and without them. Raises BadInput.
    """
    train = read_rows(folder / product.data, product.columns)
    test = read_rows(folder / product.test, product.columns) if product.test is not None else None
    cleaned = clean(train, test, product.cleaning, product.seed, extra=[Row(**row) for row in extra])
    prepared = Prepared(as_objects(cleaned.train), as_objects(cleaned.test), cleaned.report)
    outside = read_options(product.options).out_of_scope
    return (
        prepared if outside is None else _joined(prepared, product, folder / outside, [*cleaned.train, *cleaned.test])
    )


def _joined(prepared: Prepared, product: Product, path: Path, known: Sequence[Row]) -> Prepared:
    """With the texts of the out-of-scope file, half of them to calibrate by and half to test with."""
    rows = read_unlabelled(path, product.columns.get("text", "text"))
    calibrating, testing, findings = parted(rows, known, product.cleaning.max_chars, product.seed)
    report = replace(prepared.report, findings=(*prepared.report.findings, *findings))
    return Prepared([*prepared.train, *calibrating], [*prepared.test, *testing], report)
