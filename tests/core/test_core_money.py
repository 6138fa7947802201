"""Money is exact: it rounds once, splits without loss, and refuses what binary floats have spoiled."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import BadInput
from penstock.core.money import Money, decimal_of, exponent, money, round_half_away, split

AMOUNTS = st.integers(-(10**12), 10**12)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**9), max_value=10**9)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("1.005", "USD", 101), ("-1.005", "USD", -101), ("1.004", "USD", 100), ("0.5", "JPY", 1), ("1.0005", "KWD", 1001)],
)
def test_halves_round_away_from_zero_in_each_currency(text: str, currency: str, minor: int) -> None:
    assert money(text, currency) == Money(minor, currency)


@given(DECIMALS)
def test_rounding_is_never_off_by_more_than_a_half_and_ignores_the_sign(value: Decimal) -> None:
    rounded = round_half_away(value)
    assert abs(Fraction(rounded) - Fraction(value)) <= Fraction(1, 2)
    assert round_half_away(-value) == -rounded


@given(AMOUNTS, st.lists(st.integers(0, 1000), min_size=1, max_size=8).filter(any))
def test_the_parts_of_a_split_sum_to_the_whole_and_are_fair_to_a_minor_unit(total: int, weights: list[int]) -> None:
    parts = split(Money(total, "USD"), weights)
    assert sum(part.amount_minor for part in parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(Fraction(part.amount_minor) - Fraction(total * weight, sum(weights))) < 1


@given(AMOUNTS, AMOUNTS)
def test_adding_and_taking_away_come_back(one: int, other: int) -> None:
    a, b = Money(one, "CNY"), Money(other, "CNY")
    assert a + b - b == a
    assert a + -a == Money(0, "CNY")
    assert (a < b) == (one < other)


def test_currencies_do_not_mix() -> None:
    with pytest.raises(BadInput, match="cannot combine USD with EUR"):
        Money(1, "USD") + Money(1, "EUR")


@pytest.mark.parametrize("spoiled", [0.1, True, None, "0,1", "", "NaN", "Infinity", "0.0000000001"])
def test_amounts_that_are_not_exact_decimals_are_refused_with_their_place(spoiled: object) -> None:
    with pytest.raises(BadInput) as caught:
        decimal_of(spoiled, "costs.gpu_hour")
    assert caught.value.where == "costs.gpu_hour"


@pytest.mark.parametrize("sloppy", ["1_000", "٣", "５", " 5", "1e3", "+5", ".5", "5."])
def test_an_amount_is_written_in_plain_digits(sloppy: str) -> None:
    with pytest.raises(BadInput, match="is not a decimal number"):
        decimal_of(sloppy, "amount")


@pytest.mark.parametrize("much", ["1" + "0" * 15, "-1" + "0" * 15, "9" * 30])
def test_an_amount_that_no_database_could_hold_is_refused(much: str) -> None:
    with pytest.raises(BadInput, match="more than can be counted"):
        money(much, "USD")


def test_an_unknown_currency_is_refused() -> None:
    assert (exponent("USD"), exponent("JPY")) == (2, 0)
    with pytest.raises(BadInput, match="unknown currency 'USX'"):
        exponent("USX")


ISO_4217 = {"AFN": 2, "ALL": 2, "IQD": 3, "IRR": 2, "KPW": 2, "LAK": 2, "LBP": 2, "MGA": 2, "MMK": 2, "RSD": 2}
ISO_4217 |= {"SOS": 2, "SYP": 2, "YER": 2, "BHD": 3, "CLF": 4, "CLP": 0, "CNY": 2, "EUR": 2, "KWD": 3, "VND": 0}


def test_a_currency_has_the_digits_of_the_standard_not_those_of_display_habits() -> None:
    assert {code: exponent(code) for code in ISO_4217} == ISO_4217
    assert money("0.50", "RSD") == Money(50, "RSD")
    shown = {Money(50, "RSD").display(), Money(50, "RSD").display("zh-CN")}
    assert shown == {"RSD\xa00.50"} and Money(1234, "IQD").display() == "IQD\xa01.234"


@pytest.mark.parametrize("code", ["HRK", "DEM", "usd", "XAU", "XTS", ""])
def test_nothing_is_billed_in_withdrawn_currencies_or_in_what_has_no_minor_unit(code: str) -> None:
    with pytest.raises(BadInput, match=r"unknown currency|no minor unit"):
        exponent(code)


def test_amounts_show_as_people_write_them() -> None:
    assert str(Money(1230, "USD")) == "12.30 USD"
    assert Money(123456, "USD").display("en") == "$1,234.56"
    assert Money(123456, "CNY").display("zh-CN") == "¥1,234.56"


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_weights_that_share_nothing_are_refused(weights: list[int]) -> None:
    with pytest.raises(BadInput, match="weights"):
        split(Money(100, "USD"), weights)
