"""From a product of penstock.toml to rows fit for training: read, clean and split in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penstock.datasets.cleaning import Cleaned, clean
from penstock.datasets.readers import read_rows
from penstock.datasets.rows import Row
from penstock.workspace.records import Product


def prepare(product: Product, folder: Path, extra: Sequence[Row] = ()) -> Cleaned:
    """Read the product's data (and test file, if it names one) from the workspace's `folder`, clean and split them.

    extra: feedback rows that join train. The test rows are the same with and without them. Raises BadInput.
    """
    train = read_rows(folder / product.data, product.columns)
    test = read_rows(folder / product.test, product.columns) if product.test is not None else None
    return clean(train, test, product.cleaning, product.seed, extra=extra)
