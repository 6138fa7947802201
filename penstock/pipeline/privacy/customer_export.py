"""All of one customer's data in one file: JSON lines, PDFs of its invoices, and a page that names each file and field.

What it reads is analytics.belongings'; the file is there whole or not at all.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from penstock.analytics import belongings
from penstock.identity.customers import get_customer
from penstock.pipeline.money import invoice_pdf
from penstock.runtime.house import House, drafts_of
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.archive import Archive, written

FORMAT = 1
README = "README.json"
_PDFS = {"invoices": "invoices", "credit_notes": "credit-notes"}
_AUDIT = {
    "number": "integer",
    "at": "time, ISO 8601 in UTC",
    "who": "text",
    "role": "text",
    "act": "text",
    "changes": "JSON",
}


@dataclass(frozen=True)
class Exported:
    """An export that was written. rows: of all files together; documents: PDFs."""

    customer: str
    file: str
    made_at: datetime
    files: int
    rows: int
    documents: int
    size_bytes: int


def export_customer(house: House, ref: str, target: Path, progress: Progress = no_progress) -> Exported:
    """Write everything that belongs to the customer into the new file `target`, a ZIP, readable by its owner only.

    Each page is read in a transaction of its own, so use goes on meanwhile, and later pages hold what came since.
    Raises as get_customer does; Conflict where `target` is there already, NotFound without its folder.
    """
    with house.store.read() as tx:
        who, made_at = get_customer(tx, ref), tx.now
    with written(target, drafts_of(house.workspace)) as archive:
        files = list(_files(house, who.id, archive, progress))
        documents = [one for one in archive.parts if one["name"].endswith(".pdf")]
        about = {"format": FORMAT, "company": house.workspace.company.name, "customer": who.id}
        readme = {**about, "made_at": made_at.isoformat(), "left_out": belongings.left_out(), "files": files}
        archive.add(README, io.BytesIO(json.dumps(readme, ensure_ascii=False, indent=1).encode()), pack=True)
        archive.facts |= about
    with house.store.transaction() as tx:
        rows = sum(one["rows"] for one in files)
        tx.note("customer export", {"customer": who.id}, {"customer": who.id, "rows": rows})
    return Exported(who.id, str(target), made_at, len(files), rows, len(documents), target.stat().st_size)


def _files(house: House, customer: str, archive: Archive, progress: Progress) -> Iterator[dict[str, Any]]:
    """Write each file; yields what the README says of it. An empty one is written too: there was nothing."""
    total = len(belongings.parts()) + 1
    for done, part in enumerate(belongings.parts(), start=1):
        lines = _Lines(belongings.rows(house.store, part, customer))
        yield _write(archive, part.name, part.what, belongings.fields(part), lines)
        progress("exporting", done, total, part.name)
        if part.name in _PDFS:
            for row in belongings.rows(house.store, part, customer):
                content = io.BytesIO(invoice_pdf(house, row["number"]))
                archive.add(f"{_PDFS[part.name]}/{row['number']}.pdf", content)
    fields = [{"name": name, "type": kind} for name, kind in _AUDIT.items()]
    lines = _Lines(belongings.audit_rows(house.store, customer))
    yield _write(archive, belongings.AUDIT, "what was changed about it, by whom and when", fields, lines)
    progress("exporting", total, total, belongings.AUDIT)


def _write(archive: Archive, name: str, what: str, fields: list[dict[str, str]], lines: _Lines) -> dict[str, Any]:
    archive.add(f"{name}.jsonl", io.BufferedReader(lines), pack=True)
    return {"file": f"{name}.jsonl", "what": what, "rows": lines.count, "fields": fields}


class _Lines(io.RawIOBase):
    """Rows as a stream of JSON lines: no more of them in memory than one page. count: how many were read."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self.count = 0
        self._rows = rows
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and (row := next(self._rows, None)) is not None:
            self._rest = json.dumps(row, ensure_ascii=False).encode() + b"\n"
            self.count += 1
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
