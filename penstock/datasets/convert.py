"""Makes a UTF-8 csv file of a data file in another encoding or format: text, a workbook's sheet, a list of objects, a
Label Studio export. Says what it took for what, and what it skipped."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput, Conflict
from penstock.datasets.encodings import guess_encoding
from penstock.datasets.lines import opened, read_all, sample_of
from penstock.datasets.objects import columns_in, is_label_studio, read_json, read_objects

MOST_BYTES = 1_000_000_000
_TEXT = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
LEAST_SEVERAL = 2  # tasks with several choices at once, for a project of several labels; a single one is a slip


@dataclass(frozen=True)
class Converted:
    """A file's content as UTF-8. extension: of what it is now. notes: what was taken for what, what was skipped."""

    content: str
    extension: str
    notes: tuple[str, ...]


def convert(path: Path, *, encoding: str | None = None, sheet: str | None = None) -> Converted:
    """The content as UTF-8 csv (a .jsonl file stays one). encoding: None to guess it. sheet: of a workbook.

    Raises BadInput for a file that cannot be read so.
    """
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if sheet is not None and kind != ".xlsx":
        raise BadInput("only a workbook has sheets", where="--sheet", hint="leave it out")
    if kind in _TEXT:
        return _text(path, kind, encoding)
    if encoding is not None:
        raise BadInput(f"{kind or 'this'} is no text in an encoding of its own", where="--from", hint="leave it out")
    if kind == ".xlsx":
        rows = [values for _, values in read_objects(path, sheet)]
        return _csv(rows, (f"{len(rows):,} rows of {path.name}",))
    if kind == ".json":
        values = read_json(path)
        if is_label_studio(values):
            return _label_studio(values, path)
        rows = [values for _, values in read_objects(path)]
        return _csv(rows, (f"{len(rows):,} rows of {path.name}",))
    hint = f"it converts {', '.join(_TEXT)}, .json, each also .gz, and .xlsx"
    raise BadInput("the file's type is unknown", where=path.name, hint=hint)


def write_converted(found: Converted, out: Path, *, overwrite: bool = False) -> None:
    """Write it, never over a file that is there unless asked. Raises Conflict."""
    if out.exists() and not overwrite:
        raise Conflict("there is such a file already", where=str(out), hint="name another: --out FILE, or --overwrite")
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w" if overwrite else "x", encoding="utf-8", newline="") as stream:
        stream.write(found.content)


def beside(path: Path, extension: str) -> Path:
    """Where a converted file lies unless told otherwise: "a.csv" becomes "a-utf8.csv" in the same folder."""
    stem = path.name.removesuffix(".gz") if path.name.lower().endswith(".gz") else path.name
    return path.with_name(f"{Path(stem).stem}-utf8{extension}")


def _text(path: Path, kind: str, encoding: str | None) -> Converted:
    sample, whole = sample_of(path)
    name = encoding or guess_encoding(sample, whole=whole)
    if name is None:
        hint = "name the encoding: --from cp1252 (Western), gb18030 (Chinese), big5, shift_jis, cp1251, utf-16 ..."
        raise BadInput("no encoding fits the file", where=path.name, hint=hint)
    with opened(path) as stream:
        content = read_all(stream, path, most=MOST_BYTES)
    try:
        text = content.decode(name)
    except LookupError:
        hint = "Python's names: cp1252, gb18030, big5, shift_jis, utf-16 ..."
        raise BadInput(f"unknown encoding {name!r}", where="--from", hint=hint) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        hint = "name another encoding by --from, or mend the line"
        raise BadInput(f"the line is not {name}", where=f"{path.name}:{line}", hint=hint) from None
    text = text.removeprefix("\ufeff")
    notes = [f"{path.name} read as {name}{'' if encoding else ' (a guess: look at it)'}"]
    if shown := next((line for line in text.splitlines() if not line.isascii()), ""):
        notes.append(f"e.g. {shown.strip()[:100]}")
    return Converted(text, kind if kind in (".jsonl", ".ndjson", ".tsv") else ".csv", tuple(notes))


def _csv(rows: Sequence[Mapping[str, Any]], notes: tuple[str, ...]) -> Converted:
    names = columns_in(list(rows))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return Converted(out.getvalue(), ".csv", notes)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


# Label Studio


def _label_studio(tasks: Sequence[Any], path: Path) -> Converted:
    """One row a task with its text and its one choice, or a list of its choices where tasks have several; every other
    task is counted by why it is no row."""
    several = sum(any(len(one) > 1 for one in map(_choices, _live(task))) for task in tasks) >= LEAST_SEVERAL
    skipped: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for task in tasks:
        chosen, why = _agreed(task, several)
        text = _only_text(task)
        if why is None and text is None:
            why = "without a text among their data"
        if why is not None:
            skipped[why] += 1
        else:
            rows.append({"text": text, "label": list(chosen) if several else chosen[0]})
    if not rows:
        told = "; ".join(f"{count:,} {why}" for why, count in skipped.items()) or "it is empty"
        hint = "it takes text classification: choices (`<Choices>`) for a text"
        raise BadInput(f"no task of the Label Studio export is a labelled text: {told}", where=path.name, hint=hint)
    notes = [f"{len(rows):,} labelled texts of {len(tasks):,} tasks of a Label Studio export"]
    notes += ["tasks have several choices at once: the labels are lists"] if several else []
    notes += [f"skipped: {count:,} tasks {why}" for why, count in skipped.most_common()]
    return _csv(rows, tuple(notes))


def _live(task: Any) -> list[list[Mapping[str, Any]]]:
    """What each annotation of a task holds, without those that were cancelled."""
    made = (task.get("annotations") or task.get("completions") or []) if isinstance(task, dict) else []
    live = [one for one in made if isinstance(one, dict) and not one.get("was_cancelled")]
    return [[part for part in one.get("result") or [] if isinstance(part, dict)] for one in live]


def _agreed(task: Any, several: bool) -> tuple[tuple[str, ...], str | None]:
    """(the choices on which the annotations agree, None), or ((), why there are none). several: any number of choices
    may be made at once, also none."""
    if not isinstance(task, dict):
        return (), "that are no objects"
    results = _live(task)
    if not results:
        made = task.get("annotations") or task.get("completions")
        return (), "skipped by their annotators" if made else "without an annotation"
    chosen = list(map(_choices, results))
    others = any(part.get("type") != "choices" for one in results for part in one)
    if not any(chosen) and (others or not several):
        return (), "with other annotations than choices" if any(results) else "without a choice"
    if not several and any(len(one) > 1 for one in chosen):
        return (), "with several choices at once"
    labels = {tuple(sorted(set(one))) for one in chosen if one or several}
    if len(labels) > 1:
        return (), "on which annotators disagree"
    return labels.pop(), None


def _choices(results: Iterable[Mapping[str, Any]]) -> list[str]:
    values = [one.get("value") for one in results if one.get("type") == "choices"]
    return [str(choice) for value in values if isinstance(value, dict) for choice in value.get("choices") or []]


def _only_text(task: Any) -> str | None:
    """The task's text: its data's `text`, or the longest text among them."""
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("text"), str):
        return str(data["text"])
    return max((value for value in data.values() if isinstance(value, str)), key=len, default=None)
