"""An entry of a knowledge base: a question, its answer, and what else is known of it; named, and versioned by content.

The JSON form is the row of a dataset version, the file of an artifact and the content of an amendment alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from penstock.core.errors import BadInput
from penstock.core.hashing import digest_of

MAX_QUESTION_CHARS = 1_000
MOST_ANSWER_CHARS = 1_000_000  # of an entry kept before: the product's own limit is asked where one is written
MAX_PARAPHRASES = 1_000
MAX_TAGS = 50
MAX_TAG_CHARS = 100
FIELDS = ("id", "question", "answer", "paraphrases", "tags", "locale", "valid_until")

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}")
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Entry:
    """valid_until: the last day (UTC) on which it may be answered, or None. locale: "" where it does not matter.

    origin: "faq.csv:12" (the line it was read from), or "proposal:…".
    """

    id: str
    question: str
    answer: str
    paraphrases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    locale: str = ""
    valid_until: date | None = None
    origin: str = ""

    @property
    def questions(self) -> tuple[str, ...]:
        """All the ways in which it is known to be asked, its own question first."""
        return (self.question, *self.paraphrases)

    @property
    def version(self) -> str:
        """Twelve hex digits of all that a customer is told, so that an answer names exactly what was said. Paraphrases
        are not told: an entry that is found by one more is the same version."""
        told = {key: value for key, value in self.to_json().items() if key not in ("origin", "paraphrases")}
        return digest_of(told)[:12]

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.valid_until is not None and today > self.valid_until

    def to_json(self) -> dict[str, Any]:
        """JSON values only."""
        return {
            "id": self.id,
            "question": self.question,
            "answer": self.answer,
            "paraphrases": list(self.paraphrases),
            "tags": list(self.tags),
            "locale": self.locale,
            "valid_until": None if self.valid_until is None else self.valid_until.isoformat(),
            "origin": self.origin,
        }


def entry_of(values: Mapping[str, Any], where: str, *, max_answer_chars: int = MOST_ANSWER_CHARS) -> Entry:
    """An entry from JSON values, checked. An id that is missing is made from question, locale and nothing else.

    Raises BadInput naming `where: field`.
    """
    question = text_of(values.get("question"), f"{where}: question", MAX_QUESTION_CHARS)
    answer = text_of(values.get("answer"), f"{where}: answer", max_answer_chars)
    if not question:
        raise BadInput("the entry has no question", where=f"{where}: question", hint="write how customers ask it")
    if not answer:
        hint = "write the answer, or delete the row: an entry without an answer cannot answer anybody"
        raise BadInput("the entry has no answer", where=f"{where}: answer", hint=hint)
    locale = _locale(values.get("locale"), f"{where}: locale")
    paraphrases = _texts(values.get("paraphrases"), f"{where}: paraphrases", MAX_PARAPHRASES, MAX_QUESTION_CHARS)
    return Entry(
        id=_id(values.get("id"), question, locale, f"{where}: id"),
        question=question,
        answer=answer,
        paraphrases=tuple(one for one in paraphrases if one != question),
        tags=_texts(values.get("tags"), f"{where}: tags", MAX_TAGS, MAX_TAG_CHARS),
        locale=locale,
        valid_until=_day(values.get("valid_until"), f"{where}: valid_until"),
        origin=str(values.get("origin") or where),
    )


def derived_id(question: str, locale: str) -> str:
    """The id of an entry that was given none."""
    return f"e-{digest_of([question, locale])[:10]}"


def text_of(value: object, where: str, most: int) -> str:
    """A text on one or more lines, without white space at its ends; "" for none. Raises BadInput."""
    if value is None or value != value:  # a table's NaN
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadInput(f"must be text, not {type(value).__name__}", where=where)
    text = str(value).strip()
    if len(text) > most:
        raise BadInput(f"has {len(text):,} characters; at most {most:,} are read", where=where, hint="shorten it")
    if "\0" in text:
        raise BadInput("holds a NUL character", where=where, hint="delete it, or save the file as text again")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadInput(
            "holds half a character (a lone surrogate)", where=where, hint="delete the \\ud… escape"
        ) from None
    return text


def _id(value: object, question: str, locale: str, where: str) -> str:
    if value is None or value != value or value == "":
        return derived_id(question, locale)
    found = text_of(value, where, 100)
    if not _ID.fullmatch(found):
        hint = "use letters, digits and _ . : / - (at most 100), or leave the column out: then ids are made"
        raise BadInput(f"{found[:40]!r} is not an id", where=where, hint=hint)
    return found


def _locale(value: object, where: str) -> str:
    found = text_of(value, where, 40).replace("_", "-")
    if found and not _LOCALE.fullmatch(found):
        raise BadInput(f"{found!r} is not a locale", where=where, hint="write e.g. en, en-GB or zh-CN; or nothing")
    return found


def _texts(value: object, where: str, most: int, most_chars: int) -> tuple[str, ...]:
    """A list of texts, each once; in CSV they stand between bars: "one | two"."""
    if value is None or value != value:
        return ()
    parts = value.split("|") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        hint = 'write a list of texts, or in CSV texts between bars: "one | two"'
        raise BadInput(f"must be a list of texts, not {type(value).__name__}", where=where, hint=hint)
    if len(parts) > most:
        raise BadInput(f"has {len(parts):,} parts; at most {most:,} are read", where=where)
    found = [text_of(part, f"{where}[{index}]", most_chars) for index, part in enumerate(parts)]
    return tuple(dict.fromkeys(part for part in found if part))


def _day(value: object, where: str) -> date | None:
    if value is None or value != value or value == "":
        return None
    text = value.isoformat() if hasattr(value, "isoformat") else value
    try:
        if not isinstance(text, str):
            raise ValueError
        if not _DAY.fullmatch(text.strip()):
            raise ValueError
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        hint = "write the last day on which it holds as YYYY-MM-DD, e.g. 2026-12-31; or leave it empty"
        raise BadInput(f"{str(value)[:40]!r} is not a day", where=where, hint=hint) from None


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?Z?)?")  # midnight is how tables write a day
