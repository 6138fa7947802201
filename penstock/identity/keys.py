"""Keys: the secret a program calls with, `sk_live_<id>_<secret><checksum>`. Only its id and a SHA-256 are kept.

Keys made before 2026-12 begin `pk_live_`, which elsewhere marks keys that may be published; they go on working.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from penstock.core.errors import BadInput, Conflict, Forbidden, NotFound, Unauthorised
from penstock.identity.customers import buying_customer, checked_name, get_customer
from penstock.identity.secret_text import new_secret, parse_secret, proves
from penstock.identity.tables import customer as customer_table
from penstock.identity.tables import key, key_use
from penstock.storage import counters
from penstock.storage.engine import Transaction

PREFIX = "sk_live_"
OVERLAP = timedelta(days=1)
LONGEST_OVERLAP = timedelta(days=30)
Access = Literal["full", "read-only", "billing-only"]
Need = Literal["call", "read", "billing", "keys"]
ACCESSES: Mapping[Access, frozenset[Need]] = {
    "full": frozenset(("call", "read", "billing")),
    "read-only": frozenset(("read", "billing")),
    "billing-only": frozenset(("billing",)),
}
_PREFIXES = (PREFIX, "pk_live_")


@dataclass(frozen=True)
class Key:
    """What is known of a key. products: those it may call, None for all. requests_per_minute: None for the default.
    access: what of a customer's it is for. manages_keys: whether it makes and ends keys, none of which may do more than
    itself. made_by: the key that made it, None for an operator. last_used_at: to the hour."""

    id: str
    customer: str
    name: str
    secret_sha256: str
    products: tuple[str, ...] | None
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    access: Access = "full"
    manages_keys: bool = False
    made_by: str | None = None
    replaced_by: str | None = None
    last_used_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def create_key(
    tx: Transaction,
    *,
    customer: str,
    name: str = "default",
    products: Sequence[str] | None = None,
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
    access: str = "full",
    manages_keys: bool = False,
    made_by: str | None = None,
) -> tuple[Key, str]:
    """A new key of a customer (id, name or e-mail), with its text, which cannot be shown again.

    Raises NotFound for the customer, BadInput for an empty scope, an unknown access, a limit below 1 or an expiry not
    ahead.
    """
    _check_limits(tx, products, requests_per_minute, expires_at)
    if access not in ACCESSES:
        raise BadInput(f"there is no access {access!r}", where="access", hint=f"use one of {', '.join(ACCESSES)}")
    secret = new_secret(PREFIX)
    made = Key(
        id=secret.id,
        customer=buying_customer(tx, customer).id,
        name=checked_name(name, where="name"),
        secret_sha256=secret.sha256,
        products=None if products is None else tuple(sorted(set(products))),
        requests_per_minute=requests_per_minute,
        created_at=tx.now,
        expires_at=expires_at,
        revoked_at=None,
        access=cast(Access, access),
        manages_keys=manages_keys,
        made_by=made_by,
    )
    row = {**vars(made), "organisation": tx.organisation, "products": made.products and list(made.products)}
    del row["last_used_at"]
    tx.execute(sa.insert(key), row)
    counters.bump(tx, "keys")
    return made, secret.text


def rotate_key(tx: Transaction, key_id: str, overlap: timedelta = OVERLAP) -> tuple[Key, str]:
    """A new key that may do what `key_id` may, with its text; the old one holds for `overlap` and no longer.

    Raises NotFound, BadInput for an overlap below 0 or beyond LONGEST_OVERLAP, Conflict for a key that holds no more.
    """
    old = get_key(tx, key_id)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise BadInput(
            "the old key cannot go on for so long", where="overlap", hint=f"at most {LONGEST_OVERLAP.days} days"
        )
    if old.replaced_by is not None or not old.holds(tx.now):
        raise Conflict("this key was replaced or holds no more", where=f"key {old.id}", hint="make a new key")
    made, text = create_key(
        tx,
        customer=old.customer,
        name=old.name,
        products=old.products,
        requests_per_minute=old.requests_per_minute,
        expires_at=old.expires_at,
        access=old.access,
        manages_keys=old.manages_keys,
        made_by=old.made_by,
    )
    ends = tx.now + overlap if old.expires_at is None else min(old.expires_at, tx.now + overlap)
    mine = (key.c.organisation == tx.organisation, key.c.id == old.id)
    tx.execute(sa.update(key).where(*mine).values(expires_at=ends, replaced_by=made.id))
    return made, text


def replacing(tx: Transaction, key_id: str) -> frozenset[str]:
    """The key, all that it replaced in turn, and all that replaced it: one key to whoever limits it."""
    owner = sa.select(key.c.customer).where(key.c.organisation == tx.organisation, key.c.id == key_id).scalar_subquery()
    query = sa.select(key.c.id, key.c.replaced_by).where(
        key.c.organisation == tx.organisation, key.c.customer == owner, key.c.replaced_by.is_not(None)
    )
    found, links = {key_id}, [(row["id"], row["replaced_by"]) for row in tx.all(query)]
    while new := {one for link in links if found & set(link) for one in link} - found:
        found |= new
    return frozenset(found)


def get_key(tx: Transaction, key_id: str) -> Key:
    """A key by its id. Raises NotFound."""
    found = tx.first(_keys(tx).where(key.c.id == key_id))
    if found is None:
        raise NotFound(f"no key {key_id!r}", where="key", hint="see `penstock key list`")
    return _key(found)


def revoke_key(tx: Transaction, key_id: str) -> Key:
    """End a key now; gateways refuse it within a second. Revoking it again changes nothing."""
    found = get_key(tx, key_id)
    if found.revoked_at is None:
        tx.execute(sa.update(key).where(key.c.id == key_id, key.c.revoked_at.is_(None)).values(revoked_at=tx.now))
        counters.bump(tx, "keys")
    return replace(found, revoked_at=found.revoked_at or tx.now)


def revoke_keys_of(tx: Transaction, customer_id: str) -> int:
    """End all keys of a customer now; returns how many were valid."""
    ending = [one for one in list_keys(tx, customer_id) if one.revoked_at is None]
    for one in ending:
        revoke_key(tx, one.id)
    return len([one for one in ending if one.expires_at is None or one.expires_at > tx.now])


def list_keys(tx: Transaction, customer: str | None = None) -> list[Key]:
    """All keys, or those of one customer (id, name or e-mail), oldest first; ended ones too."""
    query = _keys(tx).order_by(key.c.created_at, key.c.id)
    if customer is not None:
        query = query.where(key.c.customer == get_customer(tx, customer).id)
    return [_key(row) for row in tx.all(query)]


def active_keys(tx: Transaction) -> list[Key]:
    """The keys that hold now. Whoever keeps them must still check expiry: `verify` does.

    None of an archived customer, even if one was made while it was being archived.
    """
    holds = key.c.revoked_at.is_(None) & (key.c.expires_at.is_(None) | (key.c.expires_at > tx.now))
    gone = sa.exists().where(customer_table.c.id == key.c.customer, customer_table.c.archived_at.is_not(None))
    holds = holds & ~gone
    return [_key(row) for row in tx.all(_keys(tx).where(holds).order_by(key.c.id))]


def verify(keys: Mapping[str, Key], text: str, now: datetime) -> Key:
    """The key of `keys` (by id) that `text` proves, at the time `now`. Pure; the secret is compared in constant time.

    Raises Unauthorised. An unknown id and a wrong secret read the same.
    """
    given = parse_secret(text, *_PREFIXES)
    if given is None:
        raise Unauthorised("this is not a complete key: it was cut or mistyped", hint="copy the whole key, sk_live_…")
    known = keys.get(given.id)
    if not proves(given, known.secret_sha256 if known else None) or known is None:
        raise Unauthorised("unknown key", hint="it may have been revoked; ask for a new one")
    if known.revoked_at is not None:
        raise Unauthorised("this key was revoked", where=f"key {known.id}", hint="ask for a new one")
    if known.expires_at is not None and known.expires_at <= now:
        raise Unauthorised(
            f"this key expired on {known.expires_at:%Y-%m-%d %H:%M} UTC",
            where=f"key {known.id}",
            hint="ask for a new one",
        )
    return known


def require_product(known: Key, product: str) -> None:
    """Forbidden unless the key may call `product`."""
    if known.products is not None and product not in known.products:
        raise Forbidden(
            f"this key may not call {product!r}",
            where=f"key {known.id}",
            hint=f"it may call {', '.join(known.products)}",
        )


def require_access(known: Key, need: Need) -> None:
    """Forbidden unless the key is for that: calling products, reading, billing's documents, or managing keys."""
    if not (known.manages_keys if need == "keys" else need in ACCESSES[known.access]):
        words = {"call": "call products", "read": "read this", "billing": "read what is billed", "keys": "manage keys"}
        told = f"it is {known.access}" if need != "keys" else "it was not made to manage keys"
        raise Forbidden(f"this key may not {words[need]}", where=f"key {known.id}", hint=told)


def record_uses(tx: Transaction, used: Mapping[str, datetime]) -> None:
    """Note when keys were last used; an earlier time than is known changes nothing."""
    insert = sqlite.insert if tx.connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(key_use)
    later = statement.on_conflict_do_update(
        index_elements=["organisation", "key"],
        set_={"last_used_at": statement.excluded.last_used_at},
        where=statement.excluded.last_used_at > key_use.c.last_used_at,
    )
    rows = [{"organisation": tx.organisation, "key": id, "last_used_at": at} for id, at in sorted(used.items())]
    tx.execute(later, rows)


def _check_limits(
    tx: Transaction, products: Sequence[str] | None, requests_per_minute: int | None, expires_at: datetime | None
) -> None:
    if products is not None and (isinstance(products, str) or not products):
        raise BadInput("a key's products are a list of at least one", where="products", hint="leave it out for all")
    if requests_per_minute is not None and requests_per_minute < 1:
        raise BadInput(f"{requests_per_minute} requests per minute is no limit one can work with", where="limit")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= tx.now):
        raise BadInput(
            "the key would expire before it is made", where="expires_at", hint="give a time ahead, with zone"
        )


def _keys(tx: Transaction) -> sa.Select[Any]:
    used = (key_use.c.organisation == key.c.organisation) & (key_use.c.key == key.c.id)
    query = sa.select(key, key_use.c.last_used_at).outerjoin(key_use, used)
    return query.where(key.c.organisation == tx.organisation)


def _key(row: sa.RowMapping) -> Key:
    facts: dict[str, Any] = {name: row[name] for name in Key.__dataclass_fields__}
    return Key(**{**facts, "products": None if row["products"] is None else tuple(row["products"])})
