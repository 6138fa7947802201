"""The sync client: sends what core builds, waits and sends again when core says so."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx2

from penstock.client import core
from penstock.client.core import Call, ModelInfo, Prediction, Retries
from penstock.client.errors import ApiError

T = TypeVar("T")


class Client:
    """A customer's view of a gateway. Thread-safe; close it, or use it in a `with` block.

    key: "sk_live_…". timeout_s: per attempt. transport, sleep, chance: for tests.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        chance: random.Random | None = None,
    ) -> None:
        self._http = httpx2.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_s,
            transport=transport,
            trust_env=False,
        )
        self._retries = retries or Retries()
        self._sleep = sleep
        self._chance = chance or random.Random()

    def predict(
        self,
        product: str,
        inputs: str | Mapping[str, Any] | Iterable[Any],
        request_id: str | None = None,
        *,
        explain: bool = False,
    ) -> Prediction[dict[str, Any]]:
        """Predict `inputs`: a list, or one text or object. Another type is a TypeError, and nothing is sent.

        request_id: name the request yourself, to send it again even from another process. explain: with what decided
        each answer, where the product's task can tell.
        """
        return self._send(core.predict(product, inputs, request_id, explain))

    def ask(self, call: Call[T]) -> T:
        """Send a call that a task's module built, e.g. `knowledge.questions("faq", ["Do you ship to Norway?"])`."""
        return self._send(call)

    def feedback(
        self,
        request_id: str,
        index: int = 0,
        *,
        rating: int | str | None = None,
        correction: str | Sequence[str] | None = None,
        comment: str = "",
    ) -> dict[str, Any]:
        """Say how good output `index` of an answer was, or what it should have been: a list of labels where the product
        gives several, [] where none fits."""
        return self._send(core.feedback(request_id, index, rating, correction, comment))

    def usage(self, period: str | None = None) -> Any:
        """Use so far, of this month or of `period` ("2026-11")."""
        return self._send(core.usage(period))

    def account(self) -> Any:
        """The balance (paid, used, held, left), the limits with what is used of them, and the prices."""
        return self._send(core.account())

    def invoices(self) -> Any:
        return self._send(core.invoices())

    def invoice_events(self, number: str, line: int, after: int = 0) -> Any:
        """A page of the usage events behind one line of an invoice: those whose `seq` is greater than `after`."""
        return self._send(core.invoice_events(number, line, after))

    def models(self) -> tuple[ModelInfo, ...]:
        """The products that this key may call."""
        return self._send(core.models())

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Call[T]) -> T:
        attempt = 1
        while True:
            result = self._attempt(call)
            if not isinstance(result, ApiError):
                return result
            wait_s = self._retries.wait_s(attempt, result, self._chance)
            if wait_s is None:
                raise result
            self._sleep(wait_s)
            attempt += 1

    def _attempt(self, call: Call[T]) -> T | ApiError:
        try:
            answer = self._http.request(
                call.method, call.path, params=dict(call.query), content=call.body, headers=call.headers()
            )
        except httpx2.TransportError as error:
            return core.no_answer(error, str(self._http.base_url), call.idempotency_key)
        return core.read_answer(call, answer.status_code, answer.headers, answer.content)
