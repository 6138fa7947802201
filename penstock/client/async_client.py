"""The async client: the same requests as the sync one, awaited."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx2

from penstock.client import core
from penstock.client.core import Call, ModelInfo, Prediction, Retries
from penstock.client.errors import ApiError

T = TypeVar("T")


class AsyncClient:
    """A customer's view of a gateway, on an event loop. Every method is the one of `Client`, awaited."""

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: random.Random | None = None,
    ) -> None:
        self._http = httpx2.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_s,
            transport=transport,
            trust_env=False,
        )
        self._retries = retries or Retries()
        self._sleep = sleep
        self._chance = chance or random.Random()

    async def predict(
        self,
        product: str,
        inputs: str | Mapping[str, Any] | Iterable[Any],
        request_id: str | None = None,
        *,
        explain: bool = False,
    ) -> Prediction[dict[str, Any]]:
        return await self._send(core.predict(product, inputs, request_id, explain))

    async def ask(self, call: Call[T]) -> T:
        """Send a call that a task's module built, e.g. `knowledge.questions("faq", ["Do you ship to Norway?"])`."""
        return await self._send(call)

    async def feedback(
        self,
        request_id: str,
        index: int = 0,
        *,
        rating: int | str | None = None,
        correction: str | Sequence[str] | None = None,
        comment: str = "",
    ) -> dict[str, Any]:
        return await self._send(core.feedback(request_id, index, rating, correction, comment))

    async def usage(self, period: str | None = None) -> Any:
        return await self._send(core.usage(period))

    async def account(self) -> Any:
        return await self._send(core.account())

    async def invoices(self) -> Any:
        return await self._send(core.invoices())

    async def invoice_events(self, number: str, line: int, after: int = 0) -> Any:
        return await self._send(core.invoice_events(number, line, after))

    async def models(self) -> tuple[ModelInfo, ...]:
        return await self._send(core.models())

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, call: Call[T]) -> T:
        attempt = 1
        while True:
            result = await self._attempt(call)
            if not isinstance(result, ApiError):
                return result
            wait_s = self._retries.wait_s(attempt, result, self._chance)
            if wait_s is None:
                raise result
            await self._sleep(wait_s)
            attempt += 1

    async def _attempt(self, call: Call[T]) -> T | ApiError:
        try:
            answer = await self._http.request(
                call.method, call.path, params=dict(call.query), content=call.body, headers=call.headers()
            )
        except httpx2.TransportError as error:
            return core.no_answer(error, str(self._http.base_url), call.idempotency_key)
        return core.read_answer(call, answer.status_code, answer.headers, answer.content)
