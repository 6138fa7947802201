"""Reads labelled rows from csv, jsonl, parquet, json and xlsx files. Knows formats and columns, no cleaning.

Every defect that makes a row meaningless is an error at file:line; empty and over-long texts pass, to be
counted and dropped by cleaning.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput
from penstock.datasets.lines import decoded_lines, opened, read_all
from penstock.datasets.objects import read_objects
from penstock.datasets.rows import Row

MAX_FIELD_CHARS = 1_000_000
MAX_LABEL_CHARS = 200
MAX_SHOWN = 9
KNOWN_TYPES = "use .csv, .tsv, .jsonl, .parquet, .json (a list of objects; each also .gz) or .xlsx"
FIELDS = ("text", "label", "customer")
"""What a row is made of; `customer` is read only when the mapping names its column."""

_Record = tuple[str, Mapping[str, Any]]
"""A row's origin and its values by field."""


ReadLabel = Callable[[object, str], str]
"""Makes a row's label of a cell's value; raises BadInput at the place given."""


def read_rows(path: Path, columns: Mapping[str, str] | None = None, label: ReadLabel | None = None) -> list[Row]:
    """All rows of a data file. columns: {"text": "message", "label": "intent"} where the file says so. label: reads the
    label's cell, None: as the one label that it holds.

    Raises BadInput with where="file.csv:12" (line, or row of a parquet file) and what to do.
    """
    return read_most(path, columns, 0.0, label)[0]


def read_most(
    path: Path, columns: Mapping[str, str] | None, most_unreadable: float, label: ReadLabel | None = None
) -> tuple[list[Row], tuple[BadInput, ...]]:
    """The rows that can be read, and the errors of the others, which may be that share of all. Raises as read_rows."""
    rows: list[Row] = []
    wrong: list[BadInput] = []
    for made in _rows_or_errors(Path(path), columns, label or label_of):
        if isinstance(made, Row):
            rows.append(made)
        else:
            wrong.append(made)
    if len(wrong) > math.floor(most_unreadable * (len(rows) + len(wrong))):
        raise _all_of(wrong)
    if not rows:
        raise BadInput("holds no rows", where=path.name, hint="it needs a header and labelled rows below it")
    return rows, tuple(wrong)


def iter_rows(path: Path, columns: Mapping[str, str] | None = None, label: ReadLabel | None = None) -> Iterator[Row]:
    """Like read_rows, one row at a time (a gzipped parquet file is unpacked whole)."""
    for made in _rows_or_errors(path, columns, label or label_of):
        if not isinstance(made, Row):
            raise made
        yield made


def iter_texts(path: Path, column: str, *, readable: bool = False) -> Iterator[tuple[str, str]]:
    """(origin, text) of every row of a file, whatever other columns it has. readable: only of those that can be read.
    Raises BadInput with file:line."""
    for found in _READERS[extension_of(path)](path, {"text": column}):
        if isinstance(found, BadInput):
            if readable:
                continue
            raise found
        origin, values = found
        yield origin, _text(values["text"], f"{origin}: {column}")


def _rows_or_errors(path: Path, columns: Mapping[str, str] | None, label: ReadLabel) -> Iterator[Row | BadInput]:
    """Each row, or what is wrong with its values; what is wrong with the file itself is raised."""
    reader = _READERS[extension_of(path)]
    named = columns_of(columns or {})
    for found in reader(path, named):
        if isinstance(found, BadInput):
            yield found
            continue
        origin, values = found
        try:
            yield Row(
                text=_text(values["text"], f"{origin}: {named['text']}"),
                label=label(values["label"], f"{origin}: {named['label']}"),
                origin=origin,
                customer=_text(values.get("customer"), f"{origin}: {named.get('customer')}") or None,
            )
        except BadInput as error:
            yield error


def _all_of(wrong: Sequence[BadInput]) -> BadInput:
    """The first error in full, and where the others are: a person mends them all before trying again."""
    first, *others = wrong
    if not others:
        return first
    shown = "; ".join(f"{error.where}: {error.message}" for error in others[:MAX_SHOWN])
    left = f"; and {len(others) - MAX_SHOWN:,} more" if len(others) > MAX_SHOWN else ""
    hint = f"{first.hint}\n  " if first.hint else ""
    return BadInput(first.message, where=first.where, hint=f"{hint}also {shown}{left}")


def extension_of(path: Path) -> str:
    """ ".csv", ".jsonl", ... without .gz. Raises BadInput for a type that cannot be read."""
    plain = path.name.lower().removesuffix(".gz")
    for extension in _READERS:
        if plain.endswith(extension):
            return extension
    if path.is_dir():
        raise BadInput("is a folder, not a file", where=str(path), hint="name the file inside it")
    raise BadInput("the file's type is unknown", where=path.name, hint=KNOWN_TYPES)


def columns_of(columns: Mapping[str, str]) -> dict[str, str]:
    """The file's column for each field: text and label under their own names unless mapped; customer if mapped."""
    unknown = [name for name in columns if name not in FIELDS]
    if unknown:
        hint = f"the left side is one of {', '.join(FIELDS)}; the right side names the file's column"
        raise BadInput(f"unknown field {unknown[0]!r}", where=f"columns.{unknown[0]}", hint=hint)
    return {"text": "text", "label": "label", **columns}


def _require(named: Mapping[str, str], found: Collection[str], where: str) -> None:
    missing = [name for name in named.values() if name not in found]
    if missing:
        names = " and ".join(map(repr, missing))
        listed = ", ".join(repr(str(name)) for name in list(found)[:20]) or "none"
        hint = 'name them in penstock.toml: columns = { text = "...", label = "..." }'
        columns = "column" if len(missing) == 1 else "columns"
        raise BadInput(f"no {columns} {names}; the columns found are: {listed}", where=where, hint=hint)


# csv


def csv_header(path: Path, named: Mapping[str, str]) -> tuple[list[str], str]:
    """The column names of a CSV file and the character between them."""
    line = next(decoded_lines(path), "")
    delimiter = _delimiter(line, named)
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter))], delimiter


def _csv(path: Path, named: Mapping[str, str]) -> Iterator[_Record | BadInput]:
    lines = decoded_lines(path)
    header_line = next(lines, None)
    if header_line is None:
        raise BadInput("the file is empty", where=path.name, hint="the first line names the columns: text,label")
    # process-wide, and the default of 131,072 is less than a long document
    csv.field_size_limit(MAX_FIELD_CHARS)
    source = itertools.chain([header_line], lines)
    records = _csv_records(csv.reader(source, delimiter=_delimiter(header_line, named), strict=True), path)
    where, record = next(records)
    header = [name.strip() for name in record]
    places = _places(header, named, where)
    for where, record in records:
        if not any(field.strip() for field in record):
            continue  # an empty line, or the row of commas that spreadsheets write for it, is no row
        if len(record) == len(header):
            yield where, {field: record[place] for field, place in places.items()}
        else:
            yield _ragged(record, header, where)


def _csv_records(records: Any, path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each record with the line on which it begins."""
    while True:
        where = f"{path.name}:{records.line_num + 1}"
        try:
            record = next(records, None)
        except csv.Error as error:
            raise _csv_error(error, where) from None
        if record is None:
            return
        yield where, record


def _places(header: Sequence[str], named: Mapping[str, str], where: str) -> dict[str, int]:
    _require(named, header, where)
    for name in named.values():
        if header.count(name) > 1:
            raise BadInput(f"the column {name!r} is there twice", where=where, hint="rename one of them")
    return {field: header.index(name) for field, name in named.items()}


def _ragged(record: Sequence[str], header: Sequence[str], where: str) -> BadInput:
    message = f"the row has {len(record)} columns, the header {len(header)}"
    return BadInput(message, where=where, hint='a text with commas, quotes or line breaks goes in quotes: "a, b"')


def _delimiter(header: str, named: Mapping[str, str]) -> str:
    """A comma, unless the columns are found only between tabs or semicolons, as some spreadsheets write."""
    for delimiter in (",", "\t", ";"):
        names = [name.strip().strip('"') for name in header.strip().split(delimiter)]
        if all(named[field] in names for field in ("text", "label") if field in named):
            return delimiter
    return ","


def _csv_error(error: csv.Error, where: str) -> BadInput:
    text = str(error)
    if "field larger" in text:
        message = f"a field is longer than {MAX_FIELD_CHARS:,} characters"
        return BadInput(message, where=where, hint="probably a quote that is opened here and never closed")
    if "unexpected end" in text:
        return BadInput("a quote is opened here and never closed", where=where, hint='close it, or double it: ""')
    if "expected after" in text:
        return BadInput("there is text after a closing quote", where=where, hint='inside quotes, double them: ""')
    if "new-line" in text:
        return BadInput("the lines end in the old Mac way", where=where, hint="save the file with Unix line ends")
    return BadInput(f"is not valid CSV: {text}", where=where)


# jsonl


def _jsonl(path: Path, named: Mapping[str, str]) -> Iterator[_Record | BadInput]:
    number = 0
    for number, line in enumerate(decoded_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            hint = 'each line is one object: {"text": "...", "label": "..."}'
            yield BadInput(f"is not JSON: {error.msg} (column {error.colno})", where=where, hint=hint)
            continue
        except (ValueError, RecursionError):
            yield BadInput("is not JSON that can be read", where=where, hint="numbers or nesting go too far")
            continue
        if not isinstance(value, dict):
            hint = 'each line is one object: {"text": "...", "label": "..."}'
            yield BadInput(f"is {_kind(value)}, not an object", where=where, hint=hint)
            continue
        _require(named, value, where)
        yield where, {field: value.get(name) for field, name in named.items()}
    if number == 0:
        raise BadInput(
            "the file is empty", where=path.name, hint='write one object a line: {"text": ..., "label": ...}'
        )


# parquet


def _parquet(path: Path, named: Mapping[str, str]) -> Iterator[_Record]:
    import pyarrow as pa
    from pyarrow import parquet

    with opened(path) as stream:
        source = io.BytesIO(read_all(stream, path)) if path.suffix.lower() == ".gz" else stream
        try:
            table = parquet.ParquetFile(source)
            _require(named, table.schema_arrow.names, path.name)
            number = 0
            for batch in table.iter_batches(batch_size=4_096, columns=list(set(named.values()))):
                for values in batch.to_pylist():
                    number += 1
                    yield f"{path.name}:{number}", {field: values[name] for field, name in named.items()}
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0][:200]
            hint = "the file is damaged or was not copied whole"
            raise BadInput(f"is not a parquet file that can be read: {reason}", where=path.name, hint=hint) from None


# xlsx, json


def _objects(path: Path, named: Mapping[str, str]) -> Iterator[_Record]:
    for where, values in read_objects(path):
        _require(named, values, where)
        yield where, {field: values[name] for field, name in named.items()}


# values


def _text(value: object, where: str) -> str:
    """Text as it is; nothing at all as empty text, for cleaning to count."""
    if value is None or _is_nan(value):
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise BadInput(f"must be text, not {_kind(value)}", where=where)
    if len(value) > MAX_FIELD_CHARS:
        raise BadInput(f"is longer than {MAX_FIELD_CHARS:,} characters", where=where, hint="split it, or leave it out")
    if "\0" in value:
        raise BadInput("holds a NUL character", where=where, hint="delete it, or save the file as text again")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput(
            "holds half a character (a lone surrogate)", where=where, hint="delete the \\ud... escape"
        ) from None
    return value


def label_of(value: object, where: str) -> str:
    """The label as text: whole numbers and true/false are names of classes too."""
    if value is None or _is_nan(value) or (isinstance(value, str) and value.strip().lower() in ("", "nan")):
        raise BadInput("the row has no label", where=where, hint="label it, or delete the row")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, str | int):
        raise BadInput(f"a label must be text or a whole number, not {_kind(value)}", where=where)
    label = _text(value, where).strip()
    if len(label) > MAX_LABEL_CHARS:
        hint = "are the columns mixed up? In penstock.toml: columns = { text = ..., label = ... }"
        raise BadInput(f"the label is longer than {MAX_LABEL_CHARS} characters", where=where, hint=hint)
    return label


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return f"the {type(value).__name__} {str(value)[:40]}"


_READERS: dict[str, Callable[[Path, Mapping[str, str]], Iterator[_Record | BadInput]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
    ".json": _objects,
    ".xlsx": _objects,
}
