"""Keys: the secret a program calls with, `sk_live_<id>_<secret><checksum>`. Only its id and a SHA-256 are kept.

Keys made before 2026-12 begin `pk_live_`, which elsewhere marks keys that may be published; they go on working.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import BadInput, Forbidden, NotFound, Unauthorised
from penstock.identity.customers import buying_customer, checked_name, get_customer
from penstock.identity.secret_text import new_secret, parse_secret, proves
from penstock.identity.tables import customer as customer_table
from penstock.identity.tables import key
from penstock.storage import counters
from penstock.storage.engine import Transaction

PREFIX = "sk_live_"
_PREFIXES = (PREFIX, "pk_live_")


@dataclass(frozen=True)
class Key:
    """What is known of a key. products: those it may call, None for all. requests_per_minute: None for the default."""

    id: str
    customer: str
    name: str
    secret_sha256: str
    products: tuple[str, ...] | None
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def create_key(
    tx: Transaction,
    *,
    customer: str,
    name: str = "default",
    products: Sequence[str] | None = None,
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """A new key of a customer (id, name or e-mail), with its text, which cannot be shown again.

    Raises NotFound for the customer, BadInput for an empty scope, a limit below 1 or an expiry not ahead.
    """
    _check_limits(tx, products, requests_per_minute, expires_at)
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
    )
    row = {**vars(made), "organisation": tx.organisation, "products": made.products and list(made.products)}
    tx.execute(sa.insert(key), row)
    counters.bump(tx, "keys")
    return made, secret.text


def revoke_key(tx: Transaction, key_id: str) -> Key:
    """End a key now; gateways refuse it within a second. Revoking it again changes nothing."""
    found = tx.first(_keys(tx).where(key.c.id == key_id))
    if found is None:
        raise NotFound(f"no key {key_id!r}", where="key", hint="see `penstock key list`")
    if found["revoked_at"] is None:
        tx.execute(sa.update(key).where(key.c.id == key_id, key.c.revoked_at.is_(None)).values(revoked_at=tx.now))
        counters.bump(tx, "keys")
    return replace(_key(found), revoked_at=found["revoked_at"] or tx.now)


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
    return sa.select(key).where(key.c.organisation == tx.organisation)


def _key(row: sa.RowMapping) -> Key:
    return Key(
        id=row["id"],
        customer=row["customer"],
        name=row["name"],
        secret_sha256=row["secret_sha256"],
        products=None if row["products"] is None else tuple(row["products"]),
        requests_per_minute=row["requests_per_minute"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
