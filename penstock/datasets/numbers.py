"""Numbers as people write them: which sign is the decimal point, which one groups, and in which unit, decided on all
cells of a column together.

It knows texts only: not files, and not what a column means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_SIGNS = ("US$", "HK$", "A$", "C$", "S$", "$", "€", "£", "¥", "₹", "₩", "₽", "₫", "฿", "元", "kr", "zł")
_CODES = (
    *("USD", "EUR", "GBP", "JPY", "CNY", "RMB", "CHF", "INR"),
    *("AUD", "CAD", "SGD", "HKD", "KRW", "BRL", "MXN", "PLN"),
)
_UNIT = "|".join(map(re.escape, (*_SIGNS, *_CODES)))
_NUMBER = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+])?\s?(?P<before>{_UNIT})?\s?(?P<sign2>[-+])?"
    rf"(?P<body>(?:\d[\d.,' ]*|[.,]\d+)(?:[eE][-+]?\d+)?)\s?(?P<after>%|{_UNIT})?(?(open)\))",
    re.ASCII,
)
_NOTATION = re.compile(rf"(?:{_UNIT})?\s?1[,.' ]?234[.,]5\s?(?:%|{_UNIT})?", re.ASCII)
_PLAIN_TEXT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_CODE = re.compile(r"0\d+", re.ASCII)
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_FOLDED = {**_WIDE, 0xFFE5: "¥", 0x2212: "-", 0x2019: "'", **dict.fromkeys((0xA0, 0x2009, 0x202F, 0x3000), " ")}
MEANT = 0.95
"""Where so much of a column is numbers, another word in it is a slip and no category."""


@dataclass(frozen=True)
class NumberForm:
    """How a column writes its numbers. unit: "", "%", or a currency's sign or code.

    A percentage is read as the number before its sign: 12% is 12.
    """

    decimal: str = "."
    group: str = ""
    unit: str = ""

    def __str__(self) -> str:
        number = f"1{self.group}234{self.decimal}5"
        if self.unit == "%":
            return number + "%"
        return f"{self.unit} {number}" if len(self.unit) == 3 and self.unit.isalpha() else self.unit + number


PLAIN = NumberForm()
_MARKS = ((",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
_FORMS = (PLAIN, *(NumberForm(decimal, group) for decimal, group in _MARKS))


@dataclass(frozen=True)
class Unsettled:
    """A column of numbers that cannot be read: why, and example cells. choices: notations that would settle it."""

    why: str
    cells: tuple[str, ...]
    choices: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def form_from(notation: str) -> NumberForm:
    """The form that the number 1234.5 shows when written in it: "$1,234.5". Raises ValueError."""
    found = _NOTATION.fullmatch(notation.translate(_FOLDED).strip())
    split = _split(notation)
    if found is None or split is None or split[1][1] == split[1][-2]:
        message = 'does not show how numbers are written: write 1234.5 as the column does, e.g. "1.234,5"'
        raise ValueError(f"{notation!r} {message}")
    body = split[1]
    return NumberForm(body[-2], body[1] if body[1] != "2" else "", split[2])


def number_of(text: str, form: NumberForm = PLAIN) -> float | None:
    """The number that a text writes in this form; None where it is none."""
    if form == PLAIN and _PLAIN_TEXT.fullmatch(text):
        return float(text)
    if text.strip().lstrip("+-").lower() in ("inf", "infinity"):
        return float(text)  # refused by name, as a number that cannot be used
    parts = _split(text)
    if parts is None:
        return None
    sign, body, unit = parts
    if unit != form.unit and (unit or form.unit == "%"):
        return None
    return _value(sign, body, form)


def is_code(text: str) -> bool:
    """Whether digits begin with a zero that a number would lose: 00501."""
    return _CODE.fullmatch(text.translate(_FOLDED).strip()) is not None


def share_of_numbers(cells: Mapping[str, int]) -> float:
    """Which share of the cells, texts with their counts, writes a number in some form."""
    written = sum(count for text, count in cells.items() if number_of(text) is not None or _split(text) is not None)
    return written / max(1, sum(cells.values()))


def form_of(cells: Mapping[str, int], commas: bool = False) -> NumberForm | Unsettled:
    """The one form that reads a column's numbers. cells: texts, of which nearly all write a number, with their counts.

    commas: other columns of the file have decimal commas, so that 1.234 may be a thousand too.
    """
    parts = {text: split for text in cells if (split := _split(text)) is not None}
    units = {unit for _, _, unit in parts.values()}
    if "%" in units and len(units) > 1:
        return _unsettled("percentages and plain numbers are mixed", parts, lambda p: p[2] == "%")
    if len(units - {""}) > 1:
        return _unsettled(f"different currencies are mixed ({', '.join(sorted(units - {''}))})", parts, lambda p: p[2])
    unit = next(iter(units - {""}), "")
    total = sum(cells[text] for text in parts)
    read = {form: sum(cells[t] for t, (s, b, _) in parts.items() if _value(s, b, form) is not None) for form in _FORMS}
    most = max(read.values())
    if most < MEANT * total:
        return _unsettled("decimal points and commas are mixed", parts, lambda p: "," in p[1])
    fits = [form for form in _FORMS if read[form] == most]
    chosen = _chosen(fits, [(sign, body) for sign, body, _ in parts.values()], unit, commas)
    if chosen is None:
        cells_shown = tuple([text for text, (_, body, _) in parts.items() if not body.isdigit()][:3])
        distinct = _distinct(fits, list(parts.values()))
        choices = tuple(dict.fromkeys(str(NumberForm(form.decimal, form.group, unit)) for form in distinct))
        return Unsettled("a thousand or a decimal fraction", cells_shown, choices)
    return NumberForm(chosen.decimal, chosen.group, unit)


def _chosen(fits: list[NumberForm], bodies: list[tuple[str, str]], unit: str, commas: bool) -> NumberForm | None:
    """The first form, where all read the same, or the cells tell; None where they do not."""
    alike = [form for form in fits if all(_value(s, b, form) == _value(s, b, fits[0]) for s, b in bodies)]
    if len(alike) == len(fits):
        return fits[0]
    marked = [body for _, body in bodies if not body.isdigit()]
    if fits[0] == PLAIN and not (commas and all("." in body for body in marked)):
        return PLAIN
    grouping = [form for form in fits if form.group and form.group in "".join(marked)]
    whole = [body for _, body in bodies if body.isdigit()]
    small = bool(whole) and all(len(body) <= 3 for body in whole)
    round_ = any(body.endswith("0") for body in marked)  # a fraction would be written without its last zero
    if grouping and ((unit and unit != "%") or (small and round_)):
        return grouping[0]
    return None


def _distinct(fits: Sequence[NumberForm], parts: Sequence[tuple[str, str, str]]) -> list[NumberForm]:
    """Of forms that read all cells alike, the first."""
    found: dict[tuple[float | None, ...], NumberForm] = {}
    for form in fits:
        found.setdefault(tuple(_value(sign, body, form) for sign, body, _ in parts), form)
    return list(found.values())


def _unsettled(why: str, parts: Mapping[str, tuple[str, str, str]], first: object) -> Unsettled:
    """Two cells of each side."""
    one = [text for text, each in parts.items() if first(each)][:2]  # type: ignore[operator]
    other = [text for text, each in parts.items() if not first(each)][:2]  # type: ignore[operator]
    return Unsettled(why, (*one, *other))


@lru_cache(maxsize=65_536)
def _split(text: str) -> tuple[str, str, str] | None:
    """(sign, digits with their separators, unit), or None where it is no number."""
    found = _NUMBER.fullmatch(text.translate(_FOLDED).strip())
    if found is None or (found["before"] and found["after"]) or (found["sign"] and found["sign2"]):
        return None
    negative = bool(found["open"]) or "-" in (found["sign"], found["sign2"])
    return "-" if negative else "", found["body"].strip(), found["before"] or found["after"] or ""


def _value(sign: str, body: str, form: NumberForm) -> float | None:
    if _matcher(form.decimal, form.group).fullmatch(body) is None:
        return None
    plain = body.replace(form.group, "") if form.group else body
    return float(sign + plain.replace(form.decimal, "."))


@lru_cache(maxsize=16)
def _matcher(decimal: str, group: str) -> re.Pattern[str]:
    whole = r"\d+"
    if group:
        mark = re.escape(group)
        whole += rf"|[1-9]\d{{0,2}}(?:{mark}\d{{3}})+"
        if group == ",":
            whole += r"|[1-9]\d?(?:,\d{2})+,\d{3}"  # India: 1,00,000
    power = r"(?:[eE][-+]?\d+)?" if decimal == "." else ""
    point = re.escape(decimal)
    return re.compile(rf"(?:(?:{whole})(?:{point}\d*)?|{point}\d+){power}", re.ASCII)
