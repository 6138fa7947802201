"""Nothing that grows with what a client sends runs on the event loop, where everybody would wait for it.

Measured is the processor time of the loop's own thread: a busy machine does not change it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from serving.support import PATH, Company, Running, make_company, running, small

from penstock.serving.endpoints import Endpoint
from penstock.serving.exchange import MOST_PARTS
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import open_store

MOST_S = 0.02  # receiving 900 kB in pieces takes some 3 ms of it; decoding such a body took 20 to 500
BODY = 900_000

HOSTILE = {
    "a number that is none at its end": b'{"inputs":[' + b"1," * (BODY // 2) + b"1e999]}",
    "lists": b'{"inputs":[' + b"[]," * (BODY // 3) + b"1]}",
    "as many lists as are taken": b'{"inputs":[[' + b"[]," * (MOST_PARTS - 10) + b"1]]}",
    "objects": b'{"inputs":[' + b'{"a":1},' * (BODY // 8) + b"1]}",
    "nesting": b'{"inputs":' + b"[" * BODY,
    "escapes": b'{"inputs":["' + rb"\u00e9" * (BODY // 6) + b'"]}',
    "no JSON": b'{"inputs":[' + b'"x",' * (BODY // 4),
    "long texts": json.dumps({"inputs": ["where is it " * 1_666] * 32}).encode(),
    "many texts": json.dumps({"inputs": ["where is it " * 290] * 256}).encode(),
    "explained": json.dumps({"inputs": ["where is it " * 1_000] * 2, "explain": True}).encode(),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("loop")
    url = f"sqlite:///{folder / 'penstock.sqlite'}"
    migrate.upgrade(url)
    store = open_store(url, "loop")
    things = Endpoint("POST", "/v1/things", "customer", lambda request: {"got": len(str(request.body))})
    queries = Endpoint("GET", "/v1/things", "customer", lambda request: {"got": len(request.query)})
    company: Company = make_company(store, BlobStore(folder / "blobs"), settings=small(), endpoints=(things, queries))
    with running(company) as started:
        started.predict(["warm"])
        yield started
    store.close()


def loop_s(gateway: Running) -> float:
    ident = gateway._thread.ident
    assert ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(ident))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("path", [PATH, "/v1/things"])
def test_a_hostile_body_takes_no_time_of_the_loop(gateway: Running, kind: str, path: str) -> None:
    with gateway.http() as http:
        before = loop_s(gateway)
        answer = http.post(path, content=HOSTILE[kind], headers={"Content-Type": "application/json"})
        assert loop_s(gateway) - before < MOST_S
    assert answer.status_code in (200, 400, 422)


@pytest.mark.parametrize("query", ["a&" * 30_000, "a=1&" * 1_000])
def test_a_hostile_query_takes_no_time_of_the_loop(gateway: Running, query: str) -> None:
    with gateway.http() as http:
        before = loop_s(gateway)
        answer = http.get(f"/v1/things?{query}")
        assert loop_s(gateway) - before < MOST_S
    assert answer.status_code in (200, 400)
