"""Immutable dataset versions, named by their content, with the version each one grew from.

Knows rows and reports; not what was trained on them (models hold a version's id).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from penstock.core.errors import Broken, NotFound
from penstock.core.hashing import canonical_json, sha256_of
from penstock.datasets.report import CleaningReport
from penstock.datasets.rows import Prepared
from penstock.datasets.tables import dataset_version
from penstock.storage import counters
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction
from penstock.storage.sealed import open_row, opened, seal_rows


@dataclass(frozen=True)
class DatasetVersion:
    """id: sha256 of the rows. number: 1, 2, ... within the product. blob: where the rows lie. source: in words."""

    id: str
    product: str
    number: int
    blob: str
    report: CleaningReport
    rows_train: int
    rows_test: int
    parent: str | None
    source: str
    created_at: datetime


def add_version(
    tx: Transaction, blobs: BlobStore, *, product: str, prepared: Prepared, parent: str | None = None, source: str
) -> DatasetVersion:
    """Keep prepared rows as the product's next version; the same rows again answer the version there is.

    parent: id of the version it grew from. Raises NotFound when the product has no such version.
    """
    if parent is not None and _find(tx, product, dataset_version.c.id == parent) is None:
        raise NotFound(f"no dataset version {parent[:12]} of {product}", hint=_list_hint(product))
    content = _content(prepared)
    digest = sha256_of(content)
    counter = f"dataset_version:{product}"
    counters.take(tx, counter, 0)  # takes no number, but holds the counter: two writers of one product take turns
    same = _find(tx, product, dataset_version.c.id == digest)
    if same is not None:
        return _made_again(tx, blobs, same, prepared, content)
    version = DatasetVersion(
        id=digest,
        product=product,
        number=counters.take(tx, counter),
        blob=blobs.put(_packed(content)),
        report=prepared.report,
        rows_train=len(prepared.train),
        rows_test=len(prepared.test),
        parent=parent,
        source=source,
        created_at=tx.now,
    )
    values = {**vars(version), "organisation": tx.organisation, "report": version.report.to_json()}
    tx.execute(sa.insert(dataset_version), seal_rows(tx, dataset_version, [values]))
    return version


def _made_again(
    tx: Transaction, blobs: BlobStore, known: DatasetVersion, prepared: Prepared, content: bytes
) -> DatasetVersion:
    """The version there is, with what was lost of it (a deleted blob, a key): these are the same rows."""
    if not blobs.has(known.blob):
        blobs.put(_packed(content))
    if known.report != CleaningReport.from_json(_LOST):
        return known
    whole = replace(known, report=prepared.report)
    values = {**vars(whole), "organisation": tx.organisation, "report": whole.report.to_json()}
    (row,) = seal_rows(tx, dataset_version, [values])
    mine = dataset_version.c.organisation == tx.organisation, dataset_version.c.product == known.product
    tx.execute(
        sa.update(dataset_version).where(*mine, dataset_version.c.id == known.id).values({"report": row["report"]})
    )
    return whole


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=6, mtime=0)


def get_version(tx: Transaction, product: str, number: int | None = None) -> DatasetVersion:
    """Version `number` of the product, or the newest. Raises NotFound."""
    condition = sa.true() if number is None else dataset_version.c.number == number
    version = _find(tx, product, condition)
    if version is None:
        what = "no dataset version yet" if number is None else f"no dataset version {number}"
        raise NotFound(f"{what} of {product}", hint=_list_hint(product))
    return version


def find_version(tx: Transaction, product: str, digest: str) -> DatasetVersion:
    """The version with this id. Raises NotFound."""
    version = _find(tx, product, dataset_version.c.id == digest)
    if version is None:
        raise NotFound(f"no dataset version {digest[:12]} of {product}", hint=_list_hint(product))
    return version


def list_versions(tx: Transaction, product: str | None) -> list[DatasetVersion]:
    """All versions of the product, the newest first; None: of every product, by its name."""
    return [_version(row) for row in opened(tx, dataset_version, _select(tx, product))]


def load_rows(blobs: BlobStore, version: DatasetVersion) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(train, test) rows of a version, in order. Raises Broken when they were altered."""
    content = gzip.decompress(blobs.get(version.blob))
    if sha256_of(content) != version.id:
        raise Broken("the rows do not match their version's id", where=f"{version.product} version {version.number}")
    parts: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    for line in content.splitlines():
        row = msgspec.json.decode(line)
        parts[row.pop("split")].append(row)
    return parts["train"], parts["test"]


def _content(prepared: Prepared) -> bytes:
    """Canonical JSON lines, test then train: the task has put the rows in an order that no file decides."""
    lines = [*_lines("test", prepared.test), *_lines("train", prepared.train)]
    return b"".join(line + b"\n" for line in lines)


def _lines(part: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for row in rows:
        yield canonical_json({**row, "split": part})


def _select(tx: Transaction, product: str | None) -> sa.Select[Any]:
    table = dataset_version
    query = sa.select(table).where(table.c.organisation == tx.organisation)
    if product is not None:
        query = query.where(table.c.product == product)
    return query.order_by(table.c.product, table.c.number.desc())


def _find(tx: Transaction, product: str, condition: sa.ColumnElement[bool]) -> DatasetVersion | None:
    row = tx.first(_select(tx, product).where(condition).limit(1))
    return None if row is None else _version(open_row(tx, dataset_version, row))


def _version(row: Mapping[str, Any]) -> DatasetVersion:
    values = {name: value for name, value in row.items() if name != "organisation"}
    return DatasetVersion(**{**values, "report": CleaningReport.from_json(row["report"] or _LOST)})


_LOST: Mapping[str, Any] = {
    **dict.fromkeys(("read_train", "read_test", "read_feedback", "rows_train", "rows_test"), 0),
    **dict.fromkeys(("classes", "findings"), ()),
}
"""The report of a version whose key is lost."""


def _list_hint(product: str) -> str:
    return f"see: penstock data versions {product}"
