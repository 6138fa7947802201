"""Files whose rows come as named values: .xlsx workbooks and .json lists. Bounded in size and expansion.

It knows formats, not what the columns mean. Every defect of the file is an error at file, sheet and row.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

from penstock.core.errors import BadInput
from penstock.datasets.lines import convert_hint, opened, read_all

EXTENSIONS = (".xlsx", ".json")
MOST_FILE_BYTES = 500_000_000
MOST_UNPACKED_BYTES = 300_000_000
"""Of a workbook's parts together: openpyxl reads about 10 MB of them a second."""
MOST_EXPANSION = 200
"""A sheet unpacks to 5 to 30 times its size; a bomb to a thousand."""
_SMALL_BYTES = 20_000_000
MOST_COLUMNS = 2_000

_DAMAGED = (
    *(KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, OSError, EOFError),
    *(zipfile.BadZipFile, zlib.error, ElementTree.ParseError),
)
"""What openpyxl raises for damaged parts."""

Object: TypeAlias = tuple[str, dict[str, Any]]
"""A row's origin ("book.xlsx:12") and its values by column."""


def read_objects(path: Path, sheet: str | None = None) -> Iterator[Object]:
    """Each row of an .xlsx sheet or a .json list. sheet: of a workbook with several that hold something.

    Raises BadInput for a damaged or too large file, for a row that is no object, and for a Label Studio export, which
    `penstock data convert` makes rows of.
    """
    if path.suffix.lower() == ".xlsx":
        return _sheet_rows(path, sheet)
    return _json_rows(path)


# json


def read_json(path: Path) -> list[Any]:
    """The list in a .json file: itself, or the only list in its object. Raises BadInput."""
    with opened(path) as stream:
        content = read_all(stream, path, most=MOST_FILE_BYTES)
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadInput("the file is not UTF-8", where=path.name, hint=convert_hint(path)) from None
    except json.JSONDecodeError as error:
        hint = "one JSON value a line belongs in a .jsonl file" if error.msg == "Extra data" else None
        raise BadInput(f"is not JSON: {error.msg}", where=f"{path.name}:{error.lineno}", hint=hint) from None
    except (ValueError, RecursionError):
        raise BadInput("is not JSON that can be read", where=path.name, hint="numbers or nesting go too far") from None
    if isinstance(value, dict):
        lists = [each for each in value.values() if isinstance(each, list)]
        value = lists[0] if len(lists) == 1 else value
    if not isinstance(value, list):
        hint = 'the file holds a list of objects: [{"text": "...", "label": "..."}, ...]'
        raise BadInput("is no list of rows", where=path.name, hint=hint)
    return value


def is_label_studio(values: list[Any]) -> bool:
    """Whether the list is a Label Studio export: tasks with their data and annotations."""
    first = next((each for each in values if isinstance(each, dict)), {})
    return isinstance(first.get("data"), dict) and bool({"annotations", "completions"} & first.keys())


def _json_rows(path: Path) -> Iterator[Object]:
    values = read_json(path)
    if is_label_studio(values):
        raise BadInput("is a Label Studio export, not a list of rows", where=path.name, hint=convert_hint(path))
    for number, value in enumerate(values, 1):
        if not isinstance(value, dict):
            hint = 'each element is an object: {"text": "...", "label": "..."}'
            raise BadInput(f"is {type(value).__name__}, not an object", where=f"{path.name}[{number}]", hint=hint)
        yield f"{path.name}[{number}]", value


# xlsx


def sheet_names(path: Path) -> list[str]:
    """The names of a workbook's sheets. Raises BadInput."""
    return list(_workbook(path).sheetnames)


def _sheet_rows(path: Path, name: str | None) -> Iterator[Object]:
    book = _workbook(path)
    if name is not None and name not in book.sheetnames:
        raise BadInput(f"no sheet {name!r}", where=path.name, hint=f"its sheets: {', '.join(book.sheetnames)}")
    sheets = [book[name]] if name is not None else _filled(book)
    if not sheets:
        raise BadInput("the workbook is empty", where=path.name, hint="the first row names the columns: text, label")
    if len(sheets) > 1:
        several = ", ".join(repr(sheet.title) for sheet in sheets)
        hint = f"choose one: {convert_hint(path, bare=True)} --sheet {json.dumps(sheets[0].title, ensure_ascii=False)}"
        raise BadInput(f"several sheets hold rows: {several}", where=path.name, hint=hint)
    try:
        yield from _rows_of(sheets[0], path)
    finally:
        book.close()


def _workbook(path: Path) -> Any:
    """Opened for reading row by row, once its size and expansion are known to be bounded."""
    import openpyxl

    hint = "save it again as .xlsx, or as CSV UTF-8"
    with opened(path) as stream:
        if (size := path.stat().st_size) > MOST_FILE_BYTES:
            raise BadInput(f"the workbook is larger than {MOST_FILE_BYTES // 1_000_000} MB", where=path.name, hint=hint)
        try:
            with zipfile.ZipFile(stream) as parts:
                unpacked = sum(part.file_size for part in parts.infolist())
        except (zipfile.BadZipFile, OSError):
            what = "is no .xlsx workbook that can be read (an old .xls, or one with a password?)"
            raise BadInput(what, where=path.name, hint=hint) from None
    if unpacked > MOST_UNPACKED_BYTES or (unpacked > _SMALL_BYTES and unpacked > MOST_EXPANSION * size):
        most = min(MOST_UNPACKED_BYTES, max(_SMALL_BYTES, MOST_EXPANSION * size))
        message = f"unpacks to {unpacked / 1e6:,.0f} MB; at most {most / 1e6:,.0f} MB of such a file are read"
        raise BadInput(message, where=path.name, hint="save the sheet as CSV UTF-8, or split it")
    try:
        return openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except _DAMAGED as error:
        raise BadInput(f"the workbook cannot be read: {str(error)[:200]}", where=path.name, hint=hint) from None


def _filled(book: Any) -> list[Any]:
    """Visible sheets that hold at least two rows: a header and something below it; else one that holds any."""
    seen = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    counts = {sheet.title: _some(sheet) for sheet in seen}
    return [sheet for sheet in seen if counts[sheet.title] > 1] or [sheet for sheet in seen if counts[sheet.title]][:1]


def _some(sheet: Any) -> int:
    found = 0
    sheet.reset_dimensions()
    for row in sheet.iter_rows(max_row=1_000, values_only=True):
        found += any(value is not None for value in row)
        if found > 1:
            break
    return found


def _rows_of(sheet: Any, path: Path) -> Iterator[Object]:
    """Rows below the first that is not empty, which names the columns; empty ones are skipped."""
    header: list[str] | None = None
    sheet.reset_dimensions()  # what the file says of its size may be wrong
    try:
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            if all(value is None or (isinstance(value, str) and not value.strip()) for value in cells):
                continue
            where = f"{path.name}:{number}"
            values = [_plain(value) for value in cells]
            if header is None:
                header = _header(values, where)
            elif len(values) > len(header) and any(value is not None for value in values[len(header) :]):
                raise BadInput("the row has a cell beyond the named columns", where=where, hint="name its column")
            else:
                filled = [*values, *[None] * (len(header) - len(values))]
                yield where, {name: value for name, value in zip(header, filled, strict=False) if name}
    except _DAMAGED as error:  # found while it is read
        raise BadInput(f"the sheet cannot be read: {str(error)[:200]}", where=path.name) from None
    if header is None:
        raise BadInput("the sheet is empty", where=path.name, hint="the first row names the columns: text, label")


def _header(values: list[Any], where: str) -> list[str]:
    while values and values[-1] is None:
        values.pop()
    names = ["" if value is None else str(value).strip() for value in values]
    if len(names) > MOST_COLUMNS:
        raise BadInput(f"has {len(names):,} columns; at most {MOST_COLUMNS:,} are read", where=where)
    for name in names:
        if name and names.count(name) > 1:
            raise BadInput(f"the column {name!r} is there twice", where=where, hint="rename one of them")
    return names


def _plain(value: Any) -> Any:
    """Whole numbers without ".0", dates as ISO 8601, Excel's errors as nothing."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, str) and value in ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"):
        return None
    return value


def columns_in(rows: list[Mapping[str, Any]]) -> list[str]:
    """The names of all columns, in the order in which they are met."""
    return list(dict.fromkeys(name for row in rows for name in row))
