"""Values that customers send, read by a model's schema: as JSON or as the texts of a csv file, which mean the same.

It knows the wire's values of one column; requests and models are read elsewhere.
"""

from __future__ import annotations

from penstock.core.errors import BadInput
from penstock.datasets.dates import date_text
from penstock.datasets.numbers import PLAIN, form_from, number_of
from penstock.tasks.tabular.data.columns import category_of, known_as
from penstock.tasks.tabular.data.schema import MOST, Column, Value, finite

_TYPES = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object", str: "text"}


def value_of(value: object, column: Column, where: str) -> Value:
    """A wire value, typed as training rows were: null, an empty text and the column's words for "missing" are missing.
    Raises BadInput at `where`."""
    number = _number(value, column, where) if column.kind == "number" and not _is_missing(value, column) else None
    if number is not None and (number != 0 or "0" not in column.absent):
        return number
    if number is not None or _is_missing(value, column):
        if column.missing > 0:
            return None
        hint = "no row of the training data lacked it, so the model cannot do without it"
        what = "null" if value is None else f"missing ({value!r})"
        raise BadInput(f"must not be {what}", where=where, hint=hint)
    if column.kind == "date":
        return _date(value, column, where)
    if not isinstance(value, str | bool | int | float):
        raise BadInput(f"must be a text, not {_json_type(value)}", where=where, hint=_known(column))
    category = known_as(value, column.categories)
    if category is None:
        message = f"has a category that training never saw: {str(value)[:60]!r}"
        raise BadInput(message, where=where, hint=_known(column))
    return category


def _is_missing(value: object, column: Column) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip() or value.strip() in column.absent
    return isinstance(value, bool | int | float) and category_of(value) in column.absent


def _number(value: object, column: Column, where: str) -> float:
    if isinstance(value, str):
        number = number_of(value.strip(), form_from(column.form) if column.form else PLAIN)
        if number is None:
            hint = f"send a number, or write it as the training data do, e.g. {column.form or '1234.5'}"
            raise BadInput(f"must be a number, not {value[:60]!r}", where=where, hint=hint)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        hint = "send it without quotes, or null if it is not known"
        raise BadInput(f"must be a number, not {_json_type(value)}", where=where, hint=hint)
    elif isinstance(value, int) and abs(value) > MOST:
        raise BadInput(f"must lie between -{MOST:.0e} and {MOST:.0e}", where=where, hint="check its unit")
    else:
        number = float(value)
    if not finite(number):
        message = f"must be a finite number between -{MOST:.0e} and {MOST:.0e}"
        raise BadInput(message, where=where, hint="send null if it is not known")
    return number


def _date(value: object, column: Column, where: str) -> str:
    moment = date_text(value, column.form) if isinstance(value, str) else None
    if moment is None:
        also = f", or as {column.form}" if column.form else ""
        hint = f'send e.g. "2026-11-05" or "2026-11-05T09:30:00"{also}'
        raise BadInput("must be a date", where=where, hint=hint)
    return moment


def _json_type(value: object) -> str:
    return _TYPES.get(type(value), type(value).__name__)


def _known(column: Column) -> str:
    shown = ", ".join(map(repr, column.categories[:12]))
    more = f" and {len(column.categories) - 12} more" if len(column.categories) > 12 else ""
    return f"it is one of {shown}{more}"
