"""The usage events of a period as rows: one page of memory, however long the log. As CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from typing import Any, Literal, TextIO

from penstock.core.clock import Period
from penstock.core.spreadsheets import BOM, inert
from penstock.metering import usage_log
from penstock.metering.usage_log import UsageEvent
from penstock.storage.engine import Transaction

PAGE_ROWS = 1_000
COLUMNS = ("seq", "time", "customer", "product", "release", "key", "source", "id", "units")


def export(tx: Transaction, period: Period, customer: str | None = None) -> Iterator[dict[str, Any]]:
    """Every event of the period in `seq` order, as dicts of COLUMNS, read in pages of PAGE_ROWS."""
    after = 0
    while True:
        page = usage_log.events(
            tx, customer=customer, start=period.start, end=period.end, after_seq=after, limit=PAGE_ROWS
        )
        yield from (_row(event) for event in page)
        if len(page) < PAGE_ROWS:
            return
        after = page[-1].seq


def write(
    rows: Iterable[dict[str, Any]], stream: TextIO, form: Literal["csv", "json"] = "csv", *, bom: bool = True
) -> int:
    """Write rows as CSV with a header, or as one JSON object per line; returns how many.

    bom: whether the CSV begins with a byte-order mark, by which spreadsheets know it is UTF-8. JSON never does.
    """
    count = 0
    for count, text in enumerate(texts(rows, form, bom=bom)):  # noqa: B007 - the first one is the header
        stream.write(text)
    return count


def texts(rows: Iterable[dict[str, Any]], form: Literal["csv", "json"] = "csv", *, bom: bool = True) -> Iterator[str]:
    """What `write` writes, a piece at a time: the header (empty for JSON), then one line a row."""
    if form == "json":
        yield ""
        yield from (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    yield (BOM if bom else "") + _line(COLUMNS)
    yield from (_line([inert(row[name]) for name in COLUMNS]) for row in rows)


def _row(event: UsageEvent) -> dict[str, Any]:
    row = {name: getattr(event, name) for name in COLUMNS}
    return {**row, "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z")}


def _line(cells: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
