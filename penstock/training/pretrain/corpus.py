"""Reads unlabelled texts from .txt, .jsonl and .csv files, each also gzipped, or from a folder of them.

It knows formats and refuses what is too little to learn from; it keeps each text once and cleans nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import BadInput
from penstock.core.hashing import digest_of
from penstock.datasets.csv_records import csv_records
from penstock.datasets.lines import decoded_lines

LEAST_TEXTS, LEAST_CHARACTERS = 200, 5_000  # below it even a vocabulary is noise; tens of thousands are useful
_ADD = "pretraining needs a lot of text, tens of thousands of lines to be useful; labels are not needed"


@dataclass(frozen=True, eq=False)
class Corpus:
    """texts: each once, in the files' order. files: name -> texts read from it. digest: of all texts in order."""

    texts: tuple[str, ...]
    files: Mapping[str, int]
    digest: str


def read_corpus(place: Path, column: str = "text") -> Corpus:
    """The texts of a file, or of all files of known type in a folder. column: of .jsonl and .csv files.

    Raises BadInput for files that cannot be read, a column that is not there, and fewer than 200 different texts or
    5,000 characters.
    """
    files: dict[str, int] = {}
    seen: dict[str, None] = {}
    for file in _files(place):
        before = 0
        for text in _READERS[_type_of(file) or ""](file, column):
            before += 1
            seen.setdefault(text)
        files[file.name if place.is_file() else str(file.relative_to(place))] = before
    texts = tuple(seen)
    if not texts:
        raise BadInput("the corpus holds no texts", where=str(place), hint=_ADD)
    characters = sum(map(len, texts))
    if len(texts) < LEAST_TEXTS or characters < LEAST_CHARACTERS:
        counted = "1 different text" if len(texts) == 1 else f"{len(texts)} different texts"
        raise BadInput(
            f"the corpus is too small: {counted} of {characters:,} characters together; at least {LEAST_TEXTS} of "
            f"{LEAST_CHARACTERS:,} are needed",
            where=str(place),
            hint=_ADD,
        )
    total = hashlib.sha256()
    for text in texts:
        total.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return Corpus(texts, files, digest_of(["corpus", total.hexdigest()]))


def _files(place: Path) -> list[Path]:
    if not place.exists():
        raise BadInput("there is no such file or folder", where=str(place), hint="name a file of texts, or a folder")
    if place.is_file():
        if _type_of(place) is None:
            hint = f"use {', '.join(_READERS)}, also with .gz"
            raise BadInput("the file's type is unknown", where=str(place), hint=hint)
        return [place]
    found = sorted(file for file in place.rglob("*") if file.is_file() and _type_of(file) is not None)
    if not found:
        raise BadInput(
            "the folder holds no file of texts", where=str(place), hint=f"it looks for {', '.join(_READERS)}, also .gz"
        )
    return found


def _type_of(file: Path) -> str | None:
    if file.name.startswith("."):
        return None
    plain = file.name.lower().removesuffix(".gz")
    return next((kind for kind in _READERS if plain.endswith(kind)), None)


def _lines(file: Path, column: str) -> Iterator[str]:
    for line in decoded_lines(file):
        if text := line.strip():
            yield text


def _jsonl(file: Path, column: str) -> Iterator[str]:
    for number, line in enumerate(decoded_lines(file), 1):
        where = f"{file.name}:{number}"
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError:
            raise BadInput("the line is not valid JSON", where=where, hint="one JSON object a line") from None
        if not isinstance(found, dict) or column not in found:
            keys = ", ".join(map(repr, found)) if isinstance(found, dict) else "none"
            raise BadInput(f"no {column!r}; the names found are: {keys}", where=where, hint=_COLUMN)
        if not isinstance(found[column], str):
            raise BadInput(f"{column!r} is not a text", where=where, hint=_COLUMN)
        if text := found[column].strip():
            yield text


def _csv(file: Path, column: str) -> Iterator[str]:
    records = csv_records(file, lambda header: _delimiter(header, column))
    where, header = next(records)
    if column not in header:
        found = ", ".join(map(repr, header[:20]))
        raise BadInput(f"no column {column!r}; the columns found are: {found}", where=where, hint=_COLUMN)
    place = header.index(column)
    for _, record in records:
        if text := record[place].strip():
            yield text


def _delimiter(header: str, column: str) -> str:
    """A comma, unless the column is found only between tabs or semicolons."""
    for delimiter in (",", "\t", ";"):
        if column in (name.strip().strip('"') for name in header.strip().split(delimiter)):
            return delimiter
    return ","


_COLUMN = "name the column that holds the texts: --column NAME"
_READERS: dict[str, Callable[[Path, str], Iterator[str]]] = {".txt": _lines, ".jsonl": _jsonl, ".csv": _csv}
