"""Reads chosen columns of csv, jsonl and parquet files, each also gzipped, as the file has them: ids stay exact.

It knows formats, not what the columns mean. Every defect of the file is an error at file:line.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput
from penstock.datasets.csv_records import csv_records
from penstock.datasets.lines import decoded_lines, opened, read_all
from penstock.datasets.objects import read_objects
from penstock.datasets.readers import extension_of


def read_columns(
    path: Path, named: Mapping[str, str], optional: Collection[str] = (), hint: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row's origin ("file.csv:12") and its values by field. named: the file's column of each field.

    optional: fields whose column may be absent, then so in every row. hint: what to write when a column is missing.
    Raises BadInput.
    """
    kind = extension_of(path)
    read = {".csv": _csv, ".tsv": _csv, ".parquet": _parquet, ".json": _objects, ".xlsx": _objects}.get(kind, _jsonl)
    needed = [name for field, name in named.items() if field not in optional]
    rows = read(path, named, needed, hint)
    first = next(rows, None)
    if first is None:
        raise BadInput("holds no rows", where=path.name, hint="it needs a header and rows below it")
    yield first
    yield from rows


def _require(needed: Collection[str], found: Collection[str], where: str, hint: str) -> None:
    missing = [name for name in needed if name not in found]
    if missing:
        listed = ", ".join(repr(str(name)) for name in list(found)[:20]) or "none"
        column = "column" if len(missing) == 1 else "columns"
        names = " and ".join(map(repr, missing))
        raise BadInput(f"no {column} {names}; the columns found are: {listed}", where=where, hint=hint or None)


def _csv(
    path: Path, named: Mapping[str, str], needed: Collection[str], hint: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    records = csv_records(path, lambda line: _delimiter(line, needed))
    where, header = next(records)
    _require(needed, header, where, hint)
    places = {field: header.index(name) for field, name in named.items() if name in header}
    for where, record in records:
        yield where, {field: record[place] for field, place in places.items()}


def _delimiter(header: str, needed: Collection[str]) -> str:
    for delimiter in (",", "\t", ";"):
        names = [name.strip().strip('"') for name in header.strip().split(delimiter)]
        if all(name in names for name in needed):
            return delimiter
    return ","


def _jsonl(
    path: Path, named: Mapping[str, str], needed: Collection[str], hint: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(decoded_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise BadInput("is not JSON that can be read", where=where, hint="each line is one object") from None
        if not isinstance(value, dict):
            raise BadInput("is not an object", where=where, hint="each line is one object")
        _require(needed, value, where, hint)
        yield where, {field: value[name] for field, name in named.items() if name in value}


def _objects(
    path: Path, named: Mapping[str, str], needed: Collection[str], hint: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, values in read_objects(path):
        _require(needed, values, where, hint)
        yield where, {field: values[name] for field, name in named.items() if name in values}


def _parquet(
    path: Path, named: Mapping[str, str], needed: Collection[str], hint: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    from pyarrow import parquet

    with opened(path) as stream:
        source = io.BytesIO(read_all(stream, path)) if path.suffix.lower() == ".gz" else stream
        try:
            table = parquet.ParquetFile(source)
            found = table.schema_arrow.names
            _require(needed, found, path.name, hint)
            wanted = {field: name for field, name in named.items() if name in found}
            number = 0
            for batch in table.iter_batches(batch_size=4_096, columns=sorted(set(wanted.values()))):
                for values in batch.to_pylist():
                    number += 1
                    yield f"{path.name}:{number}", {field: values[name] for field, name in wanted.items()}
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0][:200]
            hint = "the file is damaged or was not copied whole"
            raise BadInput(f"is not a parquet file that can be read: {reason}", where=path.name, hint=hint) from None
