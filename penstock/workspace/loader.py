"""Reads penstock.toml into a Workspace. Every error names the file, the line and the full key.

It does not look at the data files or at the tasks: other packages do, and point into the file with `where`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from penstock.core.errors import BadInput, NotFound
from penstock.workspace.complaints import Complaint, complaints_of
from penstock.workspace.positions import dotted, line_of, positions
from penstock.workspace.records import Product, Workspace

FILE = "penstock.toml"
_MAX_BYTES = 1_000_000


def load(folder: Path) -> Workspace:
    """The workspace that lies in `folder`, which holds penstock.toml.

    Raises BadInput with `where` = "penstock.toml:LINE: products.helpdesk.price"; when several things are
    wrong, one error lists them all.
    """
    folder = Path(folder)
    text = _read(folder)
    content = _parse(text)
    if "folder" in content:  # a field of the record, but not something to write in the file
        place = f"{FILE}:{line_of(_lines(text), ('folder',))}: folder"
        raise BadInput("unknown key 'folder'", where=place, hint="delete it: the workspace is where the file lies")
    try:
        return Workspace.model_validate({**content, "folder": folder})
    except ValidationError as error:
        raise _refusal(complaints_of(error, content), text) from None


def where(folder: Path, *path: str | int) -> str:
    """ "penstock.toml:LINE: a.b.c" for an error found elsewhere; the nearest line when the key is not written."""
    try:
        lines = _lines(_read(Path(folder)))
    except BadInput:
        return f"{FILE}: {dotted(path)}"
    return f"{FILE}:{line_of(lines, path)}: {dotted(path)}"


def product_of(workspace: Workspace, name: str) -> Product:
    """The product of that name. Raises NotFound with the closest one, or all that there are."""
    if name in workspace.products:
        return workspace.products[name]
    close = difflib.get_close_matches(name, workspace.products, n=1)
    known = ", ".join(workspace.products) or "none"
    hint = f"did you mean {close[0]!r}?" if close else f"the products are: {known}"
    raise NotFound(f"no product {name!r} in {FILE}", hint=hint)


def data_path(workspace: Workspace, product: str | Product, *, test: bool = False) -> Path:
    """Where the data file of a product (or its test file) lies. It need not exist.

    Raises NotFound for an unknown product, BadInput for `test` when the product names no test file.
    """
    chosen = product_of(workspace, product) if isinstance(product, str) else product
    name = chosen.test if test else chosen.data
    if name is None:
        raise BadInput("this product has no test file of its own", where=FILE)
    return workspace.folder / name


def _read(folder: Path) -> str:
    path = folder / FILE
    if not path.is_file():
        missing = "the folder does not exist" if not folder.is_dir() else f"there is no {FILE} in this folder"
        raise BadInput(missing, where=str(folder), hint="make one with: penstock init DIR")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=FILE, hint="check the file's permissions") from None
    if len(content) > _MAX_BYTES:
        raise BadInput(f"is larger than {_MAX_BYTES:,} bytes", where=FILE, hint="data belong in files of their own")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput("is not UTF-8 text", where=f"{FILE}:{line}", hint="save it as UTF-8") from None


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    try:
        return positions(text)
    except (IndexError, RecursionError):  # the file is not TOML, or nested beyond all measure
        return {}


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _malformed(str(error), text) from None
    except RecursionError:
        raise BadInput("tables or arrays are nested too deeply", where=FILE) from None


_AT_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_TWICE = re.compile(r"Cannot (?:declare \((.+)\) twice|overwrite a value|mutate immutable namespace .+)$")


def _malformed(message: str, text: str) -> BadInput:
    found = _AT_LINE.search(message)
    number, column = (int(found[1]), int(found[2])) if found else (text.count("\n") + 1, 1)
    message = _AT_LINE.sub("", message).removesuffix(" (at end of document)")
    lines = text.splitlines() or [""]
    shown = lines[min(number, len(lines)) - 1].strip()[:80]
    twice = _TWICE.match(message)
    if twice is None:
        hint = f"the line reads: {shown}\n  text goes in quotes, a table of one line in {{ }}"
        first = message[:1].lower() + message[1:]
        return BadInput(f"is not valid TOML: {first} (column {column})", where=f"{FILE}:{number}", hint=hint)
    key = ".".join(re.findall(r"'([^']*)'", twice[1])) if twice[1] else _key_in_table(lines, number)
    first_line = _lines("\n".join(lines[: number - 1])).get(tuple(key.split(".")))
    again = f"is written twice, first on line {first_line}" if first_line else "is written twice"
    return BadInput(again, where=f"{FILE}:{number}: {key}", hint="keep one of them, or give the other another name")


def _key_in_table(lines: list[str], number: int) -> str:
    """The full key that line `number` (1-based) sets, for a text that is TOML up to there."""
    key = re.split(r"\s*=", lines[number - 1].strip())[0].strip("[] ")
    headers = [line.split("]")[0].strip("[ ") for line in lines[: number - 1] if line.startswith("[")]
    return f"{headers[-1]}.{key}" if headers else key


def _refusal(complaints: list[Complaint], text: str) -> BadInput:
    lines = _lines(text)
    placed = sorted((line_of(lines, c.path), i, c) for i, c in enumerate(complaints))
    if len(placed) == 1:
        line, _, only = placed[0]
        return BadInput(only.message, where=f"{FILE}:{line}: {dotted(only.path)}", hint=only.hint)
    listed = [
        f"  {FILE}:{line}: {dotted(c.path)}: {c.message}" + (f"\n      {c.hint}" if c.hint else "")
        for line, _, c in placed
    ]
    return BadInput(f"{len(placed)} things are wrong\n" + "\n".join(listed), where=FILE)
