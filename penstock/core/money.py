"""Money as an integer of minor units with a currency; prices and rates as Decimal from strings.

One rounding function (half away from zero), one split (largest remainder). No float touches money.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from penstock.core.errors import BadInput

_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.(?P<decimals>[0-9]+))?")  # Decimal() also takes "1_000", "1e3", "٣" and " 5 "
LARGEST = Decimal(10) ** 14  # major units: with four decimals it still fits the database's 64-bit integers


@dataclass(frozen=True, order=False)
class Money:
    """An exact amount: `amount_minor` in the smallest unit of `currency` (ISO 4217)."""

    amount_minor: int
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount_minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount_minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount_minor <= self._same(other)

    def _same(self, other: Money) -> int:
        if self.currency != other.currency:
            raise BadInput(f"cannot combine {self.currency} with {other.currency}")
        return other.amount_minor

    def to_decimal(self) -> Decimal:
        """The amount in major units, e.g. Decimal('12.30')."""
        return Decimal(self.amount_minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        return f"{self.to_decimal():f} {self.currency}"

    def display(self, locale: str = "en") -> str:
        """The amount as people of `locale` write it, e.g. '$12.30' or 'US$12.30'."""
        return display(self.to_decimal(), self.currency, locale, places=exponent(self.currency))


def display(amount: Decimal, currency: str, locale: str, *, places: int) -> str:
    """An amount in major units with its currency's sign and exactly `places` decimals.

    The locale's own number of decimals is a habit of display (0 for RSD, 2 for KWD): it would round what is owed.
    """
    from babel.numbers import format_currency, get_currency_symbol

    babel_locale = locale.replace("-", "_")
    gap = "\xa0" if get_currency_symbol(currency, babel_locale)[-1:].isalpha() else ""  # "RSD 0.50", but "$0.50"
    pattern = f"¤{gap}#,##0" + ("." + "0" * places if places else "")
    return format_currency(amount, currency, pattern, locale=babel_locale, currency_digits=False)


def money(amount: Decimal | str, currency: str) -> Money:
    """Round `amount` (major units) to `currency`'s minor unit, half away from zero.

    Example: money("1.005", "USD") == Money(101, "USD"). Raises BadInput for more than 10^14 and for junk.
    """
    value = decimal_of(amount, "amount") if isinstance(amount, str) else amount
    if abs(value) > LARGEST:
        raise BadInput(f"{value:.3e} {currency} is more than can be counted", where="amount")
    return Money(int(round_half_away(value.scaleb(exponent(currency)))), currency)


def exact_money(amount: str, currency: str) -> Money:
    """Like money, for sums that change hands: what would have to be rounded is refused."""
    made = money(amount, currency)
    if made.to_decimal() != decimal_of(amount, "amount"):
        places = exponent(currency) or "no"
        hint = f"{currency} has {places} decimals"
        raise BadInput(f"{amount} is not an exact amount of {currency}", where="amount", hint=hint)
    return made


def round_half_away(value: Decimal) -> Decimal:
    """The one rounding of the house: to an integer, halves away from zero."""
    return value.quantize(Decimal(1), rounding=ROUND_HALF_UP)


def decimal_of(text: object, where: str, *, places: int = 9) -> Decimal:
    """An exact Decimal from a string (or int) such as "0.0040"; floats are refused because 0.1 is not 0.1.

    Raises BadInput naming `where` for floats, junk, infinities and more than `places` decimals.
    """
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise BadInput(
            f"a price or amount must be written as a string, not {type(text).__name__} {text!r}",
            where=where,
            hint=f'write "{text}" in quotes: binary floats cannot hold most decimal fractions',
        )
    written = _DECIMAL.fullmatch(str(text))
    if written is None:
        raise BadInput(f"{text!r} is not a decimal number", where=where, hint='write e.g. "0.0040"')
    if len(written["decimals"] or "") > places:
        raise BadInput(f"{text!r} has more than {places} decimals", where=where)
    return Decimal(text)


def split(total: Money, weights: Sequence[int | Decimal]) -> list[Money]:
    """Share `total` by `weights` so that the parts sum to it exactly (largest remainder, ties to the first)."""
    whole = sum(Decimal(w) for w in weights)
    if whole <= 0 or any(Decimal(w) < 0 for w in weights):
        raise BadInput(f"weights must be non-negative with a positive sum, not {list(weights)}")
    sign = -1 if total.amount_minor < 0 else 1
    exact = [Decimal(abs(total.amount_minor)) * Decimal(w) / whole for w in weights]
    parts = [int(e) for e in exact]
    order = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: abs(total.amount_minor) - sum(parts)]:
        parts[i] += 1
    return [Money(sign * p, total.currency) for p in parts]


@cache
def exponent(currency: str) -> int:
    """Number of decimals of an ISO 4217 currency in use (USD 2, JPY 0, KWD 3).

    Raises BadInput for an unknown or withdrawn code, and for one that has no minor unit (gold, test codes).
    """
    from iso4217 import Currency

    try:
        digits = Currency(currency).exponent
    except ValueError:
        hint = 'use a code that ISO 4217 lists today, such as "USD" or "CNY"'
        raise BadInput(f"unknown currency {currency!r}", hint=hint) from None
    if digits is None:
        raise BadInput(f"{currency} has no minor unit, so nothing can be billed in it", hint='use e.g. "USD" or "CNY"')
    return int(digits)
