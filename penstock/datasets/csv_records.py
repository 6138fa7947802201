"""The records of a csv file, each with the line on which it begins. Knows the format, not what the columns mean."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from penstock.core.errors import BadInput
from penstock.datasets.lines import decoded_lines

MOST_FIELD_CHARS = 1_000_000


def csv_records(path: Path, delimiter_of: Callable[[str], str]) -> Iterator[tuple[str, list[str]]]:
    """(where, fields) of the header, then of every record as wide as it; empty lines are no records.

    delimiter_of: the character between fields, from the first line. Raises BadInput at file:line.
    """
    lines = decoded_lines(path)
    first = next(lines, None)
    if first is None:
        raise BadInput("the file is empty", where=path.name, hint="the first line names the columns")
    # process-wide, and the default of 131,072 is less than a long document
    csv.field_size_limit(MOST_FIELD_CHARS)
    records = csv.reader(itertools.chain([first], lines), delimiter=delimiter_of(first), strict=True)
    header = [name.strip() for name in next(records)]
    yield f"{path.name}:1", header
    while True:
        where = f"{path.name}:{records.line_num + 1}"
        try:
            record = next(records, None)
        except csv.Error as error:
            raise BadInput(f"is not valid CSV: {error}", where=where, hint="look for an unclosed quote") from None
        if record is None:
            return
        if not any(field.strip() for field in record):
            continue  # an empty line, or the row of commas that spreadsheets write for it
        if len(record) != len(header):
            message = f"the row has {len(record)} columns, the header {len(header)}"
            raise BadInput(message, where=where, hint='a text with commas or quotes goes in quotes: "a, b"')
        yield where, record
