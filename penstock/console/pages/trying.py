"""What the playground asks for and shows: a task's input from a form's fields, and its answer in parts to draw."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.core.errors import BadInput
from penstock.models.protocol import Model
from penstock.task import AnyTask, Form, FormField

MAIN_FIELD: Mapping[Form, str] = {
    "text": "text",
    "question": "question",
    "document": "text",
    "image": "image",
    "user": "user",
    "json": "json",
    "table": "",
}
"""The field that an error about a whole input is shown at."""
_COLUMN = "column:"
_MOST_OPTIONS = 200


@dataclass(frozen=True)
class Entry:
    """A column of a table as a form's field."""

    # of the form's field
    name: str
    # with options only where they are few enough to choose from
    column: FormField


@dataclass(frozen=True)
class Segment:
    """A stretch of an explained text. weight: above 0 it spoke for the answer; 0 where nothing was said of it.
    strength: 0 to 3, how heavy it is among the others."""

    text: str
    weight: float
    strength: int


def entries_of(task: AnyTask, model: Model) -> list[Entry]:
    """The fields of a table's form, as training found its columns."""
    return [
        Entry(_COLUMN + one.name, replace(one, options=one.options if len(one.options) <= _MOST_OPTIONS else ()))
        for one in task.form_fields(model)
    ]


def input_of(kind: Form, form: Mapping[str, str], files: Mapping[str, bytes], now: str) -> Any:
    """One input of the wire from what was filled in. now: ISO time of a document that says none. Raises BadInput."""
    match kind:
        case "image":
            if not files.get("image"):
                raise BadInput("choose an image", where="image", hint="a PNG, JPEG or WebP file")
            return base64.b64encode(files["image"]).decode("ascii")
        case "table":
            found = {name.removeprefix(_COLUMN): text for name, text in form.items() if name.startswith(_COLUMN)}
            return {name: text or None for name, text in found.items()}  # read as a file's cells are
        case "user":
            return _ask(form)
        case "json":
            return _json(form.get("json", ""))
        case "document":
            return {"text": form.get("text", ""), "time": now}
        case "question":
            return {"question": form.get("question", ""), **({"locale": form["locale"]} if form.get("locale") else {})}
    return form.get("text", "")


def place_of(kind: Form, where: str | None) -> str | None:
    """The form's field that `inputs[0].age` speaks of."""
    if where is None or not where.startswith("inputs"):
        return where
    name = where.partition("].")[2]
    if kind == "table" and name:
        return _COLUMN + name
    return name.partition("[")[0] or MAIN_FIELD[kind]


def segments(text: str, explanation: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """The text in stretches, with what each added to the answer."""
    heaviest = max((abs(part["weight"]) for part in explanation), default=0.0)
    found, at = [], 0
    for part in sorted(explanation, key=lambda one: one["start"]):
        if part["start"] > at:
            found.append(Segment(text[at : part["start"]], 0.0, 0))
        strength = 1 + min(2, int(3 * abs(part["weight"]) / heaviest)) if heaviest else 0
        found.append(Segment(text[part["start"] : part["end"]], part["weight"], strength))
        at = part["end"]
    return [*found, Segment(text[at:], 0.0, 0)] if at < len(text) else found


def _ask(form: Mapping[str, str]) -> dict[str, Any]:
    items = [one.strip() for one in form.get("items", "").split(",") if one.strip()]
    if form.get("user"):
        return {"user": form["user"], **({"items": items} if items else {})}
    return {"items": items} if items else {"popular": True}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput("this is not JSON", where="json") from None
