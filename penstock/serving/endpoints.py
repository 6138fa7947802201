"""Routes that other packages add to the gateway: one call in one transaction, for one authenticated customer.

It knows how to run them and that each must declare who may call it; it knows nothing of what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from penstock.core.acts import Act
from penstock.core.errors import BadInput, Broken
from penstock.identity.keys import Key, Need
from penstock.serving.turns import Workers
from penstock.serving.writer import UsageWriter
from penstock.storage.engine import Store, Transaction

Policy = Literal["customer"]
POLICIES: tuple[str, ...] = ("customer",)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class EndpointRequest:
    """One call: the transaction, the ids of the customer and of its key that was sent, and what came with it. by: that
    key itself."""

    tx: Transaction
    customer: str
    key: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    by: Key | None = None


@dataclass(frozen=True)
class Endpoint:
    """`call` answers a JSON-able value. GET runs in a read unless it says that it `writes` (figures that are kept up to
    date), everything else in a write transaction.

    path: as Starlette writes it, e.g. "/v1/invoices/{number}". policy: who may call it; "customer": any valid key that
    is for what the call needs (see `needed`).
    """

    method: str
    path: str
    policy: Policy
    call: Callable[[EndpointRequest], Any]
    summary: str = ""
    need: Need | None = None
    writes: bool = False

    @property
    def needed(self) -> Need:
        """What a key must be for: reading where nothing changes, calling products else, unless the route says more."""
        return self.need or ("read" if self.method == "GET" else "call")


def check_endpoints(endpoints: Sequence[Endpoint], taken: Sequence[tuple[str, str]]) -> None:
    """Raises Broken when a route declares no known policy, or two routes share an address."""
    seen = set(taken)
    for endpoint in endpoints:
        where = f"{endpoint.method} {endpoint.path}"
        if getattr(endpoint, "policy", None) not in POLICIES:
            raise Broken("this route does not say who may call it", where=where, hint=f"policy: one of {POLICIES}")
        if endpoint.method not in METHODS or not endpoint.path.startswith("/"):
            raise Broken("this is no route", where=where, hint=f"a method of {METHODS} and a path from /")
        if (endpoint.method, endpoint.path) in seen:
            raise Broken("two routes share this address", where=where)
        seen.add((endpoint.method, endpoint.path))


async def run_endpoint(
    endpoint: Endpoint,
    store: Store,
    writer: UsageWriter,
    readers: Workers,
    *,
    key: Key,
    path: Mapping[str, str],
    query: Mapping[str, str],
    body: Any,
    act: Act | None = None,
) -> bytes:
    """The encoded answer of one call. Writes go through the gateway's one writer, and into the audit log as `act`."""

    if any("\0" in text for text in (*path.values(), *query, *query.values())):
        raise BadInput("the address holds a NUL character", where="path or query")

    def call(tx: Transaction) -> bytes:
        try:
            return msgspec.json.encode(endpoint.call(EndpointRequest(tx, key.customer, key.id, path, query, body, key)))
        except sa.exc.DataError:
            raise BadInput("the request holds a value that cannot be stored") from None

    def read() -> bytes:
        with store.read() as tx:
            return call(tx)

    if endpoint.method == "GET" and not endpoint.writes:
        return await readers.run(key.customer, read)
    return await asyncio.shield(asyncio.wrap_future(writer.call(call, act)))
