"""The kinds of value that `penstock.toml` is made of, each checked as it is read."""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

from penstock.core.clock import zone_of
from penstock.core.errors import PenstockError
from penstock.core.money import decimal_of, exponent

LARGEST_PRICE = 10**12  # of one unit or one month, in major units: a hundred of them is what an amount may reach

_PERCENT = re.compile(r"-?\d+(\.\d+)?%")


def _price(value: object) -> Decimal:
    try:
        amount = decimal_of(value, "")
    except PenstockError as error:
        raise ValueError(f"{error.message}; {error.hint}" if error.hint else error.message) from None
    if amount < 0:
        raise ValueError(f"{value!r} is negative; prices and costs start at zero")
    if amount > LARGEST_PRICE:
        raise ValueError(f"{value!r} is more than {LARGEST_PRICE:,}, the highest price that can be charged")
    return amount


def share_of(value: object) -> Decimal:
    """The fraction that a percentage says: 0.06 for "6%". Raises ValueError for what is none of at most 100."""
    if not (isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?%", value)):
        raise ValueError(f'{value!r} is not a share; write a percentage in quotes, e.g. "20%"')
    fraction = Decimal(value[:-1]) / 100
    if fraction > 1:
        raise ValueError(f"{value!r} is more than 100%")
    return fraction


def _ratio(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not _PERCENT.fullmatch(value.strip()):
        raise ValueError(f'{value!r} is not a share; write a number such as 0.2, or a percentage such as "20%"')
    return fraction(value.strip())


def fraction(percentage: str) -> float:
    """Of "80%" 0.8, the float that is written so."""
    return float(Decimal(percentage[:-1]) / 100)


def _network(value: object) -> object:
    try:
        found = ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f'{value!r} is no address and no network; write e.g. "127.0.0.1" or "10.0.0.0/8"') from None
    if found.prefixlen == 0:
        raise ValueError(f"{value!r} is everybody; name the addresses of your proxies")
    return value


def _currency(value: object) -> object:
    try:
        exponent(str(value))
    except PenstockError as error:
        raise ValueError(f"{error.message}; {error.hint}") from None
    return value


def _timezone(value: object) -> object:
    try:
        zone_of(str(value))
    except PenstockError as error:
        raise ValueError(f"{error.message}; {error.hint}") from None
    return value


Price9 = Annotated[Decimal, BeforeValidator(_price)]
Share = Annotated[Decimal, BeforeValidator(share_of)]
Month = Annotated[str, StringConstraints(pattern=r"^(19[7-9]|2\d\d)\d-(0[1-9]|1[0-2])$")]
Ratio = Annotated[float, BeforeValidator(_ratio)]
"""A number such as 0.2; a percentage in quotes is the same."""
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Currency = Annotated[str, BeforeValidator(_currency)]
TimeZone = Annotated[str, BeforeValidator(_timezone)]
Network = Annotated[str, BeforeValidator(_network)]
"""An address or a network, e.g. "127.0.0.1" or "10.0.0.0/8"."""
