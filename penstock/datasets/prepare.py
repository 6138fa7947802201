"""Labelled texts of a product of penstock.toml, fit for training: read, cleaned and split in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.datasets.cleaning import clean
from penstock.datasets.readers import read_rows
from penstock.datasets.rows import Prepared, Row, as_objects
from penstock.workspace.records import Product


def prepare_texts(product: Product, folder: Path, extra: Sequence[Mapping[str, Any]] = ()) -> Prepared:
    """Read the product's data (and test file, if it names one) from the workspace's `folder`, clean and split them.

    extra: feedback rows that join train. The test rows are the same with and without them. Raises BadInput.
    """
    train = read_rows(folder / product.data, product.columns)
    test = read_rows(folder / product.test, product.columns) if product.test is not None else None
    cleaned = clean(train, test, product.cleaning, product.seed, extra=[Row(**row) for row in extra])
    return Prepared(as_objects(cleaned.train), as_objects(cleaned.test), cleaned.report)
