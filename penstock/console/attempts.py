"""Sign-ins that were refused: counted for whoever watches, and bounded by the address that they come from.

Tokens cannot be guessed in any number of tries; the bound keeps a stranger's tries from costing anything, and from
being unseen. It holds off an address and nobody else; the admin token and sign-in links go on working from there too.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from penstock.core.errors import RateLimited
from penstock.serving.metrics import Counter

MOST_REFUSED = 20
WINDOW = timedelta(minutes=1)
MOST_ADDRESSES = 4_096
_log = logging.getLogger(__name__)


@dataclass
class _Tries:
    since: datetime
    refused: int = 0


class Attempts:
    """Of one office. Used by several threads: a count that is one short does no harm."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._by_address: OrderedDict[str, _Tries] = OrderedDict()
        self.counter = Counter(
            "penstock_office_sign_ins_total",
            "Sign-ins and tokens of the admin interface, by door (form, link, admin) and outcome.",
            ("door", "outcome"),
        )

    def check(self, address: str, door: str) -> None:
        """Raises RateLimited where too much from this address was refused within a minute."""
        tries = self._by_address.get(_owner(address))
        left = timedelta(0) if tries is None else tries.since + WINDOW - self._now()
        if tries is not None and tries.refused >= MOST_REFUSED and left > timedelta(0):
            self.counter.add(door, "held off")
            raise RateLimited(
                "too many sign-ins from your address were refused",
                hint="wait a minute, or use a link: penstock sign-in",
                retry_after_s=left.total_seconds(),
            )

    def refused(self, address: str, door: str) -> None:
        self.counter.add(door, "refused")
        owner, now = _owner(address), self._now()
        tries = self._by_address.get(owner)
        if tries is None or now >= tries.since + WINDOW:
            tries = self._by_address[owner] = _Tries(now)
        self._by_address.move_to_end(owner)
        tries.refused += 1
        if tries.refused == MOST_REFUSED:
            _log.warning("%d sign-ins from %s were refused within a minute", MOST_REFUSED, address)
        if len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)

    def accepted(self, door: str) -> None:
        self.counter.add(door, "accepted")


def _owner(address: str) -> str:
    """Whoever has one address of IPv6 has 2^64 of them."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, 64), strict=False))
    return str(found)
