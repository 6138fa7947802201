"""Money: a split gives out exactly the whole, rounding is symmetric, amounts survive the way through text."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.money import Money, decimal_of, money, round_half_away, split

amounts = st.integers(-(10**12), 10**12)
weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=8).filter(lambda parts: sum(parts) > 0)


@given(amount=amounts, parts=weights)
def test_the_parts_of_a_split_are_the_whole_and_each_is_fair_to_a_cent(amount: int, parts: list[int]) -> None:
    shares = split(Money(amount, "USD"), parts)
    assert sum(share.amount_minor for share in shares) == amount
    for share, weight in zip(shares, parts, strict=True):
        assert abs(share.amount_minor - Decimal(amount) * weight / sum(parts)) < 1
        assert weight > 0 or share.amount_minor == 0


@given(amount=amounts, parts=weights)
def test_splitting_a_debt_mirrors_splitting_a_claim(amount: int, parts: list[int]) -> None:
    forth, back = split(Money(amount, "USD"), parts), split(Money(-amount, "USD"), parts)
    assert [share.amount_minor for share in forth] == [-share.amount_minor for share in back]


@given(value=st.decimals(-(10**9), 10**9, places=6, allow_nan=False))
def test_rounding_is_symmetric_and_never_off_by_more_than_a_half(value: Decimal) -> None:
    rounded = round_half_away(value)
    assert rounded == -round_half_away(-value)
    assert abs(rounded - value) <= Decimal("0.5")
    if abs(value) % 1 == Decimal("0.5"):
        assert abs(rounded) > abs(value)


@given(amount=amounts, currency=st.sampled_from(["USD", "JPY", "KWD", "CNY"]))
def test_an_amount_written_as_text_reads_back(amount: int, currency: str) -> None:
    there = Money(amount, currency)
    assert money(decimal_of(f"{there.to_decimal():f}", "amount"), currency) == there
