"""The client without the sending: builds requests, reads answers, decides on retries. Pure; both shells use it."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from penstock.client.errors import ApiError, QuotaExceeded, RateLimited, Unavailable, error_from

T = TypeVar("T")


@dataclass(frozen=True)
class Prediction(Generic[T]):
    """An answer, one output for each input. amount: what it added to the bill, in major units of `currency`.

    replayed: it was given before.
    """

    id: str
    product: str
    release: str
    outputs: tuple[T, ...]
    units: int
    amount: Decimal
    currency: str
    replayed: bool = False


@dataclass(frozen=True)
class ModelInfo:
    """A product that the key may call, with the release that serves it."""

    product: str
    title: str
    task: str
    unit: str
    release: str
    number: int


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request to make, and how to read its answer. idempotency_key: the same for every attempt."""

    method: str
    path: str
    read: Callable[[Any, Mapping[str, str]], T]
    body: bytes | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None

    def headers(self) -> dict[str, str]:
        found = {"Accept": "application/json"}
        if self.body is not None:
            found["Content-Type"] = "application/json"
        if self.idempotency_key is not None:
            found["Idempotency-Key"] = self.idempotency_key
        return found


@dataclass(frozen=True)
class Retries:
    """When to send again: `attempts` in all, waiting at most `longest_s` between two, from `first_s` doubling.

    Sending again is safe: every attempt carries the same Idempotency-Key.
    """

    attempts: int = 5
    first_s: float = 0.2
    longest_s: float = 20.0

    def wait_s(self, attempt: int, error: ApiError, chance: random.Random) -> float | None:
        """Seconds to wait after failed `attempt` (from 1), or None to give up. Full jitter over the backoff."""
        if attempt >= self.attempts or not _may_pass(error):
            return None
        backoff = min(self.longest_s, self.first_s * 2 ** (attempt - 1))
        if error.retry_after_s is None:
            return chance.uniform(0, backoff)
        if error.retry_after_s > self.longest_s:
            return None
        return error.retry_after_s + chance.uniform(0, min(1.0, backoff))


def predict(
    product: str, inputs: str | Mapping[str, Any] | Iterable[Any], request_id: str | None, explain: bool = False
) -> Call[Prediction[dict[str, Any]]]:
    return predict_as(dict, product, listed(inputs, (str, Mapping)), request_id, explain=explain)


def listed(inputs: Any, one: tuple[type, ...], name: str = "inputs", *, each: tuple[type, ...] = ()) -> list[Any]:
    """Inputs as a list: a value of a type in `one` is a single input, not a list of its characters or keys.

    each: the types that an input may have; empty for any. Raises TypeError, before anything is sent or billed, for what
    is neither one input nor a list of them: a number, bytes where a text is meant, a set, which has no order.
    """
    if isinstance(inputs, one):
        return [inputs]
    wanted = "".join(f", or one {kind.__name__}" for kind in one)
    if isinstance(inputs, str | bytes | bytearray | Mapping | Set) or not isinstance(inputs, Iterable):
        raise TypeError(f"{name} must be a list{wanted}, not {type(inputs).__name__}")
    found = list(inputs)
    for index, value in enumerate(found):
        if each and not isinstance(value, each):
            kinds = " or ".join(kind.__name__ for kind in each)
            raise TypeError(f"{name}[{index}] must be {kinds}, not {type(value).__name__}")
    return found


def predict_as(
    read: Callable[[Any], T],
    product: str,
    inputs: list[Any],
    request_id: str | None = None,
    *,
    explain: bool = False,
) -> Call[Prediction[T]]:
    """A prediction whose outputs are read by `read`: what the task modules beside this one build their calls from.
    inputs: a list, as `listed` makes it.

    explain: ask for what decided each answer, where the product's task can tell.
    """
    asked = {"inputs": inputs, **({"explain": True} if explain else {})}
    return Call(
        "POST",
        f"/v1/products/{_part(product)}/predict",
        partial(_prediction, read),
        _encode(asked),
        idempotency_key=request_id or new_request_id(),
    )


def feedback(
    request_id: str,
    index: int,
    rating: int | str | None,
    correction: str | float | Sequence[str] | None,
    comment: str,
) -> Call[dict[str, Any]]:
    if not isinstance(request_id, str) or isinstance(index, bool) or not isinstance(index, int):
        raise TypeError("feedback takes the answer's id, a text, and the number of its output: feedback(answer.id, 0)")
    body: dict[str, Any] = {"id": request_id, "index": index}
    if rating is not None:
        body["rating"] = rating
    if correction is not None:
        body["correction"] = correction if isinstance(correction, str | int | float) else list(correction)
    if comment:
        body["comment"] = comment
    return said(body)


def said(body: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Feedback of any kind."""
    return Call("POST", "/v1/feedback", _plain, _encode(dict(body)), idempotency_key=new_request_id())


def usage(period: str | None) -> Call[Any]:
    return Call("GET", "/v1/usage", _plain, query={"period": period} if period else {})


def account() -> Call[Any]:
    return Call("GET", "/v1/account", _plain)


def invoices() -> Call[Any]:
    return Call("GET", "/v1/invoices", _plain)


def invoice_events(number: str, line: int, after: int) -> Call[Any]:
    query = {"after": str(after)} if after else {}
    return Call("GET", f"/v1/invoices/{_part(number)}/lines/{line}/events", _plain, query=query)


def models() -> Call[tuple[ModelInfo, ...]]:
    return Call("GET", "/v1/models", _models)


def read_answer(call: Call[T], status: int, headers: Mapping[str, str], body: bytes) -> T | ApiError:
    """What the server's answer means: a result, or the error to raise (or to retry)."""
    try:
        document = json.loads(body, parse_float=Decimal if status == 200 and call.read is _plain else None)
    except ValueError:
        document = None
    if not 200 <= status < 300:
        return error_from(status, headers, document)
    try:
        return call.read(document, headers)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        hint = "check the base address, and that the call fits the product's task"
        return Unavailable("the answer is not one of this interface", status=status, hint=hint)


def no_answer(error: Exception, address: str, idempotency_key: str | None) -> Unavailable:
    """The error for a request that got no answer."""
    reason = str(error) or type(error).__name__
    return Unavailable(
        f"no answer from {address}: {reason}",
        hint="check the address and that the gateway runs",
        request_id=idempotency_key,
    )


def new_request_id() -> str:
    return f"req_{secrets.token_hex(16)}"


def _may_pass(error: ApiError) -> bool:
    if isinstance(error, QuotaExceeded):
        return False
    return isinstance(error, RateLimited | Unavailable) and (error.status == 0 or error.status >= 429)


def _prediction(read: Callable[[Any], T], document: Any, headers: Mapping[str, str]) -> Prediction[T]:
    usage = document["usage"]
    return Prediction(
        id=document["id"],
        product=document["product"],
        release=document["release"],
        outputs=tuple(read(output) for output in document["outputs"]),
        units=int(usage["units"]),
        amount=Decimal(usage["amount"]),
        currency=usage["currency"],
        replayed=headers.get("idempotent-replay") == "true",
    )


def _models(document: Any, headers: Mapping[str, str]) -> tuple[ModelInfo, ...]:
    names = ModelInfo.__dataclass_fields__
    return tuple(ModelInfo(**{name: row[name] for name in names}) for row in document["models"])


def _plain(document: Any, headers: Mapping[str, str]) -> Any:
    return document


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _part(text: str) -> str:
    return quote(text, safe="")
