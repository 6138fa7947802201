"""What a key may do at most: requests at once, and money a month. Its requests a minute are the key's own.

The gateway counts what is at once, in each process for itself; what money a key's use comes to, billing knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from penstock.core.errors import BadInput
from penstock.identity.keys import Key, get_key
from penstock.serving.problems import TooManyAtOnce
from penstock.serving.tables import key_limit
from penstock.storage import counters
from penstock.storage.engine import Transaction

MOST_MINOR = 2**62


@dataclass(frozen=True)
class KeyLimit:
    """Requests at once, and minor units of the company's currency a month; None: no limit of its own."""

    key: str
    concurrency: int | None = None
    amount_minor: int | None = None


def set_key_limit(tx: Transaction, key: str, *, concurrency: int | None, amount_minor: int | None) -> KeyLimit:
    """Set both limits of a key; None lifts one. Gateways follow within a second. Raises NotFound, BadInput."""
    if concurrency is not None and concurrency < 1:
        raise BadInput(f"{concurrency} requests at once is no limit one can work with", where="concurrency")
    if amount_minor is not None and not 0 <= amount_minor < MOST_MINOR:
        raise BadInput("a limit in money is 0 or more", where="money", hint="0 stops all use that costs something")
    find_key(tx, key)
    tx.execute(sa.delete(key_limit).where(key_limit.c.organisation == tx.organisation, key_limit.c.key == key))
    made = KeyLimit(key, concurrency, amount_minor)
    if concurrency is not None or amount_minor is not None:
        tx.execute(sa.insert(key_limit), {"organisation": tx.organisation, **vars(made)})
    counters.bump(tx, "keys")
    counters.bump(tx, "terms")  # grants that were opened without the limit are not used any more
    return made


def copy_key_limit(tx: Transaction, key: str, to: str) -> None:
    """Give the key `to` the limits of `key`, if that has some: what is made of a key may do no more than it."""
    found = key_limits(tx, [key]).get(key)
    if found is not None:
        set_key_limit(tx, to, concurrency=found.concurrency, amount_minor=found.amount_minor)


def key_limits(tx: Transaction, keys: Collection[str] | None = None) -> dict[str, KeyLimit]:
    """Every limit, by the key's id; or only those of these keys."""
    query = sa.select(key_limit).where(key_limit.c.organisation == tx.organisation)
    rows = tx.all(query if keys is None else query.where(key_limit.c.key.in_(keys)))
    return {row["key"]: KeyLimit(row["key"], row["concurrency"], row["amount_minor"]) for row in rows}


def find_key(tx: Transaction, key: str) -> Key:
    """The key of this id. Raises NotFound."""
    return get_key(tx, key)


class Concurrent:
    """Requests that are being answered, by key. Used on the event loop only."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}

    @contextmanager
    def place(self, key: str, most: int | None) -> Iterator[None]:
        """Take a place while the block runs. Raises TooManyAtOnce."""
        running = self._running.get(key, 0)
        if most is not None and running >= most:
            raise TooManyAtOnce(
                f"this key may have {most} requests answered at once",
                where=f"key {key}",
                hint="send the next when one was answered",
                retry_after_s=1.0,
            )
        self._running[key] = running + 1
        try:
            yield
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
