"""Money as an integer of minor units with a currency; prices and rates as Decimal from strings.

One rounding function (half away from zero), one split (largest remainder). No float touches money.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache

from penstock.core.errors import BadInput

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
        from babel.numbers import format_currency

        return format_currency(self.to_decimal(), self.currency, locale=locale.replace("-", "_"))


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
        places = exponent(currency)
        raise BadInput(f"{amount} has more decimals than {currency} has", where="amount", hint=f"at most {places}")
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
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise BadInput(f"{text!r} is not a decimal number", where=where, hint='write e.g. "0.0040"') from None
    exponent_ = value.as_tuple().exponent
    if not isinstance(exponent_, int):
        raise BadInput(f"{text!r} is not a finite number", where=where)
    if -exponent_ > places:
        raise BadInput(f"{text!r} has more than {places} decimals", where=where)
    return value


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
    """Number of decimals of an ISO 4217 currency (USD 2, JPY 0). Raises BadInput for an unknown code."""
    from babel.numbers import get_currency_precision, list_currencies

    if currency not in list_currencies():
        raise BadInput(f"unknown currency {currency!r}", hint='use an ISO 4217 code such as "USD" or "CNY"')
    return int(get_currency_precision(currency))
