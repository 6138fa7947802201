"""Finds and masks personal data in texts: e-mail addresses, Chinese ID numbers, bank cards, phone numbers.

Rules, not a model: numbers count only when their checksum or their national form holds. See personal_wide for more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

KINDS = ("email", "id", "card", "phone")

# Full-width digits and letters read like the plain ones, character for character, so places stay the same.
_PLAIN = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: 0x20}

_SIGNS = re.compile(r"[\d@＠]")
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_ID = re.compile(r"(?<![0-9A-Za-z])[1-9][0-9]{16}[0-9Xx](?![0-9A-Za-z])")
_CARD = re.compile(r"(?<![0-9])[2-6][0-9]{3}(?:[ -]?[0-9]{4}){2}(?:[ -]?[0-9]{1,7})(?![0-9])")
_PHONE = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"(?:\+?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}"  # Chinese mobiles
    r"|(?:\(?0[1-9][0-9]{1,2}\)?[ -])[2-9][0-9]{6,7}"  # Chinese lines with an area code
    r"|\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{1,4}\)?){2,5}"  # international
    r"|\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[.-][0-9]{4}"  # North American
    r")(?![0-9A-Za-z])"
)


def find(text: str) -> list[tuple[str, int, int]]:
    """(kind, start, end) of each piece of personal data, in order, not overlapping."""
    if _SIGNS.search(text) is None:
        return []
    plain_text = plain(text)
    taken: list[tuple[str, int, int]] = []
    for kind, pattern, holds in _RULES:
        for match in list(pattern.finditer(plain_text)):
            start, end = match.span()
            if holds(match[0]):
                taken.append((kind, start, end))
                plain_text = plain_text[:start] + "\0" * (end - start) + plain_text[end:]
    return sorted(taken, key=lambda each: each[1])


def mask(text: str, find: Callable[[str], list[tuple[str, int, int]]] = find) -> str:
    """The text with each piece that `find` finds replaced by its kind: "call <phone>". Masking twice changes nothing
    more."""
    while pieces := find(text):  # again, as a number may show its form only when its neighbour is gone
        parts, last = [], 0
        for kind, start, end in pieces:
            parts += [text[last:start], f"<{kind}>"]
            last = end
        text = "".join([*parts, text[last:]])
    return text


def plain(text: str) -> str:
    """Full-width signs made plain, each in its place."""
    return text.translate(_PLAIN)


def _is_id(text: str) -> bool:
    """GB 11643: a birth date in places 7-14, and the ISO 7064 MOD 11-2 check character."""
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], _ID_WEIGHTS, strict=True))
    return born.year >= 1850 and "10X98765432"[total % 11] == text[17].upper()


_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def _is_card(text: str) -> bool:
    """ISO 7812: 13 to 19 digits with Luhn's check digit."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _is_phone(text: str) -> bool:
    return 7 <= sum(character.isdigit() for character in text) <= 15


_RULES: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", _EMAIL, lambda text: True),
    ("id", _ID, _is_id),
    ("card", _CARD, _is_card),
    ("phone", _PHONE, _is_phone),
)
