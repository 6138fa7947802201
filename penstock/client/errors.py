"""The client's errors: one class per kind of problem document, so that callers catch what they can handle.

ApiError
├── BadRequest        400, 405, 408, 413, 422: the request is wrong; `where` names the input
├── Unauthorised      401
├── CreditExhausted   402
├── Forbidden         403
├── NotFound          404
├── Conflict          409
├── RateLimited       429: too fast
│   └── QuotaExceeded 429: the period's units are used up
└── Unavailable       5xx, or no connection at all
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A request that was refused or could not be sent.

    message: what is wrong. where: the place, e.g. "inputs[3]". hint: what to do. status: 0 when nothing was
    answered. request_id: names the request for support and for a retry. retry_after_s: if the server said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        type: str = "",
        where: str | None = None,
        hint: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.where = where
        self.hint = hint
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        todo = f"\n  {self.hint}" if self.hint else ""
        return f"{place}{self.message}{todo}"


class BadRequest(ApiError):
    """The request itself is wrong; sending it again will not help."""


class Unauthorised(ApiError):
    """No key, or one that does not hold."""


class CreditExhausted(ApiError):
    """The prepaid credit does not cover the request."""


class Forbidden(ApiError):
    """The key may not do that."""


class NotFound(ApiError):
    """No such product, invoice or request."""


class Conflict(ApiError):
    """The request does not fit what happened before, e.g. a request id used for something else."""


class RateLimited(ApiError):
    """Too many requests."""


class QuotaExceeded(RateLimited):
    """The units of this period are used up."""


class Unavailable(ApiError):
    """The gateway is busy, failing, or cannot be reached."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorised,
    402: CreditExhausted,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}


def error_from(status: int, headers: Mapping[str, str], document: Any) -> ApiError:
    """The error that an answer of `status` means; `document` is its parsed body, of whatever shape."""
    told = document if isinstance(document, dict) else {}
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else BadRequest)
    slug = str(told.get("type", ""))
    if kind is RateLimited and slug.endswith(":quota-exceeded"):
        kind = QuotaExceeded
    return kind(
        str(told.get("detail") or told.get("title") or f"the server answered {status}"),
        status=status,
        type=slug,
        where=told.get("where"),
        hint=told.get("hint"),
        request_id=headers.get("x-request-id") or told.get("instance"),
        retry_after_s=_seconds(headers.get("retry-after")),
    )


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None  # an HTTP date, from some proxy: the usual backoff does
