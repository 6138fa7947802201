"""The paid path of one request: hold, parse, predict, record, answer; the answer leaves after its event is committed.

It knows how the parts follow each other and that each hold ends once; HTTP is the gateway's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from penstock.core.errors import BadInput, Conflict, Exhausted, NotFound, Unavailable
from penstock.identity.keys import Key
from penstock.metering.usage_log import Answer, Outcome, UsageEvent, recall
from penstock.serving.engine import Engine
from penstock.serving.explained import COST, render_in_steps
from penstock.serving.grants import Grants, Hold
from penstock.serving.parsing import Parsing
from penstock.serving.releases import Served
from penstock.serving.turns import Workers
from penstock.serving.writer import UsageWriter, Use
from penstock.storage.engine import Store
from penstock.task import AnyTask

_encoder = msgspec.json.Encoder()
_canonical = msgspec.json.Encoder(order="deterministic")


class Usage(msgspec.Struct):
    """What the answer cost: `amount` in major units, a decimal in text."""

    units: int
    amount: str
    currency: str


class Prediction(msgspec.Struct):
    """The answer's body."""

    id: str
    product: str
    release: str
    outputs: msgspec.Raw
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request that was admitted."""

    # of the request, and of its usage event
    id: str
    # the customer chose the id: the same request again is answered as the first was
    idempotent: bool
    # by which it was called
    key: Key
    # the product's name
    product: str
    # as sent
    inputs: list[Any]
    # what makes another request with this id the same
    payload_hash: str
    # the moment, of time.monotonic(), by which it is answered or refused
    deadline: float
    # that it counts
    units: int
    # with the words that decided
    explain: bool = False
    # how large the body was
    body_bytes: int = 0
    # the key's id where it has a cap in money
    capped_key: str = ""


@dataclass(frozen=True)
class Reply:
    """The bytes to send; `replay` when they were given before."""

    body: bytes
    replay: bool = False


def payload_hash(product: str, inputs: list[Any], *, explain: bool = False) -> str:
    """What makes two requests the same: the product, the inputs' meaning, whatever their spacing or key order, and
    whether the answers are to be explained."""
    asked = [product, inputs, "explain"] if explain else [product, inputs]
    return hashlib.sha256(_canonical.encode(asked)).hexdigest()


class Predictions:
    """Answers asks. Requests with the same id wait for the first of them. Lives on the event loop."""

    def __init__(
        self,
        store: Store,
        writer: UsageWriter,
        engine: Engine,
        grants: Grants,
        *,
        parsing: Parsing,
        readers: Workers,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._writer = writer
        self._engine = engine
        self._grants = grants
        self._parsing = parsing
        self._readers = readers
        self._now = now
        self._under_way: dict[tuple[str, str], tuple[str, asyncio.Future[Reply | None]]] = {}

    async def answer(self, ask: Ask, served: Served, task: AnyTask) -> Reply:
        """The reply to `ask`, recorded and paid for once however often it is sent."""
        if not ask.idempotent:
            return await self._answer(ask, served, task)
        place = (ask.key.customer, ask.id)
        while (first := self._under_way.get(place)) is not None:
            if first[0] != ask.payload_hash:
                raise _other_request(ask)
            reply = await asyncio.shield(first[1])
            if reply is not None:
                return Reply(reply.body, replay=True)
        done: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._under_way[place] = (ask.payload_hash, done)
        reply = None
        try:
            reply = await self._answer(ask, served, task)
            return reply
        finally:
            del self._under_way[place]
            done.set_result(reply)  # None: it failed, and who waited tries in turn

    async def _answer(self, ask: Ask, served: Served, task: AnyTask) -> Reply:
        self._engine.check_room(len(ask.inputs), ask.key.customer, cost=COST if ask.explain else 1)
        self._parsing.check_room(task, ask.key.customer, ask.inputs, ask.body_bytes)
        try:
            # held before anything is read: reading an image is work, too much of it to do for nothing
            hold = await self._grants.hold(ask.key.customer, ask.product, ask.units, ask.capped_key)
            return _reply(ask, await self._work(ask, served, task, hold))
        except (Exhausted, BadInput):
            # a retry of what was paid for is answered even when the money is gone, the product has no price any more,
            # or the model that answers now reads less than the one that did
            stored = await self._recall(ask, served) if ask.idempotent else None
            if stored is None:
                raise
            return _reply(ask, stored)

    async def _work(self, ask: Ask, served: Served, task: AnyTask, hold: Hold) -> Outcome:
        try:
            parsed = await self._parsing.parse(
                task, ask.key.customer, ask.inputs, served.model, ask.deadline, size_bytes=ask.body_bytes
            )
            predicting = self._engine.submit(
                served.model,
                render_in_steps(task) if ask.explain else task.render,
                parsed,
                ask.deadline,
                cost=COST if ask.explain else 1,
                owner=ask.key.customer,
                kind=ask.product,
                finish=_encoded,
            )
            outputs = await asyncio.wrap_future(predicting)
            recording = self._writer.record(_use(ask, served, hold, outputs, self._event(ask, served)))
        except BaseException:
            hold.void()
            raise
        committed = asyncio.wrap_future(recording)
        committed.add_done_callback(partial(_end, hold))  # also when nobody waits any more
        return await asyncio.shield(committed)

    async def _recall(self, ask: Ask, served: Served) -> Outcome | None:
        def look() -> Outcome | None:
            with self._store.read() as tx:
                return recall(tx, self._event(ask, served))

        return await self._readers.run(ask.key.customer, look)

    def _event(self, ask: Ask, served: Served) -> UsageEvent:
        return UsageEvent(
            source=ask.key.customer,
            id=ask.id,
            customer=ask.key.customer,
            product=ask.product,
            release=served.release.id,
            key=ask.key.id,
            time=self._now(),
            units=ask.units,
            payload_hash=ask.payload_hash,
        )


def _encoded(outputs: list[Any]) -> msgspec.Raw:
    """Encoded in the inference thread: many outputs would hold up the event loop."""
    return msgspec.Raw(_encoder.encode(outputs))


def _use(ask: Ask, served: Served, hold: Hold, outputs: msgspec.Raw, event: UsageEvent) -> Use:
    usage = Usage(event.units, decimal_text(hold.amount()), hold.currency)
    body = _encoder.encode(Prediction(ask.id, ask.product, served.release.id, outputs, usage))
    answer = Answer(event.source, event.id, event.customer, event.product, ask.inputs, body, event.time)
    return Use(event, answer, hold.uses)


def _end(hold: Hold, committed: asyncio.Future[Outcome]) -> None:
    """A failed commit may have reached the disk: its units are not offered again, and return with the grant."""
    if committed.cancelled() or committed.exception() is not None or committed.result().kind == "new":
        hold.settle()
    else:
        hold.void()


def _reply(ask: Ask, outcome: Outcome) -> Reply:
    if outcome.kind == "conflict":
        raise _other_request(ask)
    if outcome.body is None:
        raise Conflict(
            "this request was answered and counted before, but its answer is no longer kept",
            where="Idempotency-Key",
            hint="send it under a new Idempotency-Key; that one is counted anew",
        )
    return Reply(outcome.body, replay=outcome.kind == "replay")


def _other_request(ask: Ask) -> Conflict:
    return Conflict(
        "this Idempotency-Key was used for another request",
        where="Idempotency-Key",
        hint="use a new key for each new request, and the same one only to repeat it",
    )


def decimal_text(amount: Decimal) -> str:
    """The amount as plain digits: no exponent, its trailing zeros kept."""
    return f"{amount:f}"


def find_served(live: Mapping[str, Served], problems: Mapping[str, str], product: str, *, settled: bool) -> Served:
    """The release that serves `product`. Raises Unavailable while it loads or when it is broken, NotFound if none."""
    served = live.get(product)
    if served is not None:
        return served
    if product in problems:
        raise Unavailable(f"{product!r} cannot be served at present", hint="the operator's /readyz says why")
    if not settled:
        raise Unavailable(f"{product!r} is being loaded", hint="try again in a moment")
    raise NotFound(f"{product!r} has no release yet", where="product")
