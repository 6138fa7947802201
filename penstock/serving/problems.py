"""Errors on the wire: every class of the error tree, once, as an RFC 9457 problem document.

This is the edge: the only place of serving that knows which status an error has.
"""

from __future__ import annotations

import logging
import math
import re
from copy import copy
from dataclasses import dataclass
from typing import Any

import msgspec

from penstock.core.errors import (
    BadInput,
    Broken,
    Conflict,
    CreditExhausted,
    DatabaseUnavailable,
    Exhausted,
    Forbidden,
    GateRefused,
    NotFound,
    PenstockError,
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)

_OPERATORS = re.compile(r"penstock\.toml|\bpenstock [a-z]+")
_SETTINGS = ("products.", "catalogue", "penstock.toml")  # places of the operator's own file
MEDIA_TYPE = "application/problem+json"
TYPE = "urn:penstock:problem:"
NOT_NOW = "nothing can be read or recorded at present"


class Malformed(BadInput):
    """The request cannot be read at all: not JSON, a bad header."""


class TooLarge(BadInput):
    """The body is larger than this gateway takes."""


class TooSlow(BadInput):
    """The body did not arrive in time."""


class WrongMethod(BadInput):
    """The address exists, but not for this method. allow: the methods it has."""

    def __init__(self, message: str, *, allow: str = "", where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.allow = allow


class QueueFull(RateLimited):
    """So much of one customer's work waits that no more of it is taken; other customers are not affected."""


class TooManyAtOnce(RateLimited):
    """A key has as many requests under way as it may have."""


class Overloaded(Unavailable):
    """More work is queued than this gateway takes. retry_after_s: about when there will be room."""

    def __init__(
        self, message: str, *, where: str | None = None, hint: str | None = None, retry_after_s: float = 1.0
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Problem:
    """What an error looks like on the wire."""

    status: int
    body: bytes
    headers: dict[str, str]


_KINDS: tuple[tuple[type[Exception], int, str, str], ...] = (  # the first that fits: subclasses before their bases
    (Malformed, 400, "malformed-request", "The request cannot be read"),
    (TooLarge, 413, "too-large", "The request is too large"),
    (TooSlow, 408, "too-slow", "The request took too long to arrive"),
    (WrongMethod, 405, "wrong-method", "The method is not allowed here"),
    (NotFound, 404, "not-found", "There is no such thing"),
    (BadInput, 422, "bad-input", "The input is not right"),
    (Conflict, 409, "conflict", "This does not fit what happened before"),
    (GateRefused, 409, "gate-refused", "The gate said no"),
    (Unauthorised, 401, "unauthorised", "A valid API key is needed"),
    (Forbidden, 403, "forbidden", "This key may not do that"),
    (QueueFull, 429, "queue-full", "Too much of yours is waiting"),
    (TooManyAtOnce, 429, "too-many-at-once", "Too many requests at once"),
    (RateLimited, 429, "rate-limited", "Too many requests"),
    (QuotaExceeded, 429, "quota-exceeded", "The quota is used up"),
    (CreditExhausted, 402, "credit-exhausted", "The credit is used up"),
    (Exhausted, 429, "exhausted", "A limit is reached"),
    (Overloaded, 503, "overloaded", "Too much to do at present"),
    (Unavailable, 503, "unavailable", "Not available at present"),
    (Broken, 500, "broken", "Something is wrong on our side"),
    (Exception, 500, "internal", "Something is wrong on our side"),
)


def problem_of(error: Exception, request_id: str, *, customers: bool = True) -> Problem:
    """The problem document of `error`. What went wrong inside is not told outside: 500s carry only the request id, and
    what only the operator can mend reads as "not available yet". customers: False where the operator reads it."""
    error = _for_customers(error, request_id) if customers else error
    status, slug, title = next((status, slug, title) for kind, status, slug, title in _KINDS if isinstance(error, kind))
    document: dict[str, Any] = {"type": TYPE + slug, "title": title, "status": status}
    if status < 500 or isinstance(error, Unavailable):
        told = error if isinstance(error, PenstockError) else PenstockError(str(error))
        document |= {"detail": told.message, "instance": request_id, "where": told.where, "hint": told.hint}
    else:
        document |= {
            "detail": "the request failed inside the gateway; nothing was billed unless a retry answers",
            "instance": request_id,
            "where": None,
            "hint": "send it again with the same Idempotency-Key; if it fails again, report the instance",
        }
    return Problem(status, msgspec.json.encode(document), _headers(error, status))


def _for_customers(error: Exception, request_id: str) -> Exception:
    """The error in words for customers: without the operator's commands and file, and without what a driver says of
    its database, which are logged instead."""
    if isinstance(error, DatabaseUnavailable):
        logging.getLogger(__name__).warning("request %s: %s", request_id, error)
        return Unavailable(NOT_NOW, hint="send it again with the same Idempotency-Key in a moment")
    if not isinstance(error, PenstockError) or not _OPERATORS.search(str(error)):
        return error
    logging.getLogger(__name__).warning("request %s: %s", request_id, error)
    if (error.where or "").startswith(_SETTINGS) or _OPERATORS.search(error.message):
        hint = "nothing was billed; try later, or tell whoever gave you the key"
        return Unavailable("the product is not set up completely yet", hint=hint)
    told = copy(error)
    told.hint = None
    return told


def _headers(error: Exception, status: int) -> dict[str, str]:
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (408, 413):
        headers["Connection"] = "close"  # the rest of the body is not worth reading
    if isinstance(error, WrongMethod) and error.allow:
        headers["Allow"] = error.allow
    wait = getattr(error, "retry_after_s", None)
    if status == 503 and wait is None:
        wait = 1.0
    if status in (402, 429, 503) and wait is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return headers
