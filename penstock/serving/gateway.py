"""The gateway: routes over the running parts. `build_gateway` wires them; their threads start with its lifespan.

It knows HTTP, admission and the order of starting and stopping; the paid path is in predict.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from hmac import compare_digest
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock import installed
from penstock.core.acts import Act
from penstock.core.errors import BadInput, NotFound, PenstockError, RateLimited, Unauthorised, Unavailable
from penstock.identity.keys import Key, Need, record_uses, require_access, require_product
from penstock.runtime.connections import belongs_to
from penstock.serving import metrics
from penstock.serving.admission import Buckets, Watcher
from penstock.serving.deps import GatewayDeps
from penstock.serving.endpoints import Endpoint, check_endpoints, run_endpoint
from penstock.serving.engine import Engine
from penstock.serving.exchange import LOOP_BYTES, Edge, Exchange, exchange_of, on_error, read_json, within
from penstock.serving.explained import check_explained
from penstock.serving.grants import Grants
from penstock.serving.key_uses import KeyUses
from penstock.serving.limits import Concurrent, KeyLimit
from penstock.serving.meters import Meters
from penstock.serving.openapi import document
from penstock.serving.parsing import Parsing
from penstock.serving.predict import Ask, Predictions, find_served, payload_hash
from penstock.serving.problems import Malformed
from penstock.serving.releases import ServedReleases
from penstock.serving.turns import Workers
from penstock.serving.uploads import is_upload, read_uploads
from penstock.serving.writer import CANNOT_RECORD, UsageWriter
from penstock.task import AnyTask

OWN_ROUTES = (
    ("POST", "/v1/products/{product}/predict"),
    ("GET", "/v1/models"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
)
MOST_QUERY_BYTES = 4_096  # taking apart 64 KB of "a&a&a" would hold up the event loop for 20 ms
_log = logging.getLogger(__name__)


def build_gateway(deps: GatewayDeps) -> Starlette:
    """The ASGI app. Raises Broken for a route without a policy, NotFound for a product whose task is unknown."""
    check_endpoints(deps.endpoints, OWN_ROUTES)
    gateway = Gateway(deps)
    own: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/v1/products/{product}/predict": gateway.predict,
        "/v1/models": gateway.models,
        "/healthz": gateway.healthz,
        "/readyz": gateway.readyz,
        "/metrics": gateway.metrics,
        "/openapi.json": gateway.openapi,
    }
    routes = [Route(path, own[path], methods=[method]) for method, path in OWN_ROUTES]
    routes += [_group(path, deps.endpoints, gateway) for path in dict.fromkeys(e.path for e in deps.endpoints)]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Edge, new_id=lambda: deps.store.ids("req"), observe=gateway.observe)],
        exception_handlers={HTTPException: on_error, PenstockError: on_error},
        lifespan=gateway.lifespan,
    )
    app.router.redirect_slashes = False
    app.state.gateway = gateway
    return app


class Gateway:
    """The running parts of one gateway process, and what each route does with them."""

    def __init__(self, deps: GatewayDeps) -> None:
        self.deps = deps
        self.draining = False
        self.tasks = {name: installed.of(product) for name, product in deps.products.items()}
        self.meters = Meters(self)
        self.writer = UsageWriter(deps.store, deps.funding, self.meters.batch.observe)
        self.engine = Engine(deps.settings.queue_inputs)
        self.releases = ServedReleases(deps.loader, self.tasks)
        name = deps.gateway or deps.store.ids("gw")
        self.grants = Grants(self.writer, deps.funding, name)
        self.key_uses = KeyUses()
        self.buckets = Buckets(deps.settings.requests_per_minute)
        self.decoders = Workers("body-decoder", 1, most_waiting=256)  # decoding keeps every other thread from running
        self.concurrent = Concurrent()
        self.readers = Workers("reader", 4, most_waiting=1_024)
        self.parsing = Parsing()
        self.predictions = Predictions(
            deps.store, self.writer, self.engine, self.grants, parsing=self.parsing, readers=self.readers, now=self.now
        )
        self.watcher: Watcher | None = None
        self.start_error: Exception | None = None
        self._document = document(deps.products, deps.endpoints)

    async def predict(self, request: Request) -> Response:
        started = time.monotonic()
        exchange = exchange_of(request)
        if exchange.bad_id:
            raise Malformed(exchange.bad_id, where="Idempotency-Key")
        key = self._admit(request, exchange, "call")
        product = request.path_params["product"]
        task = self.tasks.get(product)
        if task is None:
            raise NotFound(f"there is no product {product!r}", where="product", hint="GET /v1/models lists them")
        exchange.product = product
        require_product(key, product)
        settled = self.releases.settled
        served = find_served(self.releases.live, self.releases.problems, product, settled=settled)
        inputs, explain = await self._inputs(request, task, key.customer)
        if explain:
            check_explained(task, len(inputs))
        deadline_s = self.deps.timing.deadline_s
        size = exchange.body_bytes
        hashing = partial(payload_hash, product, inputs, explain=explain)
        ask = Ask(
            id=exchange.id,
            idempotent=exchange.idempotent,
            key=key,
            product=product,
            inputs=inputs,
            payload_hash=await self.decoders.run(key.customer, hashing) if size > LOOP_BYTES else hashing(),
            deadline=started + deadline_s,
            units=len(inputs) * (self.deps.products[product].explain_units if explain else 1),
            explain=explain,
            body_bytes=size,
            capped_key=key.id if self.limit_of(key).amount_minor is not None else "",
        )
        with self.concurrent.place(key.id, self.limit_of(key).concurrency):
            reply = await within(deadline_s, self.predictions.answer(ask, served, task))
        headers = {"Idempotent-Replay": "true"} if reply.replay else None
        return Response(reply.body, media_type="application/json", headers=headers)

    async def _inputs(self, request: Request, task: AnyTask, owner: str) -> tuple[list[Any], bool]:
        """The inputs as sent, and whether to explain; a file where the task takes files is an input in base 64."""
        settings = self.deps.settings
        if task.uploads and is_upload(request):
            files = await read_uploads(request, self.decoders, owner, settings.max_body_bytes, settings.max_inputs)
            return _counted(files, settings.max_inputs), False
        body = await read_json(request, self.decoders, owner, settings.max_body_bytes, _Body)
        return _counted(body.inputs, settings.max_inputs), body.explain

    async def models(self, request: Request) -> Response:
        key = self._admit(request, exchange_of(request), "read")
        served = self.releases.live
        rows = [
            {
                "product": name,
                "title": product.title,
                "task": product.task,
                "unit": product.price.unit,
                "release": served[name].release.id,
                "number": served[name].release.number,
            }
            for name, product in self.deps.products.items()
            if name in served and (key.products is None or name in key.products)
        ]
        return _json({"models": rows})

    async def healthz(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def readyz(self, request: Request) -> Response:
        told = self._is_operator(request)
        problems = self.problems() if told else self.problems_in_short()
        if problems:
            raise Unavailable("not ready: " + "; ".join(problems))
        degraded = sorted(self.releases.problems.values()) if told else len(self.releases.problems)
        return _json({"status": "ready", "degraded": degraded})

    async def metrics(self, request: Request) -> Response:
        if not self._is_operator(request):
            hint = "send Authorization: Bearer …, the operator's token for metrics"
            raise Unauthorised("metrics are the operator's", where="Authorization", hint=hint)
        return Response(metrics.render(self.meters.all), media_type="text/plain; version=0.0.4")

    async def openapi(self, request: Request) -> Response:
        return Response(self._document, media_type="application/json")

    async def call(self, endpoint: Endpoint, request: Request) -> Response:
        """One of the injected endpoints."""
        key = self._admit(request, exchange_of(request), endpoint.needed)
        body = None
        if endpoint.method != "GET":
            body = await read_json(request, self.decoders, key.customer, self.deps.settings.max_body_bytes)
        running = run_endpoint(
            endpoint,
            self.deps.store,
            self.writer,
            self.readers,
            key=key,
            path=dict(request.path_params),
            query=_query(request),
            body=body,
            act=Act(f"key {key.id}", "customer", _address(request), f"{endpoint.method} {endpoint.path}"),
        )
        return Response(await within(self.deps.timing.deadline_s, running), media_type="application/json")

    def now(self) -> datetime:
        """The time that the gateways of one database share."""
        return self.deps.store.clock.now() if self.watcher is None else self.watcher.now()

    def limit_of(self, key: Key) -> KeyLimit:
        """What this key may do at most, beside its requests a minute."""
        return KeyLimit(key.id) if self.watcher is None else self.watcher.limit_of(key.id)

    def problems(self) -> list[str]:
        """Why this gateway should get no requests at present."""
        found = []
        if self.draining:
            found.append("shutting down")
        if self.watcher is None or self.watcher.stale:
            found.append("the keys are stale: the database does not answer")
        if self.writer.problem:
            found.append(self.writer.problem)
        if not self.releases.settled:
            found.append("the models are being loaded")
        elif self.releases.problems and not self.releases.live:
            found += sorted(self.releases.problems.values())
        return found

    def problems_in_short(self) -> list[str]:
        """The same for strangers: neither what a driver says, nor a path, nor a product's name."""
        short = {self.writer.problem: CANNOT_RECORD}
        short |= dict.fromkeys(self.releases.problems.values(), "models cannot be served")
        return list(dict.fromkeys(short.get(problem, problem) for problem in self.problems()))

    def _is_operator(self, request: Request) -> bool:
        wanted = self.deps.operator_token
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return wanted is None or (scheme.lower() == "bearer" and compare_digest(given.strip().encode(), wanted))

    def observe(self, exchange: Exchange, seconds: float) -> None:
        self.meters.requests.add(exchange.product, str(exchange.status))
        self.meters.latency.observe(seconds, exchange.product)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def money_changed() -> None:
            loop.call_soon_threadsafe(self.grants.retire)

        self.watcher = Watcher(
            self.deps.store,
            on_releases=self.releases.want,
            on_money=money_changed,
            refresh_every_s=self.deps.timing.refresh_every_s,
            stale_after_s=self.deps.timing.stale_after_s,
        )
        self.writer.start()
        for threads in (self.engine, self.parsing, self.decoders, self.readers):
            threads.start()
        self.releases.start()
        try:
            await asyncio.to_thread(self.watcher.start)
        except Exception as error:
            self.start_error = error
            await self._stop(self.watcher)
            raise
        tending = asyncio.create_task(self._tend())
        try:
            yield
        finally:
            self.draining = True
            tending.cancel()
            await self._stop(self.watcher)

    async def _stop(self, watcher: Watcher) -> None:
        """Work in hand first, then its grants, then the writer: the last things it commits."""
        self.parsing.close()
        self.decoders.close()
        close_s = self.deps.timing.close_s
        await asyncio.to_thread(self.engine.close, close_s)
        with suppress(TimeoutError):  # a database that hangs: its grants expire, or the next start returns them
            await asyncio.wait_for(self.grants.close(), close_s)
        with suppress(PenstockError, TimeoutError):  # it is coarse anyway
            await asyncio.wait_for(self._write_key_uses(), close_s)
        if not await asyncio.to_thread(self.writer.close, close_s):
            _log.error("the usage writer did not finish in time; unanswered requests may be sent again")
        await asyncio.to_thread(watcher.close)
        self.releases.close()
        self.readers.close()

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(self.deps.timing.tend_every_s)
            try:
                await self.grants.tend()
                await self._write_key_uses()
                self.buckets.forget_full(time.monotonic())
            except Exception:  # noqa: BLE001 - logged; a grant that is not tended expires
                _log.exception("tending the grants failed; trying again")

    async def _write_key_uses(self) -> None:
        if due := self.key_uses.due():
            await asyncio.wrap_future(self.writer.call(partial(record_uses, used=due)))
            self.key_uses.written(due)

    def _admit(self, request: Request, exchange: Exchange, need: Need) -> Key:
        if self.watcher is None:
            raise Unavailable("the gateway is starting")
        moment = self.now()
        key = self.watcher.authenticate(request.headers.get("authorization"), moment)
        belongs_to(request.scope, key.customer)
        self.key_uses.note(key.id, moment)
        now = time.monotonic()
        try:
            exchange.pace = self.buckets.take(key, now)
        except RateLimited:
            exchange.pace = self.buckets.pace(key, now)
            raise
        require_access(key, need)
        return key


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    inputs: list[Any]
    explain: bool = False


def _group(path: str, endpoints: tuple[Endpoint, ...], gateway: Gateway) -> Route:
    """One route per path, whatever its methods: otherwise a wrong method would read as the first one's 405."""
    by_method = {endpoint.method: endpoint for endpoint in endpoints if endpoint.path == path}

    async def dispatch(request: Request) -> Response:
        return await gateway.call(by_method["GET" if request.method == "HEAD" else request.method], request)

    return Route(path, dispatch, methods=list(by_method))


def _query(request: Request) -> dict[str, str]:
    if len(request.scope["query_string"]) > MOST_QUERY_BYTES:
        raise Malformed(f"the query is longer than {MOST_QUERY_BYTES:,} bytes", where="query")
    return dict(request.query_params)


def _counted(inputs: list[Any], most: int) -> list[Any]:
    if not inputs:
        raise BadInput("there is nothing to predict", where="inputs", hint="send at least one input")
    if len(inputs) > most:
        raise BadInput(
            f"{len(inputs)} inputs are more than the {most} taken at once", where="inputs", hint="send several requests"
        )
    return inputs


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
