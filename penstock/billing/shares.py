"""What is given back of an invoice, by its lines: how much of each line, net and tax, and in whole minor units.

Knows no database. An amount that names no line is spread over the lines by what each still bears.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from penstock.core.money import Money, split

if TYPE_CHECKING:
    from penstock.billing.records import Invoice


@dataclass(frozen=True)
class LineShare:
    """Minor units of one line of an invoice, net and tax; rate: the line's (0.06 is 6%)."""

    line: int
    rate: Decimal
    net_minor: int
    tax_minor: int

    @property
    def gross_minor(self) -> int:
        return self.net_minor + self.tax_minor

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "rate": str(self.rate)}


def read_shares(value: Sequence[Mapping[str, Any]] | None) -> tuple[LineShare, ...] | None:
    """Shares from their JSON; None for what was given back before lines were named."""
    if value is None:
        return None
    return tuple(LineShare(one["line"], Decimal(one["rate"]), one["net_minor"], one["tax_minor"]) for one in value)


def borne(invoice: Invoice) -> tuple[LineShare, ...]:
    """What each line bears of the invoice's total. Lines below zero are taken off the others of their rate.

    The shares sum to the invoice's net and tax. Empty when there is nothing to give back.
    """
    if invoice.total_minor <= 0:
        return ()
    if not invoice.lines:
        return (LineShare(0, Decimal(0), invoice.net_minor, invoice.tax_minor),)
    found: list[LineShare] = []
    short_net = short_tax = 0
    for part in invoice.taxes:
        lines = [line for line in invoice.lines if line.tax_rate == part.rate and line.amount_minor > 0]
        if part.net_minor <= 0 or not lines:
            short_net, short_tax = short_net + part.net_minor, short_tax + part.tax_minor
            continue
        amounts = [line.amount_minor for line in lines]
        shared = zip(lines, _split(part.net_minor, amounts), _split(part.tax_minor, amounts), strict=True)
        found += [LineShare(line.number, part.rate, net, tax) for line, net, tax in shared]
    if short_net or short_tax:
        nets = [one.net_minor for one in found]
        shared_short = zip(found, _split(short_net, nets), _split(short_tax, nets), strict=True)
        found = [replace(one, net_minor=one.net_minor + n, tax_minor=one.tax_minor + t) for one, n, t in shared_short]
    return tuple(sorted(found, key=lambda one: one.line))


def less(shares: Iterable[LineShare], taken: Iterable[LineShare]) -> tuple[LineShare, ...]:
    """The shares without what was taken of their lines."""
    net: dict[int, int] = defaultdict(int)
    tax: dict[int, int] = defaultdict(int)
    for one in taken:
        net[one.line] += one.net_minor
        tax[one.line] += one.tax_minor
    return tuple(
        replace(one, net_minor=one.net_minor - net[one.line], tax_minor=one.tax_minor - tax[one.line]) for one in shares
    )


def take(left: Sequence[LineShare], amount_minor: int) -> tuple[LineShare, ...]:
    """`amount_minor` (with tax) of what is left, by line in proportion to it; the tax of each rate is rounded once.

    All that is left takes all its tax, so that parts of an invoice sum to its tax.
    """
    lines = [one for one in left if one.gross_minor > 0]
    if amount_minor <= 0 or not lines:
        return ()
    parts = _split(amount_minor, [one.gross_minor for one in lines])
    by_rate: dict[Decimal, list[tuple[LineShare, int]]] = defaultdict(list)
    for one, part in zip(lines, parts, strict=True):
        by_rate[one.rate].append((one, part))
    taken = [share for pairs in by_rate.values() for share in _with_tax(pairs)]
    return tuple(sorted((one for one in taken if one.gross_minor), key=lambda one: one.line))


def by_rate(shares: Iterable[LineShare]) -> list[tuple[Decimal, int, int]]:
    """(rate, net, tax) in minor units, the highest rate first."""
    sums: dict[Decimal, tuple[int, int]] = {}
    for one in shares:
        net, tax = sums.get(one.rate, (0, 0))
        sums[one.rate] = net + one.net_minor, tax + one.tax_minor
    return [(rate, net, tax) for rate, (net, tax) in sorted(sums.items(), reverse=True)]


def _with_tax(pairs: Sequence[tuple[LineShare, int]]) -> list[LineShare]:
    """Parts of lines of one rate, with the tax in them."""
    exact = [Fraction(one.tax_minor * part, one.gross_minor) for one, part in pairs]
    tax = int(sum(exact))
    if min(exact) < 0 or tax == 0:
        taxes = [int(value) for value in exact]
    else:
        taxes = _split(tax, [Decimal(value.numerator) / Decimal(value.denominator) for value in exact])
    return [LineShare(one.line, one.rate, part - tax, tax) for (one, part), tax in zip(pairs, taxes, strict=True)]


def _split(amount_minor: int, weights: Sequence[int | Decimal]) -> list[int]:
    if amount_minor == 0 or not weights:
        return [0] * len(weights)
    return [part.amount_minor for part in split(Money(amount_minor, "USD"), weights)]
