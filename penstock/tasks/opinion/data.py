"""Dated documents: what one is, and reading them from csv and jsonl files. It knows no entities and no sentiment."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from penstock.core.clock import zone_of
from penstock.core.errors import BadInput
from penstock.core.hashing import digest_of
from penstock.datasets.lines import decoded_lines
from penstock.datasets.objects import EXTENSIONS, read_objects
from penstock.datasets.report import MAX_EXAMPLES, Example, Finding, Part, shortened

FIELDS = ("text", "time", "id", "source", "url")
MAX_TEXT_CHARS = 20_000
MAX_ID_CHARS = 200
MAX_SOURCE_CHARS = 200
MAX_URL_CHARS = 2_000
OLDEST = datetime(1970, 1, 2, tzinfo=UTC)
AHEAD = timedelta(minutes=10)
"""How far a sender's clock may run before ours."""
MAX_SHOWN = 9


@dataclass(frozen=True, slots=True)
class Document:
    """A text that said something at a time. time: UTC. id: the sender's, or a hash of the rest."""

    text: str
    time: datetime
    id: str
    source: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A document of a file, with its origin, "news.csv:12"."""

    document: Document
    origin: str


def document_of(values: Any, *, where: str, now: datetime, zone: str | None = None) -> Document:
    """A document from a JSON object. zone: for times without one, and for bare dates (their midnight); None: refused.

    Raises BadInput at `where`.field for everything that is not a document: a text that is none, a time that is
    missing, without zone, before 1970 or in the future, fields that are unknown, null, too long or of another type.
    """
    if not isinstance(values, dict):
        message = f"a document must be an object, not {_json_type(values)}"
        raise BadInput(message, where=where, hint='send e.g. {"text": "...", "time": "2026-11-15T08:00:00Z"}')
    for name in values:
        if name not in FIELDS:
            shown = str(name)[:40]
            raise BadInput(f"unknown field {shown!r}", where=f"{where}.{shown}", hint=f"known: {', '.join(FIELDS)}")
    text = checked_text(values.get("text"), f"{where}.text")
    time = checked_time(values.get("time"), f"{where}.time", now=now, zone=zone)
    source = _short(values, "source", MAX_SOURCE_CHARS, where)
    url = _short(values, "url", MAX_URL_CHARS, where)
    if url and not url.startswith(("http://", "https://")):
        raise BadInput("this is not a web address", where=f"{where}.url", hint="it begins with https:// or http://")
    own = _short(values, "id", MAX_ID_CHARS, where)
    if "id" in values and not own:
        raise BadInput("the id is empty", where=f"{where}.id", hint="leave it out, or give each document its own")
    return Document(text, time, own or derived_id(text, time, source, url), source, url)


def derived_id(text: str, time: datetime, source: str, url: str) -> str:
    """The id of a document that came without: the same document gets the same."""
    return f"doc_{digest_of([text, time.astimezone(UTC).isoformat(), source, url])[:24]}"


def checked_text(value: Any, where: str) -> str:
    """The text as it is. Raises BadInput when it is none that can be read."""
    if not isinstance(value, str):
        what = "there is no text" if value is None else f"a text must be a string, not {_json_type(value)}"
        raise BadInput(what, where=where, hint='give the words of the document: "text": "..."')
    if not value.strip():
        raise BadInput("the text is empty", where=where, hint="send at least one character that is not a space")
    if len(value) > MAX_TEXT_CHARS:
        message = f"the text has {len(value):,} characters; at most {MAX_TEXT_CHARS:,} are read"
        raise BadInput(message, where=where, hint="shorten or split it")
    _check_characters(value, where)
    return value


def checked_time(value: Any, where: str, *, now: datetime, zone: str | None) -> datetime:
    """An ISO 8601 time as UTC. Raises BadInput when it is none, has no zone, lies before 1970 or in the future."""
    hint = 'write it as ISO 8601 with a zone, e.g. "2026-11-15T08:00:00Z"'
    if not isinstance(value, str):
        what = "the document has no time" if value is None else f"a time must be a string, not {_json_type(value)}"
        raise BadInput(what, where=where, hint=hint)
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise BadInput(f"{value[:40]!r} is not a time", where=where, hint=hint) from None
    if moment.tzinfo is None:
        if zone is None:
            raise BadInput(f"{value[:40]!r} has no zone", where=where, hint=hint)
        moment = moment.replace(tzinfo=zone_of(zone))
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise BadInput(f"{value[:40]!r} is outside the calendar", where=where, hint=hint) from None
    if moment < OLDEST:
        raise BadInput(f"{value[:40]!r} is before 1970", where=where, hint="is it the time the document was written?")
    if moment > now + AHEAD:
        message = f"{value[:40]!r} lies in the future; it is {now:%Y-%m-%dT%H:%M:%SZ}"
        raise BadInput(message, where=where, hint="send the time at which the document was published; check the zone")
    return moment


def read_documents(path: Path, columns: Mapping[str, str], *, now: datetime, zone: str) -> list[Read]:
    """All documents of a csv or jsonl file (also .gz), in its order.

    columns: {"text": "headline", "time": "date"} where the file names them otherwise. zone: of times that say none.
    Raises BadInput naming each defective row at file:line; empty texts are kept out by `clean`, not here.
    """
    named = _columns_of(columns)
    rows: list[Read] = []
    wrong: list[BadInput] = []
    for origin, values in _records(path, named):
        try:
            rows.append(_read(values, origin, now, zone))
        except BadInput as error:
            wrong.append(error)
    if wrong:
        raise _all_of(wrong)
    if not rows:
        raise BadInput("holds no documents", where=path.name, hint="it needs a header and a dated text a row")
    return rows


def clean_documents(rows: Sequence[Read], part: Part, most_chars: int) -> tuple[list[Read], list[Finding]]:
    """Documents by time (then id), without empty, over-long and repeated ones, and what was dropped.

    Repeated: the same id, or the same text at the same time from the same source. Raises BadInput when none is left.
    """
    dropped: dict[str, list[Read]] = {"empty": [], "too-long": [], "duplicate": []}
    kept: list[Read] = []
    seen: set[tuple[str, Any]] = set()
    for read in sorted(rows, key=lambda one: (one.document.time, one.document.id, one.document.text)):
        document = read.document
        same = {("id", document.id), ("text", (document.text, document.time, document.source))}
        if not document.text:
            dropped["empty"].append(read)
        elif len(document.text) > most_chars:
            dropped["too-long"].append(read)
        elif same & seen:
            dropped["duplicate"].append(read)
        else:
            kept.append(read)
            seen |= same
    if not kept:
        raise BadInput("every document is empty or too long", where=rows[0].origin.partition(":")[0] if rows else None)
    return kept, [_finding(kind, part, reads) for kind, reads in dropped.items() if reads]


def _finding(kind: str, part: Part, reads: Sequence[Read]) -> Finding:
    examples = tuple(
        Example(read.origin, shortened(read.document.text), read.document.time.date().isoformat())
        for read in reads[:MAX_EXAMPLES]
    )
    return Finding(kind, part, len(reads), len(reads), "dropped", examples)


def _read(values: Mapping[str, Any], origin: str, now: datetime, zone: str) -> Read:
    given = {name: value for name, value in values.items() if name in ("text", "time") or value not in (None, "")}
    if isinstance(given.get("id"), int) and not isinstance(given["id"], bool):
        given["id"] = str(given["id"])
    text = given.get("text")
    if text is None or (isinstance(text, str) and not text.strip()):
        # counted and dropped by cleaning, as long as the row is dated
        time = checked_time(given.get("time"), f"{origin}: time", now=now, zone=zone)
        return Read(Document("", time, f"empty_{origin}"), origin)
    try:
        return Read(document_of(given, where=origin, now=now, zone=zone), origin)
    except BadInput as error:
        place = (error.where or origin).replace(f"{origin}.", f"{origin}: ")
        raise BadInput(error.message, where=place, hint=error.hint) from None


def _columns_of(columns: Mapping[str, str]) -> dict[str, str]:
    for name in columns:
        if name not in FIELDS:
            hint = f"the left side is one of {', '.join(FIELDS)}; the right side names the file's column"
            raise BadInput(f"unknown field {name!r}", where=f"columns.{name}", hint=hint)
    return {**{name: name for name in FIELDS}, **columns}


def _records(path: Path, named: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    plain = path.name.lower().removesuffix(".gz")
    if plain.endswith((".csv", ".tsv")):
        return _csv(path, named)
    if plain.endswith((".jsonl", ".ndjson")):
        return _jsonl(path, named)
    if plain.endswith(EXTENSIONS):
        return _objects(path, named)
    hint = "use .csv, .tsv, .jsonl, .json (each also with .gz) or .xlsx"
    raise BadInput("the file's type is unknown", where=path.name, hint=hint)


def _objects(path: Path, named: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, values in read_objects(path):
        _require(named, list(values), where)
        yield where, {field: values[name] for field, name in named.items() if values.get(name) is not None}


def csv_records(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each record of a CSV file with the line on which it begins; the first is the header. Raises BadInput."""
    lines = decoded_lines(path)
    first = next(lines, None)
    if first is None:
        raise BadInput("the file is empty", where=path.name, hint="the first line names the columns")
    delimiter = max((",", "\t", ";"), key=first.count)
    records = csv.reader(_chain(first, lines), delimiter=delimiter, strict=True)
    while True:
        where = f"{path.name}:{records.line_num + 1}"
        try:
            record = next(records, None)
        except csv.Error as error:
            raise BadInput(f"is not valid CSV: {error}", where=where, hint='inside quotes, double them: ""') from None
        if record is None:
            return
        if any(field.strip() for field in record):
            yield where, record


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _csv(path: Path, named: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    records = csv_records(path)
    where, head = next(records)
    header = [name.strip() for name in head]
    _require(named, header, where)
    places = {field: header.index(name) for field, name in named.items() if name in header}
    for where, record in records:
        if len(record) != len(header):
            message = f"the row has {len(record)} columns, the header {len(header)}"
            raise BadInput(message, where=where, hint='a text with commas or quotes goes in quotes: "a, b"')
        yield where, {field: record[place] for field, place in places.items()}


def _jsonl(path: Path, named: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(decoded_lines(path), 1):
        where = f"{path.name}:{number}"
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            hint = 'each line is one object: {"text": "...", "time": "..."}'
            raise BadInput("is not JSON that can be read", where=where, hint=hint) from None
        if not isinstance(value, dict):
            raise BadInput(f"is {_json_type(value)}, not an object", where=where)
        _require(named, list(value), where)
        yield where, {field: value.get(name) for field, name in named.items() if name in value}


def _require(named: Mapping[str, str], found: Sequence[str], where: str) -> None:
    missing = [named[field] for field in ("text", "time") if named[field] not in found]
    if missing:
        listed = ", ".join(repr(str(name)) for name in found[:20]) or "none"
        raise BadInput(
            f"no column {missing[0]!r}; the columns found are: {listed}",
            where=where,
            hint='name them in penstock.toml: columns = { text = "...", time = "..." }',
        )


def _all_of(wrong: Sequence[BadInput]) -> BadInput:
    first, *others = wrong
    if not others:
        return first
    shown = "; ".join(f"{error.where}: {error.message}" for error in others[:MAX_SHOWN])
    left = f"; and {len(others) - MAX_SHOWN:,} more" if len(others) > MAX_SHOWN else ""
    hint = f"{first.hint}\n  " if first.hint else ""
    return BadInput(first.message, where=first.where, hint=f"{hint}also {shown}{left}")


def _short(values: Mapping[str, Any], name: str, most: int, where: str) -> str:
    value = values.get(name, "")
    place = f"{where}.{name}"
    if not isinstance(value, str):
        hint = "leave the field out where there is none"
        raise BadInput(f"the {name} must be a string, not {_json_type(value)}", where=place, hint=hint)
    if len(value) > most:
        raise BadInput(f"the {name} has {len(value):,} characters, at most {most:,} are kept", where=place)
    _check_characters(value, place)
    if not value.isprintable():
        raise BadInput(f"the {name} holds characters that cannot be shown", where=place)
    return value.strip()


def _check_characters(value: str, where: str) -> None:
    if "\0" in value:
        raise BadInput("holds a NUL character", where=where, hint="delete it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput("holds half of a surrogate pair, which is no character", where=where) from None


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a text" if isinstance(value, str) else type(value).__name__)
