"""Some hundred requests drawn from the hostile grammar: all are answered or refused, and others do not notice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from serving.hostile import assault, attacks
from serving.support import PRODUCT, Company, Running, make_company, problem, running, small

from penstock.serving.endpoints import Endpoint
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import open_store


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Company, Running]]:
    folder = tmp_path_factory.mktemp("hostile")
    url = f"sqlite:///{folder / 'penstock.sqlite'}"
    migrate.upgrade(url)
    store = open_store(url, "hostile")
    account = Endpoint("GET", "/v1/account", "customer", lambda request: {"query": dict(request.query)})
    said = Endpoint("POST", "/v1/feedback", "customer", lambda request: {"said": str(request.body)[:20]})
    settings = small(requests_per_minute=1_000_000)
    company = make_company(store, BlobStore(folder / "blobs"), endpoints=(account, said), settings=settings)
    with running(company) as gateway:
        yield company, gateway
    store.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_no_request_is_our_failure_and_everyone_else_is_served(
    target: tuple[Company, Running], seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    company, gateway = target
    port = urlsplit(gateway.url).port or 0
    drawn = attacks(seed, 400, PRODUCT, company.key)
    with caplog.at_level(logging.WARNING):
        told = asyncio.run(assault(port, drawn))
    assert told.failed == [] and told.sent == 400
    assert {200, 400, 401, 404, 422} <= set(told.statuses)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    answer = gateway.predict(["where is my parcel"])
    assert answer.status_code == 200 and gateway.predict(["a"], product="none").status_code == 404
    problem(gateway.predict([1]), 422)


def test_the_same_seed_draws_the_same_requests() -> None:
    assert attacks(3, 50, "p", "k") == attacks(3, 50, "p", "k") != attacks(4, 50, "p", "k")
