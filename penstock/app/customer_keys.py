"""The customers' routes for their own keys: list, make, replace, end; by a key that manages keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from penstock.billing.versions import priced_products
from penstock.core.errors import BadInput, Broken, NotFound
from penstock.identity.keys import OVERLAP, Key
from penstock.identity.own_keys import make_own, own_keys, revoke_own, rotate_own
from penstock.serving.endpoints import Endpoint, EndpointRequest
from penstock.serving.limits import copy_key_limit

_HOUR = timedelta(hours=1)
MAX_DAYS = 3_650


class _NewKey(msgspec.Struct, forbid_unknown_fields=True):
    name: str = "default"
    products: list[str] | None = None
    access: str | None = None
    requests_per_minute: int | None = None
    days: int | None = None


class _Rotation(msgspec.Struct, forbid_unknown_fields=True):
    overlap_hours: int = OVERLAP // _HOUR


def _list(request: EndpointRequest) -> Any:
    return {"keys": [_facts(one) for one in own_keys(request.tx, _by(request))]}


def _make(request: EndpointRequest) -> Any:
    asked = _read(request.body, _NewKey)
    if asked.days is not None and not 1 <= asked.days <= MAX_DAYS:
        raise BadInput(f"a key holds 1 to {MAX_DAYS} days", where="days")
    known = priced_products(request.tx)
    if unknown := sorted(set(asked.products or ()) - set(known)):
        raise NotFound(f"there is no product {unknown[0]!r}", where="products", hint="GET /v1/models lists them")
    made, text = make_own(
        request.tx,
        _by(request),
        name=asked.name,
        products=asked.products,
        access=asked.access,
        requests_per_minute=asked.requests_per_minute,
        days=asked.days,
    )
    copy_key_limit(request.tx, _by(request).id, made.id)
    return {"key": text, **_facts(made)}


def _rotate(request: EndpointRequest) -> Any:
    hours = _read(request.body, _Rotation).overlap_hours
    if not 0 <= hours <= MAX_DAYS * 24:
        raise BadInput("this is no number of hours", where="overlap_hours")
    made, text = rotate_own(request.tx, _by(request), request.path["key"], hours * _HOUR)
    copy_key_limit(request.tx, request.path["key"], made.id)
    return {"key": text, **_facts(made)}


def _revoke(request: EndpointRequest) -> Any:
    return _facts(revoke_own(request.tx, _by(request), request.path["key"]))


def _by(request: EndpointRequest) -> Key:
    if request.by is None:
        raise Broken("a route of keys was called without a key")
    return request.by


def _read(body: Any, kind: type[Any]) -> Any:
    try:
        return msgspec.convert({} if body is None else body, kind)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        raise BadInput(message.replace("`", "'"), where=place.rstrip("`").lstrip(".") or "body") from None


def _facts(one: Key) -> dict[str, Any]:
    """A key as its owner is told of it: never its secret."""
    hidden = ("secret_sha256", "customer")
    facts = {name: value for name, value in vars(one).items() if name not in hidden}
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return facts | {name: facts[name] and facts[name].isoformat() for name in times}


KEY_ENDPOINTS = (
    Endpoint("GET", "/v1/keys", "customer", _list, "Your keys, never their secrets", "keys"),
    Endpoint("POST", "/v1/keys", "customer", _make, "Make a key that may do no more than this one", "keys"),
    Endpoint(
        "POST", "/v1/keys/{key}/rotate", "customer", _rotate, "Replace a key; the old one holds on a while", "keys"
    ),
    Endpoint("POST", "/v1/keys/{key}/revoke", "customer", _revoke, "End a key now", "keys"),
)
