"""Reads tables of any columns from csv, tsv, jsonl and parquet, each also gzipped: raw cells with their origins.

It knows formats and what stands for a missing value; columns are typed elsewhere. Every defect of the file is an
error at file:line.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from penstock.core.errors import BadInput
from penstock.datasets.cells import Cell, cell_of
from penstock.datasets.csv_records import csv_records
from penstock.datasets.lines import decoded_lines, opened, read_all
from penstock.datasets.objects import read_objects
from penstock.datasets.readers import extension_of

_MARKERS = frozenset(
    {
        *("na", "n/a", "n.a.", "nan", "null", "none", "nil", "#n/a", "<na>", "missing"),
        *("?", "-", "--", "—", "\\n", "无", "空", "缺失"),
    }
)
"""Texts that often stand for no value, in small letters. They are read as they are unless the options say so."""
MOST_COLUMNS = 2_000

Absent: TypeAlias = Callable[[str], Collection[str]]
"""By a column's name: the texts that stand for no value, besides an empty cell."""


@dataclass(frozen=True)
class Record:
    """One row as the file says it: numbers where the format has them, texts, None for missing."""

    origin: str
    cells: Mapping[str, Cell]


def _nothing(name: str) -> Collection[str]:
    return ()


def read_table(path: Path, target: str, absent: Absent = _nothing) -> list[Record]:
    """All rows of a file. Raises BadInput at file:line for a damaged one, or one without the target's column."""
    kind = extension_of(path)
    records = list(_READERS.get(kind, _jsonl)(path, target, cache(absent)))
    if not records:
        raise BadInput("holds no rows", where=path.name, hint="it needs a header and rows below it")
    if not any(target in record.cells for record in records):
        raise _no_target(path, target, list(records[0].cells))
    return records


def looks_missing(text: str) -> bool:
    """Whether a text often stands for no value: NA, null, -."""
    return text.lower() in _MARKERS


def _record(where: str, pairs: Iterable[tuple[str, Any]], absent: Absent) -> Record:
    named = ((name.strip(), value) for name, value in pairs)
    return Record(where, {name: cell_of(value, f"{where}: {name}", absent(name)) for name, value in named})


def _no_target(path: Path, target: str, found: Sequence[str]) -> BadInput:
    listed = ", ".join(map(repr, found[:20]))
    hint = f'name it in [products.NAME.options]: target = "..."; the columns found are: {listed}'
    return BadInput(f"no column {target!r} to predict", where=path.name, hint=hint)


def _csv(path: Path, target: str, absent: Absent) -> Iterator[Record]:
    records = csv_records(path, lambda line: _delimiter(line, target))
    header = _header(next(records)[1], path, target)
    for where, record in records:
        pairs = zip(header, record, strict=True)
        yield _record(where, pairs, absent)


def _header(record: Sequence[str], path: Path, target: str) -> list[str]:
    header = [name.strip() for name in record]
    where = f"{path.name}:1"
    if target not in header:
        raise _no_target(path, target, header)
    if len(header) > MOST_COLUMNS:
        raise BadInput(f"has {len(header):,} columns; at most {MOST_COLUMNS:,} are read", where=where)
    for name in header:
        if not name:
            raise BadInput("a column has no name", where=where, hint="name every column in the first line")
        if header.count(name) > 1:
            raise BadInput(f"the column {name!r} is there twice", where=where, hint="rename one of them")
    return header


def _delimiter(header: str, target: str) -> str:
    for delimiter in (",", "\t", ";"):
        if target in [name.strip().strip('"').strip() for name in header.strip().split(delimiter)]:
            return delimiter
    return ","


def _jsonl(path: Path, target: str, absent: Absent) -> Iterator[Record]:
    for number, line in enumerate(decoded_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"is not JSON: {error}", where=where, hint='each line is {"column": value, ...}') from None
        if not isinstance(value, dict):
            raise BadInput("is not an object", where=where, hint='each line is {"column": value, ...}')
        yield _record(where, value.items(), absent)


def _objects(path: Path, target: str, absent: Absent) -> Iterator[Record]:
    for where, values in read_objects(path):
        yield _record(where, values.items(), absent)


def _parquet(path: Path, target: str, absent: Absent) -> Iterator[Record]:
    import pyarrow as pa
    from pyarrow import parquet

    with opened(path) as stream:
        source = io.BytesIO(read_all(stream, path)) if path.suffix.lower() == ".gz" else stream
        try:
            number = 0
            for batch in parquet.ParquetFile(source).iter_batches(batch_size=4_096):
                for values in batch.to_pylist():
                    number += 1
                    where = f"{path.name}:{number}"
                    yield _record(where, values.items(), absent)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0][:200]
            hint = "the file is damaged or was not copied whole"
            raise BadInput(f"is not a parquet file that can be read: {reason}", where=path.name, hint=hint) from None


_READERS: Mapping[str, Callable[[Path, str, Absent], Iterator[Record]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".json": _objects,
    ".xlsx": _objects,
}
