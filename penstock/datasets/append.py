"""Joins labelled rows to a data file in that file's own format. The file is replaced whole, or left as it was."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from penstock.core.errors import BadInput
from penstock.core.whole import EVERYBODYS, write_whole
from penstock.datasets.compare import normalise
from penstock.datasets.lines import convert_hint, opened, read_all
from penstock.datasets.readers import ReadLabel, columns_of, csv_header, extension_of, iter_rows, read_rows
from penstock.datasets.rows import Row

_Writer: TypeAlias = Callable[[Path, bytes, Sequence[Row], Mapping[str, str]], bytes]


@dataclass(frozen=True)
class Added:
    """rows: how many were appended. repeats: how many of them the file held already, text and label."""

    rows: int
    repeats: int


def append_rows(
    target: Path,
    file: Path,
    columns: Mapping[str, str] | None = None,
    *,
    again: bool = False,
    label: ReadLabel | None = None,
) -> Added:
    """Append the rows of `file` to `target` (made when absent). Formats may differ.

    Both files' columns are named by `columns`; other columns of `target` stay empty in the new rows. again: append
    also a file of which `target` holds every row already, which is most often a slip. label: reads a label's cell,
    None: as one label. Raises BadInput for such a file, for a workbook as `target`, and at file:line when either file
    cannot be read; then nothing is written.
    """
    writer = _writer(target)
    rows = read_rows(file, columns, label)
    named = columns_of(columns or {})
    known: set[tuple[str, str]] = set()
    if target.exists() and target.stat().st_size:
        known = {_key(row) for row in iter_rows(target, columns, label)}  # a broken file is not made longer
        with opened(target) as stream:
            before = read_all(stream, target)
    else:
        before = b""
    repeats = sum(_key(row) in known for row in rows)
    if repeats == len(rows) and not again:
        whole = "its only row is" if repeats == 1 else f"all of its {repeats:,} rows are"
        hint = "was it added before? To append it all the same: --again"
        raise BadInput(f"{whole} in {target.name} already; nothing was added", where=file.name, hint=hint)
    content = writer(target, before, rows, named)
    _replace(target, gzip.compress(content, mtime=0) if target.suffix.lower() == ".gz" else content)
    return Added(len(rows), repeats)


def _writer(target: Path) -> _Writer:
    """What joins rows to a file of the target's format. Raises BadInput for a workbook: written anew it would lose its
    charts, and the values of its formulas."""
    if (extension := extension_of(target)) == ".xlsx":
        hint = (
            f"add them in the program that keeps it; or keep the data as csv: {convert_hint(target, bare=True)}, "
            "and name the file that it makes as `data` in penstock.toml"
        )
        raise BadInput("rows cannot be added to a workbook", where=target.name, hint=hint)
    if extension == ".json":
        return _json
    return _parquet if extension == ".parquet" else _jsonl if extension in (".jsonl", ".ndjson") else _csv


def _key(row: Row) -> tuple[str, str]:
    return normalise(row.text), row.label


def _values(row: Row, named: Mapping[str, str]) -> dict[str, str | None]:
    return {column: getattr(row, field) for field, column in named.items()}


def _csv(target: Path, before: bytes, rows: Sequence[Row], named: Mapping[str, str]) -> bytes:
    if before:
        header, delimiter = csv_header(target, named)
    else:
        header, delimiter = list(named.values()), "\t" if extension_of(target) == ".tsv" else ","
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="", delimiter=delimiter, lineterminator="\n")
    if not before:
        writer.writeheader()
    writer.writerows({name: value or "" for name, value in _values(row, named).items()} for row in rows)
    return _joined(before, out.getvalue())


def _jsonl(target: Path, before: bytes, rows: Sequence[Row], named: Mapping[str, str]) -> bytes:
    return _joined(before, "".join(json.dumps(_values(row, named), ensure_ascii=False) + "\n" for row in rows))


def _json(target: Path, before: bytes, rows: Sequence[Row], named: Mapping[str, str]) -> bytes:
    """The list with the new objects at its end; what the file says beside the list stays."""
    told: Any = json.loads(before.decode("utf-8-sig")) if before else []
    own = told if isinstance(told, list) else next(each for each in told.values() if isinstance(each, list))
    own += [_values(row, named) for row in rows]
    return (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()


def _joined(before: bytes, more: str) -> bytes:
    gap = b"" if not before or before.endswith(b"\n") else b"\n"
    return before + gap + more.encode()


def _parquet(target: Path, before: bytes, rows: Sequence[Row], named: Mapping[str, str]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    values = [_values(row, named) for row in rows]
    table = pa.table({column: pa.array([each[column] for each in values], pa.string()) for column in named.values()})
    if before:
        old = parquet.read_table(io.BytesIO(before))
        table = pa.concat_tables([old, _fitted(table, old.schema, target)])
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def _fitted(table: Any, schema: Any, target: Path) -> Any:
    """The new rows in the old columns and their types; columns that they lack are null."""
    import pyarrow as pa

    arrays = []
    for field in schema:
        try:
            known = field.name in table.column_names
            column = table[field.name].cast(field.type) if known else pa.nulls(len(table), field.type)
        except pa.ArrowException:
            place = f"{target.name}: {field.name}"
            raise BadInput(f"the new rows do not fit the column's type {field.type}", where=place) from None
        arrays.append(column)
    return pa.table(dict(zip(schema.names, arrays, strict=True)), schema=schema)


def _replace(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_whole(target, content, mode=EVERYBODYS)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", where=str(target)) from None
