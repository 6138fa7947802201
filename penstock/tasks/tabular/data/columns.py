"""Decides what each column of a read table is and how its numbers and dates are written, and turns its cells into typed
values: those of files and those that customers send, by the same functions. Nothing is guessed silently: columns
that are no inputs are named with the reason, and those that can be read in two ways are refused.

It sees one file's records at a time and the kinds found in train; it knows no targets.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from penstock.core.errors import BadInput
from penstock.datasets.cells import Cell
from penstock.datasets.dates import ORDERS, date_text, is_date, orders_of
from penstock.datasets.numbers import (
    MEANT,
    PLAIN,
    NumberForm,
    Unsettled,
    form_from,
    form_of,
    is_code,
    number_of,
    share_of_numbers,
)
from penstock.tasks.tabular.data.options import TableOptions
from penstock.tasks.tabular.data.reading import Record, looks_missing
from penstock.tasks.tabular.data.schema import Kind, Value, finite

MOST_CATEGORIES = 255
FEW_CATEGORIES = 20  # so few are never taken for free text, however few the rows
LONG_TEXT = 60  # characters on average: sentences, not names of categories
CODES_MEANT = 0.01  # from this share of leading zeros on, a column of digits holds codes; below it they are slips


@dataclass(frozen=True)
class Plan:
    """kinds: the inputs. forms: of those whose numbers or dates are not written plainly, how they are. left_out:
    columns that are no inputs, and why. codes: categories that are digits with leading zeros."""

    kinds: Mapping[str, Kind]
    left_out: Mapping[str, str]
    forms: Mapping[str, str] = field(default_factory=dict)
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """kind: "number", "category", "date", or why the column is no input."""

    kind: str
    form: str = ""
    code: bool = False


def plan_columns(records: Sequence[Record], options: TableOptions, outside: Sequence[str]) -> Plan:
    """What the columns are. outside: names not looked at. Raises BadInput naming all columns that cannot be read."""
    names = dict.fromkeys(name for record in records for name in record.cells)
    counted = {name: _counted(name, records) for name in names if name not in outside}
    commas = any(_has_decimal_commas(cells) for cells in counted.values())
    kinds: dict[str, Kind] = {}
    found: dict[str, _Found] = {}
    problems: list[BadInput] = []
    for name, cells in counted.items():
        try:
            found[name] = _found(name, cells, len(records), options, commas)
        except BadInput as problem:
            file = records[0].origin.rpartition(":")[0]
            problems.append(BadInput(problem.message, where=f"{file}: {name}", hint=problem.hint))
            continue
        if found[name].kind in ("number", "category", "date"):
            kinds[name] = found[name].kind  # type: ignore[assignment]
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise BadInput("\n".join(map(str, problems)))
    return Plan(
        kinds=kinds,
        left_out={name: each.kind for name, each in found.items() if name not in kinds},
        forms={name: each.form for name, each in found.items() if name in kinds and each.form},
        codes=tuple(name for name, each in found.items() if name in kinds and each.code),
    )


def typed(
    record: Record, kinds: Mapping[str, Kind], zeros: Sequence[str] = (), forms: Mapping[str, str] | None = None
) -> dict[str, Value]:
    """The row's inputs. zeros: columns whose zero stands for a missing value. Raises BadInput at file:line."""
    values: dict[str, Value] = {}
    for name, kind in kinds.items():
        value = typed_cell(record.cells.get(name), kind, (forms or {}).get(name, ""), f"{record.origin}: {name}")
        values[name] = None if name in zeros and value == 0 else value
    return values


def typed_cell(cell: Cell, kind: Kind, form: str, where: str) -> Value:
    """A cell as rows keep it. form: how the column's numbers or dates are written, "" plainly. Raises BadInput."""
    if cell is None:
        return None
    if kind == "category":
        return category_of(cell)
    if kind == "date":
        moment = date_text(cell, form) if isinstance(cell, str) else None
        if moment is None:
            hint = "write it as 2026-11-05; or say what the column is: types = { ... }"
            raise BadInput(f"{str(cell)[:60]!r} is no date, as the rest of the column is", where=where, hint=hint)
        return moment
    number = cell if isinstance(cell, float) else number_of(cell, form_from(form) if form else PLAIN)
    if number is None:
        other = f', or if it stands for no value: missing = ["{cell}"]' if looks_missing(str(cell)) else ""
        hint = f'correct it, leave it empty, or say what the column is: types = {{ ... = "category" }}{other}'
        raise BadInput(f"{str(cell)[:60]!r} is no number, as the rest of the column is", where=where, hint=hint)
    if not finite(number):
        raise BadInput(f"the number {number:g} cannot be used", where=where, hint="leave it empty if it is not known")
    return number


def suspicious_zeros(name: str, values: Sequence[Value]) -> int:
    """How many zeros stand far below all other values of a column of positive numbers; 0 where none do.

    Far: the gap between zero and the least other value is at least 5 usual steps between neighbouring values and a
    tenth of the median (Pima's blood pressure: 0, then 24, 30, 38, ...), and it happens more than once.
    """
    numbers = np.array([value for value in values if isinstance(value, float)])
    zeros, others = int((numbers == 0).sum()), np.unique(numbers[numbers != 0])
    if zeros < 2 or len(others) < 10 or others[0] <= 0:
        return 0
    step = float(np.median(np.diff(others)))
    return zeros if others[0] >= max(5 * step, 0.1 * float(np.median(numbers[numbers != 0]))) else 0


def category_of(value: object) -> str:
    """A category as rows keep it: as it is written, composed (NFC) and without blanks around it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return unicodedata.normalize("NFC", str(value)).strip()


def known_as(value: object, known: Collection[str]) -> str | None:
    """Which of the known categories or labels a value means, however it was written: JSON's true is a csv's TRUE, and
    1.5 is a csv's 1.50. None where it is none of them, or could be several."""
    text = category_of(value)
    if text in known:
        return text
    alike = [each for each in known if _folded(each) == _folded(text)]
    return alike[0] if len(alike) == 1 else None


def usual_spellings(values: Sequence[object]) -> dict[str, str]:
    """For each category that one column writes in several ways (TRUE, true), the commonest of them."""
    counts = Counter(category_of(value) for value in values if isinstance(value, str))
    by_fold: dict[str, list[str]] = {}
    for text in sorted(counts, key=lambda text: (-counts[text], text)):
        if text.lower() in ("true", "false"):
            by_fold.setdefault(text.lower(), []).append(text)
    return {text: texts[0] for texts in by_fold.values() for text in texts[1:]}


def _folded(text: str) -> str | float:
    """What makes two spellings one: truth values by their word, numbers by their value unless they are codes."""
    text = unicodedata.normalize("NFC", text)
    if text.lower() in ("true", "false"):
        return text.lower()
    number = None if is_code(text) else number_of(text)
    return text if number is None else number


def _found(name: str, cells: Counter[Cell], rows: int, options: TableOptions, commas: bool) -> _Found:
    """What a column is. Raises BadInput where it is numbers or dates that cannot be read."""
    told = options.types.get(name)
    if not cells:
        return _Found("always empty" if told is None else told)
    if told == "category":
        return _Found(told)
    if told is None and len(cells) == 1 and cells.total() == rows:
        return _Found("always the same")
    texts = Counter({cell: count for cell, count in cells.items() if isinstance(cell, str)})
    written = Counter({text: count for text, count in texts.items() if not looks_missing(text)})
    floats = cells.total() - texts.total()
    numbers = (share_of_numbers(written) * written.total() + floats) / max(1, written.total() + floats)
    if told == "number" or (told is None and numbers >= MEANT):
        return _numbers(name, cells, written, rows, options, commas)
    dates = sum(is_date(text) for text in written) / max(1, len(written))
    if told == "date" or (written and not floats and dates >= MEANT):
        _refuse_markers(name, cells, written, rows, "dates")
        return _Found("date", _date_order(name, written, options))
    return _Found(_words(cells, texts))


def _numbers(
    name: str, cells: Counter[Cell], written: Counter[str], rows: int, options: TableOptions, commas: bool
) -> _Found:
    codes = [text for text in written if is_code(text)]
    told = options.types.get(name)
    if codes and told is None:
        if sum(written[text] for text in codes) >= CODES_MEANT * cells.total():
            found = _Found(_words(cells, Counter(map(str, cells))), code=True)
            return found if found.kind == "category" else _Found(found.kind.replace("free text", "codes"), code=True)
        hint = f'correct them, or say what the column is: types = {{ {name} = "number" }} or "category"'
        raise BadInput(f"{_cells(codes)} have leading zeros, which numbers would lose", hint=hint)
    _refuse_markers(name, cells, written, rows, "numbers")
    form = _number_form(name, written, options, commas)
    read = [
        *(cell for cell in cells if isinstance(cell, float)),
        *(number for text in written if (number := number_of(text, form)) is not None),
    ]
    whole = told is None and len(read) == len(cells) and all(number.is_integer() for number in read)
    if whole and _looks_like_key(name, len(cells), cells.total()):
        return _Found("an identifier")
    return _Found("number", "" if form == PLAIN else str(form))


def _number_form(name: str, written: Counter[str], options: TableOptions, commas: bool) -> NumberForm:
    told = options.notation_of(name)
    if told is not None:
        return form_from(told)
    if all(number_of(text) is not None for text in written) and not commas:
        return PLAIN
    form = form_of(written, commas)
    if isinstance(form, Unsettled):
        what = f"is {form.why}: {_cells(form.cells)}" if form.choices else f"{form.why}: {_cells(form.cells)}"
        choices = " or ".join(f'numbers = {{ {_key(name)} = "{each}" }}' for each in form.choices)
        left = f'write them alike, or leave the column out: drop = ["{name}"]'
        hint = f"say which, by how 1234.5 would be written: {choices}" if choices else left
        raise BadInput(f"the numbers of {name!r} cannot be read: {what}", hint=hint)
    return form


def _date_order(name: str, written: Counter[str], options: TableOptions) -> str:
    told = options.order_of(name)
    orders = orders_of(written)
    if told is not None:
        return told
    if orders is None:
        return ""
    if len(orders) == 1:
        return orders[0]
    numeric = [text for text in written if date_text(text) is None]
    if orders:
        what = f"month or day first in {_cells(numeric[:2])}: no date of the column tells"
    else:
        ends = [next((t for t in numeric if date_text(t, order) is None and is_date(t)), "") for order in ORDERS]
        what = f"months and days change places: {_cells([end for end in ends if end])}"
    choices = " or ".join(f'dates = {{ {_key(name)} = "{order}" }}' for order in ORDERS)
    hint = f"say which: {choices}" if orders else f'write them alike, e.g. 2026-11-05; or drop = ["{name}"]'
    raise BadInput(f"the dates of {name!r} cannot be read: {what}", hint=hint)


def _refuse_markers(name: str, cells: Counter[Cell], written: Mapping[str, int], rows: int, what: str) -> None:
    """Cells like NA among numbers or dates: whether they are empty, only the owner knows."""
    markers = {str(cell): count for cell, count in cells.items() if isinstance(cell, str) and cell not in written}
    if not markers:
        return
    listed = ", ".join(f'"{marker}"' for marker in markers)
    message = f"{name!r} holds {what}, and {_cells(list(markers))} in {sum(markers.values()):,} of {rows:,} rows"
    empty = f"missing = {{ {_key(name)} = [{listed}] }}"
    hint = f'if that stands for no value: {empty}; else types = {{ {_key(name)} = "category" }}'
    raise BadInput(message, hint=hint)


def _words(cells: Counter[Cell], texts: Mapping[str, int]) -> str:
    """The kind of a column that is neither numbers nor dates, or why it is none."""
    counts = len(cells)
    if counts > FEW_CATEGORIES and counts > cells.total() / 2:
        return "an identifier or free text"
    if counts > FEW_CATEGORIES and np.mean([len(text) for text in texts]) > LONG_TEXT:
        return "free text"
    if counts > MOST_CATEGORIES:
        return f"{counts:,} categories, more than {MOST_CATEGORIES}"
    return "category"


def _counted(name: str, records: Sequence[Record]) -> Counter[Cell]:
    return Counter(cell for record in records if (cell := record.cells.get(name)) is not None)


def _has_decimal_commas(cells: Counter[Cell]) -> bool:
    """Whether a column can only be read with a decimal comma."""
    texts = {c: count for c, count in cells.items() if isinstance(c, str) and not looks_missing(c)}
    if not any("," in text for text in texts) or share_of_numbers(texts) < MEANT:
        return False
    form = form_of(texts)
    return isinstance(form, NumberForm) and form.decimal == ","


def _looks_like_key(name: str, distinct: int, present: int) -> bool:
    """A number that differs in every row, and is called so."""
    plain = name.lower()
    named = plain in ("id", "index", "no", "nr", "number", "unnamed: 0") or plain.endswith(("_id", "-id", " id"))
    return distinct == present and present > FEW_CATEGORIES and (named or name.endswith(("ID", "Id")))


def _cells(texts: Sequence[str]) -> str:
    return ", ".join(repr(text[:40]) for text in texts[:4]) + (", ..." if len(texts) > 4 else "")


def _key(name: str) -> str:
    """A column's name as a key in TOML."""
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'
