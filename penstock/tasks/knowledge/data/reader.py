"""Reads knowledge files: csv, tsv, jsonl and parquet, also gzipped. Every defect is an error at file:line: field.

It knows formats and columns; what the rows mean together is checked in cleaning.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from penstock.core.errors import BadInput
from penstock.datasets.lines import decoded_lines, opened, read_all
from penstock.datasets.objects import read_objects
from penstock.datasets.readers import KNOWN_TYPES
from penstock.tasks.knowledge.data.entries import FIELDS, MAX_QUESTION_CHARS, Entry, entry_of, text_of

MAX_SHOWN = 9
MAX_FIELD_CHARS = 1_000_000
_Values = tuple[str, dict[str, Any]]
_Made = TypeVar("_Made")


def read_entries(path: Path, columns: Mapping[str, str], max_answer_chars: int) -> list[Entry]:
    """All entries of a file. columns: the file's name of a field, where it differs. Raises BadInput for the first
    defect, with the places of the others."""
    named = columns_of(columns, FIELDS)

    def made(where: str, values: Mapping[str, Any]) -> Entry:
        return entry_of(values, where, max_answer_chars=max_answer_chars)

    return _all(_records(path, named, ("question", "answer")), made, path)


def read_questions(path: Path, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """Test questions: {"question", "entry" or "answer", "locale", "origin"}; what is empty there is out of scope."""
    fields = ("question", "entry", "answer", "locale")
    named = columns_of({field: name for field, name in columns.items() if field in fields}, fields)

    def made(where: str, values: Mapping[str, Any]) -> dict[str, Any]:
        if "entry" not in values and "answer" not in values:
            hint = "name the entry's id in the column `entry`, or repeat its answer in the column `answer`; empty: none"
            raise BadInput("no column 'entry' or 'answer'", where=where, hint=hint)
        found = {field: text_of(values.get(field), f"{where}: {field}", 20_000) for field in ("entry", "answer")}
        question = text_of(values.get("question"), f"{where}: question", MAX_QUESTION_CHARS)
        locale = text_of(values.get("locale"), f"{where}: locale", 40).replace("_", "-")
        return {"question": question, **found, "locale": locale, "origin": where}

    return _all(_records(path, named, ("question",)), made, path)


def read_unanswerable(path: Path, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """Questions that no entry answers: {"question", "origin"}."""
    named = columns_of({field: name for field, name in columns.items() if field == "question"}, ("question",))

    def made(where: str, values: Mapping[str, Any]) -> dict[str, Any]:
        question = text_of(values.get("question"), f"{where}: question", MAX_QUESTION_CHARS)
        return {"question": question, "origin": where}

    return _all(_records(path, named, ("question",)), made, path)


def columns_of(columns: Mapping[str, str], fields: Sequence[str]) -> dict[str, str]:
    """The file's column for each field: its own name unless mapped. Raises BadInput for an unknown field."""
    unknown = [field for field in columns if field not in (*FIELDS, "entry")]
    if unknown:
        hint = f"the left side is one of {', '.join((*FIELDS, 'entry'))}; the right side names the file's column"
        raise BadInput(f"unknown field {unknown[0]!r}", where=f"columns.{unknown[0]}", hint=hint)
    return {field: columns.get(field, field) for field in fields}


def _all(records: Iterable[_Values], make: Callable[[str, Mapping[str, Any]], _Made], path: Path) -> list[_Made]:
    found: list[_Made] = []
    wrong: list[BadInput] = []
    for where, values in records:
        try:
            found.append(make(where, values))
        except BadInput as error:
            wrong.append(error)
    if wrong:
        raise all_of(wrong)
    if not found:
        raise BadInput("holds no rows", where=path.name, hint="it needs a header and rows below it")
    return found


def all_of(wrong: Sequence[BadInput]) -> BadInput:
    """The first error in full, and where the others are: a person mends them all before trying again."""
    first, *others = wrong
    if not others:
        return first
    shown = "; ".join(f"{error.where}: {error.message}" for error in others[:MAX_SHOWN])
    left = f"; and {len(others) - MAX_SHOWN:,} more" if len(others) > MAX_SHOWN else ""
    hint = f"{first.hint}\n  " if first.hint else ""
    return BadInput(first.message, where=first.where, hint=f"{hint}also {shown}{left}")


def _records(path: Path, named: Mapping[str, str], needed: Sequence[str]) -> Iterator[_Values]:
    """Each row's origin and its values by field; fields that the file lacks are left out. Raises BadInput."""
    plain = path.name.lower().removesuffix(".gz")
    for ending, reader in _READERS.items():
        if plain.endswith(ending):
            return reader(path, named, needed)
    raise BadInput("the file's type is unknown", where=path.name, hint=KNOWN_TYPES)


def _csv(path: Path, named: Mapping[str, str], needed: Sequence[str]) -> Iterator[_Values]:
    csv.field_size_limit(MAX_FIELD_CHARS)  # process-wide; the default is less than a long answer
    delimiter = "\t" if ".tsv" in path.name.lower() else _delimiter(path)
    rows = csv.reader(decoded_lines(path), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        where = f"{path.name}:{rows.line_num + 1}"
        try:
            row = next(rows, None)
        except csv.Error as error:
            hint = 'a text with commas, quotes or line breaks goes in quotes; quotes inside it are doubled: ""'
            raise BadInput(f"is not valid CSV: {error}", where=where, hint=hint) from None
        if row is None:
            break
        if header is None:
            header = [name.strip() for name in row]
            _check_columns(header, named, needed, where)
            continue
        if not any(cell.strip() for cell in row):
            continue  # an empty line, or the row of commas that spreadsheets write for it
        if len(row) != len(header):
            hint = 'a text with commas, quotes or line breaks goes in quotes: "a, b"'
            raise BadInput(f"the row has {len(row)} columns, the header {len(header)}", where=where, hint=hint)
        cells = dict(zip(header, row, strict=True))
        yield where, {field: cells[name] for field, name in named.items() if name in cells}
    if header is None:
        raise BadInput("the file is empty", where=path.name, hint="the first line names the columns: question,answer")


def _delimiter(path: Path) -> str:
    first = next(decoded_lines(path), "")
    return max(",;\t", key=lambda mark: (first.count(mark), mark == ","))


def _jsonl(path: Path, named: Mapping[str, str], needed: Sequence[str]) -> Iterator[_Values]:
    for number, line in enumerate(decoded_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            hint = 'each line is one object: {"question": "...", "answer": "..."}'
            raise BadInput("is not JSON", where=where, hint=hint) from None
        if not isinstance(value, dict):
            raise BadInput(f"is {type(value).__name__}, not an object", where=where)
        yield where, {field: value[name] for field, name in named.items() if name in value}


def _objects(path: Path, named: Mapping[str, str], needed: Sequence[str]) -> Iterator[_Values]:
    for number, (where, values) in enumerate(read_objects(path)):
        if number == 0:
            _check_columns(list(values), named, needed, where)
        yield where, {field: values[name] for field, name in named.items() if name in values}


def _parquet(path: Path, named: Mapping[str, str], needed: Sequence[str]) -> Iterator[_Values]:
    import pyarrow as pa
    from pyarrow import parquet

    with opened(path) as stream:
        source = io.BytesIO(read_all(stream, path)) if path.suffix.lower() == ".gz" else stream
        try:
            table = parquet.read_table(source)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0][:200]
            raise BadInput(f"is not a parquet file that can be read: {reason}", where=path.name) from None
    _check_columns(table.schema.names, named, needed, path.name)
    for number, values in enumerate(table.to_pylist(), 1):
        yield f"{path.name}:{number}", {field: values[name] for field, name in named.items() if name in values}


def _check_columns(header: Sequence[str], named: Mapping[str, str], needed: Sequence[str], where: str) -> None:
    for field in needed:
        if named[field] not in header:
            listed = ", ".join(map(repr, header[:20])) or "none"
            hint = f'name it in penstock.toml: columns = {{ {field} = "..." }}'
            raise BadInput(f"no column {named[field]!r}; the columns found are: {listed}", where=where, hint=hint)
    for name in named.values():
        if list(header).count(name) > 1:
            raise BadInput(f"the column {name!r} is there twice", where=where, hint="rename one of them")


_READERS: dict[str, Callable[[Path, Mapping[str, str], Sequence[str]], Iterator[_Values]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _jsonl,
    ".json": _objects,
    ".xlsx": _objects,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
}
