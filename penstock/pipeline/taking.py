"""What `penstock init` makes of a file nobody prepared: converted where it must be, columns and language recognised."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.convert import convert
from penstock.datasets.encodings import guess_encoding
from penstock.datasets.guess import (
    Head,
    by_content,
    by_name,
    head_of,
    separator_in,
    share_by_script,
    without_header,
)
from penstock.datasets.lines import decoded_lines, sample_of
from penstock.datasets.objects import is_label_studio, read_json

_TEXT = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt")
LEAST_LATIN = 0.5


@dataclass(frozen=True)
class Taken:
    """file: what becomes the product's data. columns: of each field. language: "" where the English backbone reads the
    texts; else what they are, e.g. "Chinese". notes: what was taken for what. separator: the sign between several
    labels in a cell, None where a cell is one label."""

    file: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    notes: tuple[str, ...] = ()
    separator: str | None = None


def take(task: str, file: Path, given: Mapping[str, str], scratch: Path) -> Taken:
    """Look at `file`. given: columns that the owner names, by field. scratch: a folder for what has to be converted.

    Raises BadInput for a file that cannot be read, or whose columns cannot be told; the error lists all of them.
    """
    if not installed.get(task).fields or not file.is_file():
        return Taken(file)
    file, notes = _readable(file, scratch)
    head = head_of(file)
    if installed.get(task).headerless and not given and (places := without_header(head)) and _is_text(file):
        file = _with_header(file, places, head.delimiter, scratch)
        notes.append(f"no header: column {places[0] + 1} taken as text, column {places[1] + 1} as label")
        head = head_of(file)
    elif head.delimiter == "|":
        file = _with_commas(file, scratch)
        head = head_of(file)
    columns = _columns(task, head, given, file)
    told = ", ".join(f"{name} = {column!r}" for name, column in columns.items())
    others = [column for column in head.columns if column not in columns.values() and column]
    notes.append(f"columns taken: {told}" + (f"; not used: {', '.join(map(repr, others))}" if others else ""))
    language = _language(head.cells(next(iter(columns.values())))) if installed.get(task).reads_language else ""
    separator = separator_in([row.get(columns["label"]) for row in head.rows]) if "label" in columns else None
    if separator is not None:
        notes.append(f"a text has several labels, in lists or with {separator!r} between: options.multi_label = true")
    return Taken(file, columns, language, tuple(notes), separator)


def _readable(file: Path, scratch: Path) -> tuple[Path, list[str]]:
    """The file, or its conversion where it is not UTF-8 or a Label Studio export."""
    kind = Path(file.name.lower().removesuffix(".gz")).suffix
    if kind == ".json":
        needed = is_label_studio(read_json(file))
    else:
        sample, whole = sample_of(file) if kind in _TEXT else (b"", True)
        needed = guess_encoding(sample, whole=whole) not in ("utf-8", "utf-8-sig") or kind == ".txt"
    if not needed:
        return file, []
    found = convert(file)
    made = scratch / f"{file.name.split('.')[0]}{found.extension}"
    made.write_text(found.content, encoding="utf-8", newline="")
    kind = found.extension.lstrip(".")
    return made, [*found.notes, f"the workspace gets a copy in UTF-8, as {kind}; {file} itself is unchanged"]


def _columns(task: str, head: Head, given: Mapping[str, str], file: Path) -> dict[str, str]:
    fields = installed.get(task).fields
    strange = [name for name in given if name not in fields]
    if strange:
        known = ", ".join(f"--{name}-column" for name in fields)
        raise BadInput(f"{task} has no {strange[0]}", where=f"--{strange[0]}-column", hint=f"it takes {known}")
    found = by_name(head, fields, given)
    if fields == ("text", "label"):
        found = by_content(head, found)
    missing = [name for name in fields if name not in found and name != "time"]
    if missing:
        flags = " ".join(f"--{name}-column NAME" for name in missing)
        listed = ", ".join(map(repr, head.columns)) or "none"
        asked = f"which column is the {' and which the '.join(missing)}? The columns are: {listed}"
        raise BadInput(asked, where=file.name, hint=f"say it: {flags}")
    return found


def _language(texts: list[str]) -> str:
    shares = share_by_script(texts)
    if not shares or shares.get("latin", 0.0) >= LEAST_LATIN:
        return ""
    if shares.get("kana", 0.0) > 0.1:
        return "Japanese"
    first = next(script for script in shares if script != "latin")
    return {"han": "Chinese", "hangul": "Korean", "kana": "Japanese"}.get(first, "in another script")


def _is_text(file: Path) -> bool:
    return file.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".txt"))


def _with_header(file: Path, places: tuple[int, int], delimiter: str, scratch: Path) -> Path:
    made = scratch / f"{file.name.split('.')[0]}.csv"
    records = [record for record in csv.reader(list(decoded_lines(file)), delimiter=delimiter) if any(record)]
    width = max(places) + 1
    with made.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("text", "label"))
        for number, record in enumerate(records, 1):
            if len(record) < width:
                raise BadInput(f"the row has {len(record)} columns, the first {width}", where=f"{file.name}:{number}")
            writer.writerow([record[place] for place in places])
    return made


def _with_commas(file: Path, scratch: Path) -> Path:
    records = list(csv.reader(list(decoded_lines(file)), delimiter="|"))
    made = scratch / f"{file.name.split('.')[0]}.csv"
    with made.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(records)
    return made


def settled_section(section: str, taken: Taken, rare_labels: str | None) -> str:
    """The task's lines of penstock.toml with what was found in them. section: still with its places to fill in."""
    lines = section.splitlines()
    if "target" in taken.columns:
        target = json.dumps(taken.columns["target"], ensure_ascii=False).replace("{", "{{").replace("}", "}}")
        lines = [line.replace('target = "target"', f"target = {target}") for line in lines]
    elif any(name != column for name, column in taken.columns.items()):
        pairs = [f"{name} = {json.dumps(column, ensure_ascii=False)}" for name, column in taken.columns.items()]
        named = ", ".join(pairs).replace("{", "{{").replace("}", "}}")
        lines = [f"columns = {{{{ {named} }}}}" if line.startswith("# columns = ") else line for line in lines]
    if taken.separator is not None:
        lines = [line.replace('label_separator = "|"', f'label_separator = "{taken.separator}"') for line in lines]
    if taken.language:
        lines = [_without_english(line, taken.language) if line.startswith("backbone =") else line for line in lines]
    if rare_labels is not None:
        word = json.dumps(rare_labels, ensure_ascii=False)
        lines = [line.replace("min_class_rows = 2,", f"min_class_rows = 2, rare_labels = {word},") for line in lines]
    return "\n".join(lines) + "\n"


def _without_english(line: str, language: str) -> str:
    reads = f"the texts are {language}, which the English backbone does not read"
    return (
        f'# {reads}: n-grams need no backbone.\n# backbone = "multilingual"        # see [backbones.multilingual] above'
    )


MULTILINGUAL = """\
# The texts are {language}: the English backbone would know hardly a word. Without one, `penstock train` climbs n-grams.
# Where this machine may fetch models, take the comments from these lines and from `backbone` below:
# [backbones.multilingual]
# source = "hub:intfloat/multilingual-e5-small"   # MIT licence, a hundred languages{chinese}
# Pin it after the first training: `penstock doctor` prints the sha256 of the weights that were fetched.
# Where it may not: make an encoder of your own texts with `penstock pretrain`, source = "path:DIR".
"""


def backbone_block(language: str) -> str:
    """What penstock.toml says of backbones where the English one is of no use."""
    chinese = '; for Chinese alone\n# source = "hub:BAAI/bge-small-zh-v1.5"           # MIT licence, smaller and better'
    return MULTILINGUAL.format(language=language, chinese=chinese if language == "Chinese" else "")
