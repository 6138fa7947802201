"""The usage events of a period as rows: one page of memory, however long the log. As CSV or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import Any, Literal, TextIO

from penstock.core.clock import Period
from penstock.serving import usage_log
from penstock.serving.usage_log import UsageEvent
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


def write(rows: Iterable[dict[str, Any]], stream: TextIO, form: Literal["csv", "json"] = "csv") -> int:
    """Write rows as CSV with a header, or as one JSON object per line. Answers how many."""
    count = 0
    table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    if form == "csv":
        table.writeheader()
    for row in rows:
        if form == "csv":
            table.writerow({name: _inert(value) for name, value in row.items()})
        else:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count


def _row(event: UsageEvent) -> dict[str, Any]:
    row = {name: getattr(event, name) for name in COLUMNS}
    return {**row, "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z")}


def _inert(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe: request ids are chosen by customers."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
