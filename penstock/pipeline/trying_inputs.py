"""What people type, pipe or have in a file, as the wire inputs of a product's task: texts, objects, images in base64.

It reads and names columns; whether an input is right, the task's `parse` says.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput
from penstock.datasets.cells import cell_of
from penstock.datasets.csv_records import csv_records
from penstock.datasets.lines import decoded_lines
from penstock.task import AnyTask
from penstock.workspace.records import Product

_IMAGES = (".png", ".jpg", ".jpeg", ".webp")
_TEXT_COLUMNS = ("text", "question", "message")
_DELIMITERS = (",", "\t", ";")


def takes_texts(task: AnyTask) -> bool:
    """Whether an input of the task may be a text alone."""
    schemas = [task.input_schema, *task.input_schema.get("oneOf", ())]
    return not task.uploads and any(schema.get("type") == "string" for schema in schemas)


def inputs_of_words(task: AnyTask, words: Sequence[str]) -> list[Any]:
    """Each word of a command line as an input: a text, an image's path, or an object in JSON."""
    if task.uploads:
        return [_image(Path(word)) for word in words]
    return [_value(task, word, f"input {number}") for number, word in enumerate(words, 1)]


def inputs_of_lines(task: AnyTask, lines: Iterable[str], name: str) -> list[Any]:
    """Each line that is not empty as an input: a text, or JSON (a text in quotes, an object)."""
    if task.uploads:
        raise BadInput(
            "images are files, not lines", where=name, hint="name them: penstock predict PRODUCT a.png b.png"
        )
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            found.append(_value(task, line.strip(), f"{name}:{number}"))
    return found


def inputs_in_file(task: AnyTask, product: Product, path: Path) -> list[Any]:
    """The inputs in a file: .csv and .tsv by column, .jsonl and .txt by line, each also .gz; an image, or a folder of
    images. Raises BadInput at file:line."""
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix.lower() in _IMAGES)
        if not task.uploads or not files:
            raise BadInput("is a folder without images to try", where=str(path), hint="name a file")
        return [_image(one) for one in files]
    if task.uploads:
        return [_image(path)]
    kind = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind in (".csv", ".tsv"):
        return list(_rows(task, product, path))
    if kind == ".jsonl":
        return [
            _record(task, product, value, where) if isinstance(value, dict) else value
            for where, value in _json_lines(path)
        ]
    if kind == ".txt":
        return inputs_of_lines(task, decoded_lines(path), path.name)
    raise BadInput(f"no inputs are read from {path.suffix or 'a file without an ending'}", where=str(path), hint=_KINDS)


_KINDS = "use .csv, .tsv, .jsonl or .txt (each also .gz), or an image where the product takes images"


def _value(task: AnyTask, text: str, where: str) -> Any:
    """A text as it is where texts are taken; JSON where it begins like an object of a task that takes some."""
    if takes_texts(task) and not (text.startswith("{") and task.input_schema.get("type") != "string"):
        return _quoted(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        hint = """write an object in single quotes: '{"column": "value"}'; or read rows with --file"""
        raise BadInput(f"{text[:60]!r} is not JSON", where=where, hint=hint) from None


def _quoted(text: str) -> str:
    """A JSON text, as `jq` prints one, without its quotes; any other text as it is."""
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def _image(path: Path) -> str:
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except IsADirectoryError:
        raise BadInput("is a folder, not an image", where=str(path), hint="name it with --file") from None
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path), hint="name an image file") from None


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(decoded_lines(path), 1):
        if line.strip():
            try:
                yield f"{path.name}:{number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadInput(f"is not JSON: {error}", where=f"{path.name}:{number}") from None


def _rows(task: AnyTask, product: Product, path: Path) -> Iterator[Any]:
    records = csv_records(path, lambda line: max(_DELIMITERS, key=line.count))
    _, header = next(records)
    for where, fields in records:
        cells = dict(zip(header, fields, strict=True))
        if not takes_texts(task) and "properties" not in task.input_schema:  # a table: as its training data are read
            yield {name: cell_of(cell, f"{where}: {name}") for name, cell in cells.items()}
        else:
            yield _record(task, product, {name: cell for name, cell in cells.items() if cell}, where)


def _record(task: AnyTask, product: Product, values: Mapping[str, Any], where: str) -> Any:
    """A row of a file as an input: its text where texts are taken, else the object under the wire's names."""
    if takes_texts(task):
        names = (*(product.columns.get(name, name) for name in _TEXT_COLUMNS), *_TEXT_COLUMNS)
        found = next((name for name in names if name in values), None)
        if found is None:
            hint = f"its columns: {', '.join(values)}; name it: columns = {{ text = ... }} in penstock.toml"
            raise BadInput(f"has no column {names[0]!r}", where=where, hint=hint)
        return values[found]
    known = task.input_schema.get("properties")
    if known is None:
        return dict(values)
    wire = {ours: theirs for theirs, ours in product.columns.items()}
    return {wire.get(name, name): value for name, value in values.items() if wire.get(name, name) in known}
