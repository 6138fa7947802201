"""Keys that a customer makes and ends by a key of its own that manages keys: none may do more than that one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from penstock.core.errors import Conflict, Forbidden, NotFound
from penstock.identity.keys import (
    ACCESSES,
    OVERLAP,
    Key,
    create_key,
    get_key,
    list_keys,
    require_access,
    revoke_key,
    rotate_key,
)
from penstock.identity.tables import customer
from penstock.storage.engine import Transaction

MAX_KEYS = 100  # of one customer that hold at once: every gateway has them in memory


def make_own(
    tx: Transaction,
    by: Key,
    *,
    name: str,
    products: Sequence[str] | None = None,
    access: str | None = None,
    requests_per_minute: int | None = None,
    days: int | None = None,
) -> tuple[Key, str]:
    """A key of the customer of `by`, with its text. What is left out is as `by` has it.

    Raises Forbidden for more than `by` may do, Conflict when there are too many.
    """
    by = _manager(tx, by)
    expires_at = by.expires_at if days is None else tx.now + timedelta(days=days)
    wanted = products if products is not None else by.products
    limit = requests_per_minute if requests_per_minute is not None else by.requests_per_minute
    made, text = create_key(
        tx,
        customer=by.customer,
        name=name,
        products=wanted,
        requests_per_minute=limit,
        expires_at=expires_at,
        access=access or by.access,
        made_by=by.id,
    )
    if not _within(made, by):
        raise Forbidden("a key may do no more than the one that makes it", where=f"key {by.id}", hint=_may(by))
    return made, text


def rotate_own(tx: Transaction, by: Key, key_id: str, overlap: timedelta = OVERLAP) -> tuple[Key, str]:
    """Replace a key that `by` could have made, or itself. Raises NotFound, Forbidden, Conflict."""
    return rotate_key(tx, _own(tx, _manager(tx, by), key_id).id, overlap)


def revoke_own(tx: Transaction, by: Key, key_id: str) -> Key:
    """End a key that `by` could have made, or itself. Raises NotFound, Forbidden."""
    require_access(by, "keys")
    return revoke_key(tx, _own(tx, by, key_id).id)


def own_keys(tx: Transaction, by: Key) -> list[Key]:
    """All keys of the customer. Raises Forbidden."""
    require_access(by, "keys")
    return list_keys(tx, by.customer)


def _manager(tx: Transaction, by: Key) -> Key:
    """`by` as the database has it now: a gateway may know a revoked key for a moment longer, which must be enough for
    nothing that lasts. The customer's row is locked: two at once cannot both make the last key there is room for."""
    tx.execute(sa.select(customer.c.id).where(customer.c.id == by.customer).with_for_update())
    known = get_key(tx, by.id)
    if not known.holds(tx.now):
        raise Forbidden("this key holds no more", where=f"key {by.id}")
    require_access(known, "keys")
    if len([one for one in list_keys(tx, by.customer) if one.holds(tx.now)]) >= MAX_KEYS:
        raise Conflict(f"there are {MAX_KEYS} keys that hold", where="keys", hint="revoke some that are not used")
    return known


def _own(tx: Transaction, by: Key, key_id: str) -> Key:
    try:
        found = get_key(tx, key_id)
    except NotFound:
        found = None
    if found is None or found.customer != by.customer:
        raise NotFound(f"no key {key_id!r}", where="key", hint="GET /v1/keys lists them")
    if found.id != by.id and not _within(found, by):
        raise Forbidden("this key may do more than the one that asks", where=f"key {found.id}", hint=_may(by))
    return found


def _within(one: Key, by: Key) -> bool:
    """Whether `one` may do nothing that `by` may not."""
    products = by.products is None or (one.products is not None and set(one.products) <= set(by.products))
    access = ACCESSES[one.access] <= ACCESSES[by.access]
    pace = by.requests_per_minute is None or (one.requests_per_minute or by.requests_per_minute + 1) <= (
        by.requests_per_minute
    )
    return products and access and pace and not one.manages_keys and _ends_within(one.expires_at, by.expires_at)


def _ends_within(one: datetime | None, by: datetime | None) -> bool:
    return by is None or (one is not None and one <= by)


def _may(by: Key) -> str:
    products = "all products" if by.products is None else ", ".join(by.products)
    return f"it is {by.access}, for {products}"
