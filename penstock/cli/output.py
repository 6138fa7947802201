"""How the command line speaks: data on stdout (a table, or JSON with --json), everything else on stderr.

JSON has typed values under stable snake_case keys, never the table's words: see json_rule.py.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.core.clock import local_text
from penstock.core.errors import PenstockError
from penstock.core.money import Money

if TYPE_CHECKING:
    from penstock.runtime.progress import Progress


@dataclass
class Options:
    """The options that may stand anywhere on the command line."""

    workspace: Path = Path()
    json: bool = False
    no_input: bool = False


OPTIONS = Options()


def show(
    data: Any, *, rows: Sequence[Mapping[str, Any]] | None = None, title: str = "", spare: Sequence[str] = ()
) -> None:
    """Print `data` as JSON under --json; otherwise `rows` as a table (or `data`, when rows are not given).

    data: records, or mappings with snake_case keys and typed values; never the table's rows where they hold words.
    """
    if OPTIONS.json:
        sys.stdout.write(json_text(data) + "\n")
        return
    table = rows if rows is not None else [as_row(item) for item in (data if isinstance(data, list) else [data])]
    print_table(table, title=title, spare=spare)


def json_text(data: Any) -> str:
    """What --json prints of records."""
    return json.dumps(data, default=plain, ensure_ascii=False, indent=2)


def print_table(rows: Sequence[Mapping[str, Any]], *, title: str = "", spare: Sequence[str] = ()) -> None:
    """A table with one column a key, numbers to the right, that fits the screen.

    spare: columns that a narrow screen goes without, in this order; left out, they are named on stderr.
    """
    from rich.console import Console

    from penstock.cli.tables import laid_out

    if not rows:
        note("nothing to show")
        return
    asked = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(soft_wrap=False, width=None if asked else 160)
    rows = _without_empty_columns(rows)
    named = [{key.replace("_", " "): _cell(value) for key, value in row.items()} for row in rows]
    right = [key.replace("_", " ") for key, value in rows[0].items() if _is_number(value)]
    layout = laid_out(named, right=right, spare=spare, title=title, width=console.width)
    for table in layout.tables:
        console.print(table)
    if layout.left_out:
        note(f"the screen is too narrow for: {', '.join(layout.left_out)}; --json has all")


def _without_empty_columns(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A column in which no row says anything only takes the others' place."""
    filled = [key for key in rows[0] if any(row[key] not in (None, "", (), []) for row in rows)]
    return [{key: row[key] for key in filled} for row in rows]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal | Money) and not isinstance(value, bool)


def text(content: str) -> None:
    """Raw text on stdout: a document, a CSV, a secret shown once."""
    sys.stdout.write(content if content.endswith("\n") else content + "\n")


def note(message: str) -> None:
    """A remark for people, on stderr; under --json an object a line, so that all of stderr is JSON."""
    sys.stderr.write((json.dumps({"note": message}, ensure_ascii=False) if OPTIONS.json else message) + "\n")
    sys.stderr.flush()


def counted(number: int, noun: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Progress on stderr: bars or lines for people, a note a line under --json."""
    from penstock.runtime.progress import console_progress, line_progress

    if OPTIONS.json:
        yield line_progress(note)
        return
    with console_progress() as progress:
        yield progress


def as_row(item: Any) -> Mapping[str, Any]:
    if is_dataclass(item) and not isinstance(item, type):
        return {key: getattr(item, key) for key in item.__dataclass_fields__}
    if isinstance(item, Mapping):
        return item
    return {"value": item}


def plain(value: Any) -> Any:
    """The JSON form of the house's records: money as decimal string with currency, times as ISO 8601."""
    if isinstance(value, Money):
        return {"amount": f"{value.to_decimal():f}", "currency": value.currency}
    if is_dataclass(value) and not isinstance(value, type):
        return {key: getattr(value, key) for key in value.__dataclass_fields__}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | Path):
        return str(value)
    if hasattr(value, "model_dump"):  # before what iterates: a record of the workspace file does, too
        return value.model_dump(mode="json")
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


@cache
def _timezone(folder: Path) -> str:
    """The company's: what is due "on the 15th" is due on its 15th. UTC where there is no workspace."""
    from penstock.workspace.loader import load

    try:
        return load(folder).company.timezone
    except PenstockError:
        return "UTC"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return local_text(value, _timezone(OPTIONS.workspace.resolve()))
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, tuple | list):
        return ", ".join(str(v) for v in value)
    if is_dataclass(value) and not isinstance(value, type | Money):
        return json.dumps(asdict(value), default=plain)
    return str(value)
