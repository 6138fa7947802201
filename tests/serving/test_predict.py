"""A developer calls the API: what comes back, what is billed, and what a mistake reads like."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from serving.support import (
    PATH,
    PRODUCT,
    Company,
    Running,
    TinyModel,
    go_live,
    make_company,
    problem,
    running,
    small,
    tiny_artifact,
    wait_for,
)

from penstock import installed
from penstock.core.clock import SettableClock
from penstock.identity import customers, keys
from penstock.metering import usage_log
from penstock.serving.endpoints import Endpoint
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store


def test_a_prediction_names_its_release_and_its_cost_and_is_in_the_usage_log(
    company: Company, gateway: Running
) -> None:
    answer = gateway.predict(["where is my parcel", "退款"])
    body = answer.json()
    [event] = company.events()
    assert answer.status_code == 200
    assert [row["label"] for row in body["outputs"]] and len(body["outputs"]) == 2
    assert body["id"] == answer.headers["x-request-id"] == event.id
    assert body["product"] == PRODUCT and body["release"] == event.release
    assert body["usage"] == {"units": 2, "amount": "0.0000", "currency": "USD"}  # the plan includes two
    assert (event.source, event.customer, event.units, event.key) == (
        company.customer,
        company.customer,
        2,
        company.key_id,
    )
    assert answer.headers["ratelimit-policy"] == '"requests";q=6000;w=60'
    assert answer.headers["ratelimit"].startswith('"requests";r=5999;t=')


def test_the_amount_follows_the_allowance_and_then_the_tiers(gateway: Running) -> None:
    amounts = [gateway.predict(["a"] * n).json()["usage"]["amount"] for n in (1, 3, 9, 2)]
    # 2 included; then ten at 0.0040, the rest at 0.0020
    assert amounts == ["0.0000", "0.0080", "0.0340", "0.0040"]


def test_an_answer_does_not_depend_on_who_else_is_served(company: Company, gateway: Running) -> None:
    alone = gateway.predict(["where is my parcel"]).json()["outputs"][0]
    among = gateway.predict(["退款"] * 40 + ["where is my parcel"]).json()["outputs"][-1]
    assert alone == among


@pytest.mark.parametrize(
    ("content", "status", "where"),
    [
        (b"{", 400, "body"),
        (b"", 400, "body"),
        (b"\xff\xfe", 400, "body"),
        (b'{"inputs": [' + b"[" * 5000, 400, "body"),
        (b'{"inputs": "hello"}', 422, "inputs"),
        (b'{"input": ["hello"]}', 422, "body"),
        (b"[]", 422, "body"),
        (b'{"inputs": []}', 422, "inputs"),
        (b'{"inputs": ["a", "b", "c", 4]}', 422, "inputs[3]"),
        (b'{"inputs": ["a", " "]}', 422, "inputs[1]"),
        (json.dumps({"inputs": ["a"] * 257}).encode(), 422, "inputs"),
        (b'{"inputs": ["' + b"a" * 1_000_001 + b'"]}', 413, "body"),
    ],
    ids=lambda value: value[:20].decode(errors="replace") if isinstance(value, bytes) else None,
)
def test_a_bad_body_is_named_and_not_billed(
    company: Company, gateway: Running, content: bytes, status: int, where: str
) -> None:
    with gateway.http() as http:
        told = problem(http.post(PATH, content=content), status)
    assert told["where"] == where
    assert company.events() == []


def test_a_body_without_a_length_is_cut_off_at_the_limit(company: Company, gateway: Running) -> None:
    with gateway.http() as http:
        answer = http.post(PATH, content=(b"x" * 100_000 for _ in range(30)))
    problem(answer, 413)


def test_addresses_that_do_not_exist_and_wrong_methods_are_problem_documents_too(gateway: Running) -> None:
    with gateway.http() as http:
        assert problem(http.get("/v2/nothing"), 404)["where"] == "/v2/nothing"
        wrong = http.get(PATH)
        problem(wrong, 405)
        assert wrong.headers["allow"] == "POST"
        assert problem(http.post("/v1/products/nosuch/predict", json={"inputs": ["a"]}), 404)["where"] == "product"


def test_unknown_and_revoked_keys_read_the_same(company: Company, gateway: Running) -> None:
    with company.store.transaction() as tx:
        keys.revoke_key(tx, company.key_id)
    _, other = company.new_key()
    told = []
    with gateway.http() as http:
        wait_for(lambda: http.get("/v1/models").status_code == 401)
        told.append(problem(http.get("/v1/models"), 401))
        mistyped = other[:20] + "zzzzzzzz"
        problem(http.get("/v1/models", headers={"Authorization": f"Bearer {mistyped}"}), 401)
        problem(http.get("/v1/models", headers={"Authorization": "Basic abc"}), 401)
        answer = http.get("/v1/models", headers={"Authorization": f"Bearer {_stranger(company)}"})
        told.append(problem(answer, 401))
        assert answer.headers["www-authenticate"] == "Bearer"
    assert told[0] | {"instance": ""} == told[1] | {"instance": ""}


def test_a_revoked_key_is_refused_within_a_second(company: Company) -> None:
    with running(company, timing=replace(company.deps.timing, refresh_every_s=0.25)) as gateway:
        assert gateway.predict(["a"]).status_code == 200
        with company.store.transaction() as tx:
            keys.revoke_key(tx, company.key_id)
        wait_for(lambda: gateway.predict(["a"]).status_code == 401, within_s=1.0)


def test_a_new_key_works_within_a_second_and_an_expired_one_at_once_not(
    company: Company, gateway: Running, clock: SettableClock
) -> None:
    _, text = company.new_key(expires_at=clock.now() + timedelta(hours=1))
    with gateway.http(text) as http:
        wait_for(lambda: http.get("/v1/models").status_code == 200, within_s=1.0)
        clock.advance(timedelta(hours=2))
        problem(http.get("/v1/models"), 401)


def test_a_key_reaches_only_its_products(company: Company, gateway: Running) -> None:
    _, text = company.new_key(products=["something-else"])
    with gateway.http(text) as http:
        wait_for(lambda: http.get("/v1/models").status_code == 200)
        assert http.get("/v1/models").json() == {"models": []}
        problem(http.post(PATH, json={"inputs": ["a"]}), 403)


def test_a_key_that_is_too_fast_is_told_when_to_come_back(company: Company, gateway: Running) -> None:
    _, text = company.new_key(requests_per_minute=3)
    with gateway.http(text) as http:
        wait_for(lambda: http.get("/healthz").status_code == 200 and http.get("/v1/models").status_code == 200)
        answers = [http.post(PATH, json={"inputs": ["a"]}) for _ in range(4)]
    assert [answer.status_code for answer in answers].count(200) == 2  # /v1/models took the third
    told = problem(answers[-1], 429)
    assert told["type"].endswith(":rate-limited")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert answers[-1].headers["ratelimit"].startswith('"requests";r=0;t=')


def test_models_lists_what_the_key_may_call(company: Company, gateway: Running) -> None:
    with gateway.http() as http:
        [row] = http.get("/v1/models").json()["models"]
    assert (row["product"], row["title"], row["number"], row["unit"]) == (PRODUCT, "Helpdesk router", 1, "prediction")


def test_a_product_without_a_release_is_not_found(store: Store, blobs: BlobStore) -> None:
    company = make_company(store, blobs, released=False)
    with running(company) as gateway:
        assert "no release" in problem(gateway.predict(["a"]), 404)["detail"]


class TestIdempotency:
    def test_the_same_request_again_gets_the_same_bytes_and_is_counted_once(
        self, company: Company, gateway: Running
    ) -> None:
        first = gateway.predict(["a", "b"], Idempotency_Key="order-17")
        again = gateway.predict(["a", "b"], Idempotency_Key="order-17")
        assert again.content == first.content and first.json()["id"] == "order-17"
        assert "idempotent-replay" not in first.headers
        assert again.headers["idempotent-replay"] == "true"
        assert [(event.id, event.units) for event in company.events()] == [("order-17", 2)]

    def test_the_same_key_with_another_body_is_a_conflict(self, company: Company, gateway: Running) -> None:
        gateway.predict(["a"], Idempotency_Key="order-17")
        assert problem(gateway.predict(["b"], Idempotency_Key="order-17"), 409)["where"] == "Idempotency-Key"
        assert len(company.events()) == 1

    def test_another_gateway_replays_it_too(self, company: Company, gateway: Running) -> None:
        first = gateway.predict(["a"], Idempotency_Key="order-17")
        with running(company) as other:
            again = other.predict(["a"], Idempotency_Key="order-17")
        assert again.content == first.content and again.headers["idempotent-replay"] == "true"
        assert len(company.events()) == 1

    def test_duplicates_under_way_wait_for_the_first(self, company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
        go_live(company.store, tiny_artifact(company.blobs, seconds=1.5))
        answers: list[httpx2.Response] = []
        predicted: list[str] = []
        predict = TinyModel.predict

        def remember(model: TinyModel, texts: Sequence[str]) -> Any:
            predicted.extend(texts)
            return predict(model, texts)

        monkeypatch.setattr(TinyModel, "predict", remember)
        with running(company) as gateway:
            threads = [
                threading.Thread(
                    target=lambda: answers.append(gateway.predict(["once"], Idempotency_Key="order-17")), daemon=True
                )
                for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert predicted.count("once") == 1
        assert {answer.content for answer in answers} == {answers[0].content}
        assert sum("idempotent-replay" in answer.headers for answer in answers) == 7
        assert len(company.events()) == 1

    @pytest.mark.parametrize("key", ["", "two words", "x" * 256, "schlüssel"])
    def test_a_key_must_be_visible_ascii(self, company: Company, gateway: Running, key: str) -> None:
        with gateway.http() as http:
            answer = http.post(PATH, json={"inputs": ["a"]}, headers=[("Idempotency-Key", key.encode("latin-1"))])
        assert problem(answer, 400)["where"] == "Idempotency-Key"
        assert company.events() == []

    def test_two_customers_may_use_the_same_key(self, company: Company, gateway: Running) -> None:
        with company.store.transaction() as tx:
            other = customers.add_customer(tx, name="Pier", email="dev@pier.example")
            _, text = keys.create_key(tx, customer=other.id)
        gateway.predict(["a"], Idempotency_Key="order-17")
        with gateway.http(text) as http:
            wait_for(lambda: http.get("/v1/models").status_code == 200)
            answer = http.post(PATH, json={"inputs": ["b"]}, headers={"Idempotency-Key": "order-17"})
        assert answer.status_code == 200
        assert {event.source for event in company.events()} == {company.customer, other.id}


def test_texts_with_odd_characters_come_through(company: Company, gateway: Running) -> None:
    assert gateway.predict(["nul \x00 in it", "😀 𝔘", "line\u2028end"]).status_code == 200
    with company.store.read() as tx:
        [event] = usage_log.events(tx)
        kept = usage_log.find_answer(tx, company.customer, event.id)
    assert kept is not None and kept.inputs == ["nul \x00 in it", "😀 𝔘", "line\u2028end"]


def test_a_large_batch_limit_is_the_workspace_s(company: Company) -> None:
    with running(company, settings=small(max_inputs=2)) as gateway:
        problem(gateway.predict(["a"] * 3), 422)


def _stranger(company: Company) -> str:
    """A key of right shape that this gateway never saw."""
    elsewhere = replace(company.store, organisation="elsewhere")
    with elsewhere.transaction() as tx:
        name = company.store.ids("n")
        who = customers.add_customer(tx, name=name, email=f"{name}@x.example")
        return keys.create_key(tx, customer=who.id)[1]


def test_a_body_that_never_arrives_is_given_up(
    company: Company, gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.serving.exchange.BODY_TIMEOUT_S", 0.2)
    host, port = gateway.url.removeprefix("http://").split(":")
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {company.key}\r\nContent-Length: 20\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as wire:
        wire.sendall(head.encode() + b'{"inp')
        assert wire.recv(65536).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999"])
def test_a_number_that_is_none_is_refused_where_it_stands(gateway: Running, number: str) -> None:
    body = f'{{"inputs": ["fine", {{"age": 41, "income": {number}}}]}}'
    with gateway.http() as http:
        answer = http.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["where"]) == (422, "inputs[1].income")


def test_a_long_list_is_read_apart_from_the_loop_that_answers_everybody(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_in: dict[int, str] = {}
    task = installed.get("text-classification")

    def parse(inputs: list[Any], model: Any) -> list[Any]:
        read_in[len(inputs)] = threading.current_thread().name
        return task.parse(inputs, model)

    monkeypatch.setattr("penstock.installed.get", lambda name: replace(task, parse=parse))
    with running(company) as gateway:
        assert gateway.predict(["a"] * 32).status_code == gateway.predict(["a"] * 33).status_code == 200
        problem(gateway.predict(["a"] * 39 + [7]), 422)
    assert {size: name.startswith("parser") for size, name in read_in.items()} == {32: False, 33: True, 40: True}
    assert [event.units for event in company.events()] == [32, 33]


@pytest.mark.parametrize("body", [rb'{"comment":"a\u0000b"}', rb'{"a":[1,{"b\u0000":2}]}'])
def test_a_nul_is_refused_alike_by_both_databases(company: Company, body: bytes) -> None:
    things = Endpoint("POST", "/v1/things/{name}", "customer", lambda request: {})
    with running(company, endpoints=(things,)) as gateway, gateway.http() as http:
        told = problem(http.post("/v1/things/a", content=body), 422)
        assert "NUL" in told["detail"] and told["where"]
        assert http.post("/v1/things/a", content=rb'{"comment":"a\\u0000b"}').status_code == 200
        problem(http.post("/v1/things/a%00b", json={}), 422)
        problem(http.post("/v1/things/a?b=%00", json={}), 422)
