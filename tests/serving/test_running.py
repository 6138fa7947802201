"""Keeping a gateway on air: swaps, overload, failures of a part, starting and stopping."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx2
import numpy as np
import pytest
from serving.support import (
    PRODUCT,
    Company,
    Running,
    TestFunding,
    TinyModel,
    credit,
    credit_left,
    give_credit,
    go_live,
    load,
    make_company,
    open_grants,
    problem,
    running,
    small,
    tiny_artifact,
    wait_for,
)

from penstock.core.errors import BadInput, Broken, Unavailable
from penstock.registry import releases
from penstock.serving.endpoints import Endpoint, EndpointRequest
from penstock.serving.gateway import build_gateway
from penstock.serving.releases import check_model
from penstock.serving.server import serve
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, Transaction
from penstock.tasks.text.task import PROBES


class TestReleases:
    def test_a_swap_under_load_drops_nothing_and_a_rollback_is_at_once(self, company: Company) -> None:
        first = company.deps.products[PRODUCT]
        assert first is not None
        with running(company) as gateway, load(gateway, clients=4) as answers:
            wait_for(lambda: len(answers) > 20)
            second = go_live(company.store, tiny_artifact(company.blobs, seed=2))
            wait_for(lambda: any(answer.json().get("release") == second.id for answer in list(answers)[-4:]))
            with company.store.transaction() as tx:
                back = releases.rollback(tx, PRODUCT)
            wait_for(lambda: answers[-1].json().get("release") == back.id)
        assert Counter(answer.status_code for answer in answers) == {200: len(answers)}
        assert len(company.events()) == len(answers)
        used = {(event.id, event.release) for event in company.events()}
        assert used == {(answer.json()["id"], answer.json()["release"]) for answer in answers}

    @pytest.mark.parametrize("fault", ["missing", "altered", "wavering"])
    def test_a_broken_artifact_leaves_the_old_release_serving_and_shows(self, company: Company, fault: str) -> None:
        with running(company) as gateway, gateway.http() as http:
            before = gateway.predict(["a"]).json()["release"]
            artifact = tiny_artifact(company.blobs, seed=3, wavering=fault == "wavering")
            if fault == "missing":
                company.blobs.path(artifact).unlink()
            if fault == "altered":
                company.blobs.path(artifact).write_bytes(b"{}")
            broken = go_live(company.store, artifact)
            wait_for(lambda: http.get("/readyz").json()["degraded"] != [])
            [told] = http.get("/readyz").json()["degraded"]
            assert broken.id in told
            assert f'penstock_release_broken{{product="{PRODUCT}"}} 1' in http.get("/metrics").text
            assert gateway.predict(["a"]).json()["release"] == before

    def test_a_product_whose_only_release_is_broken_is_unavailable(self, store: Store, blobs: BlobStore) -> None:
        company = make_company(store, blobs, released=False)
        go_live(store, "f" * 64)
        with running(company) as gateway, gateway.http() as http:
            assert "cannot be served" in problem(gateway.predict(["a"]), 503)["detail"]
            assert "no blob" in problem(http.get("/readyz"), 503)["detail"]

    def test_the_probe_refuses_a_model_that_answers_otherwise_in_company(self) -> None:
        check_model(TinyModel(("a", "b"), 1), PROBES)
        with pytest.raises(Broken, match="alone and in a batch"):
            check_model(TinyModel(("a", "b"), 1, wavering=True), PROBES)

    @pytest.mark.parametrize(
        ("answered", "why"),
        [
            (lambda texts: np.full((len(texts), 2), np.nan, dtype=np.float32), "not finite"),
            (lambda texts: np.zeros((len(texts), 3), dtype=np.float32), r"answers \(4, 3\) for 4 inputs and 2 labels"),
        ],
    )
    def test_the_probe_refuses_a_model_that_answers_no_scores_of_its_labels(
        self, monkeypatch: pytest.MonkeyPatch, answered: Callable[[Any], Any], why: str
    ) -> None:
        monkeypatch.setattr(TinyModel, "predict", lambda self, texts: answered(texts))
        with pytest.raises(Broken, match=why):
            check_model(TinyModel(("a", "b"), 1), PROBES)


class TestOverload:
    def test_too_much_work_is_refused_before_it_starts_and_health_stays_fast(
        self, store: Store, blobs: BlobStore
    ) -> None:
        company = make_company(store, blobs, released=False, settings=small(queue_inputs=8))
        go_live(store, tiny_artifact(blobs, seconds=0.05))
        slowest = 0.0
        with running(company) as gateway, load(gateway, clients=24, inputs=2) as answers, gateway.http() as http:
            for _ in range(30):
                began = time.monotonic()
                assert http.get("/healthz").status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.02)
        by_status = Counter(answer.status_code for answer in answers)
        assert set(by_status) == {200, 429} and by_status[200] > 0
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert problem(refused, 429)["type"].endswith(":queue-full")
        assert int(refused.headers["retry-after"]) >= 1
        assert len(company.events()) == by_status[200]
        assert slowest < 1.5  # behind the work that waits it would take 2.4 s

    def test_a_request_that_takes_too_long_is_given_up_and_not_billed(self, store: Store, blobs: BlobStore) -> None:
        company = make_company(store, blobs, released=False)
        go_live(store, tiny_artifact(blobs, seconds=0.05))
        give_credit(store, company.customer, 50)
        with running(company, timing=replace(company.deps.timing, deadline_s=0.5)) as gateway:
            assert "within" in problem(gateway.predict(["a"] * 40), 503)["detail"]
        assert company.events() == []
        assert credit_left(store, company.customer) == 50


class TestMoney:
    def test_prepaid_credit_is_used_to_the_last_unit_and_never_overshot(self, company: Company) -> None:
        give_credit(company.store, company.customer, 150)
        with running(company) as gateway, load(gateway, clients=16, inputs=3, stop_at=402) as answers:
            wait_for(lambda: any(answer.status_code == 402 for answer in list(answers)), 20)
            time.sleep(0.2)
        paid = [answer for answer in answers if answer.status_code == 200]
        assert {answer.status_code for answer in answers} == {200, 402}
        assert len(paid) == 50 and sum(event.units for event in company.events()) == 150
        assert credit_left(company.store, company.customer) == 0
        told = problem(next(answer for answer in answers if answer.status_code == 402), 402)
        assert told["type"].endswith(":credit-exhausted") and told["hint"] == "add credit"

    def test_two_gateways_share_one_credit(self, company: Company) -> None:
        give_credit(company.store, company.customer, 60)
        with (
            running(company) as east,
            running(company) as west,
            load(east, clients=4, stop_at=402) as first,
            load(west, clients=4, stop_at=402) as second,
        ):
            wait_for(lambda: first and second and first[-1].status_code == second[-1].status_code == 402)
        assert sum(event.units for event in company.events()) <= 60
        assert sum(event.units for event in company.events()) + credit_left(company.store, company.customer) == 60

    def test_what_was_not_used_is_returned_when_idle_and_at_the_end(
        self, company: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("penstock.serving.grants.IDLE_S", 0.2)
        give_credit(company.store, company.customer, 100)
        with running(company) as gateway:
            gateway.predict(["a"])
            assert credit_left(company.store, company.customer) == 36
            wait_for(lambda: credit_left(company.store, company.customer) == 99)
            gateway.predict(["a", "b"])
        assert credit_left(company.store, company.customer) == 97
        assert open_grants(company.store) == 0

    def test_a_retry_of_a_paid_request_is_answered_though_the_credit_is_gone(self, company: Company) -> None:
        give_credit(company.store, company.customer, 2)
        with running(company) as gateway:
            first = gateway.predict(["a", "b"], Idempotency_Key="last")
            assert gateway.predict(["a"]).status_code == 402
            again = gateway.predict(["a", "b"], Idempotency_Key="last")
            assert again.content == first.content
            assert problem(gateway.predict(["other", "b"], Idempotency_Key="last"), 409)

    def test_a_refused_input_or_a_failed_model_costs_nothing(self, company: Company) -> None:
        give_credit(company.store, company.customer, 10)
        with running(company) as gateway, pytest.MonkeyPatch.context() as patch:
            patch.setattr(TinyModel, "predict", lambda self, texts: 1 / 0)
            assert problem(gateway.predict(["a"]), 500)["detail"].startswith("the request failed inside")
        assert credit_left(company.store, company.customer) == 10

    def test_new_credit_is_seen_within_seconds(self, company: Company) -> None:
        give_credit(company.store, company.customer, 0)
        with running(company) as gateway:
            assert gateway.predict(["a"]).status_code == 402
            with company.store.transaction() as tx:
                tx.execute(credit.update().where(credit.c.organisation == tx.organisation).values(units=5))
            wait_for(lambda: gateway.predict(["a"]).status_code == 200, 3)


class TestParts:
    def test_keys_that_cannot_be_refreshed_close_the_gateway_until_they_can(
        self, company: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        timing = replace(company.deps.timing, stale_after_s=0.3)
        with running(company, timing=timing) as gateway, gateway.http() as http:
            assert gateway.predict(["a"]).status_code == 200

            def lost(self: Store) -> Any:
                raise Unavailable("the database does not answer")

            with monkeypatch.context() as patch:
                patch.setattr(Store, "read", lost)
                wait_for(lambda: gateway.predict(["a"]).status_code == 503, 2)
                assert "stale" in problem(http.get("/readyz"), 503)["detail"]
                assert http.get("/healthz").status_code == 200
            wait_for(lambda: gateway.predict(["a"]).status_code == 200, 2)

    def test_an_unwritable_database_refuses_answers_and_turns_readiness_red(
        self, company: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with running(company) as gateway, gateway.http() as http:
            assert gateway.predict(["a"], Idempotency_Key="r1").status_code == 200

            @contextmanager
            def full(self: Store) -> Iterator[Transaction]:
                raise Unavailable("the disk is full")
                yield

            with monkeypatch.context() as patch:
                patch.setattr(Store, "transaction", full)
                told = problem(gateway.predict(["b"], Idempotency_Key="r2"), 503)
                assert "cannot be recorded" in told["detail"] and "disk" not in str(told)
                assert "disk is full" in problem(http.get("/readyz"), 503)["detail"]
            wait_for(lambda: http.get("/readyz").status_code == 200, 3)
            assert gateway.predict(["b"], Idempotency_Key="r2").status_code == 200
        assert [event.id for event in company.events()] == ["r1", "r2"]

    def test_metrics_are_prometheus_text(self, company: Company, gateway: Running) -> None:
        gateway.predict(["a"])
        gateway.predict([])
        with gateway.http() as http:
            http.get("/v1/products/an-unknown-one/predict")
            text = http.get("/metrics").text
        assert f'penstock_requests_total{{product="{PRODUCT}",status="200"}} 1' in text
        assert f'penstock_requests_total{{product="{PRODUCT}",status="422"}} 1' in text
        assert f'penstock_request_seconds_bucket{{product="{PRODUCT}",le="+Inf"}} 2' in text
        assert "penstock_writer_batch_rows_count 1" in text
        assert "penstock_ready 1" in text and "penstock_queue_inputs 0" in text
        assert "an-unknown-one" not in text  # strangers must not fill the registry

    def test_the_openapi_document_names_every_route(self, gateway: Running) -> None:
        with gateway.http() as http:
            told = http.get("/openapi.json").json()
        assert told["openapi"].startswith("3.1")
        assert set(told["paths"]) >= {f"/v1/products/{PRODUCT}/predict", "/v1/models", "/healthz"}

    def test_a_key_never_reaches_the_logs(
        self, company: Company, gateway: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level(logging.DEBUG)
        gateway.predict(["a"])
        monkeypatch.setattr(TinyModel, "predict", lambda self, texts: 1 / 0)
        gateway.predict(["a"])
        assert "ZeroDivisionError" in caplog.text
        assert company.key not in caplog.text and company.key.rsplit("_", 1)[1] not in caplog.text


class TestEndpoints:
    @staticmethod
    def echo(request: EndpointRequest) -> Any:
        if request.body == {"broken": True}:
            raise BadInput("that is broken", where="broken")
        return {
            "customer": request.customer,
            "path": request.path,
            "query": request.query,
            "body": request.body,
            "organisation": request.tx.organisation,
        }

    def test_other_rooms_routes_run_for_the_key_s_customer_in_a_transaction(self, company: Company) -> None:
        endpoints = (
            Endpoint("GET", "/v1/things/{number}", "customer", self.echo),
            Endpoint("POST", "/v1/things/{number}", "customer", self.echo),
        )
        with running(company, endpoints=endpoints) as gateway, gateway.http() as http:
            got = http.get("/v1/things/7?period=2026-11").json()
            assert got == {
                "customer": company.customer,
                "path": {"number": "7"},
                "query": {"period": "2026-11"},
                "body": None,
                "organisation": company.store.organisation,
            }
            assert http.post("/v1/things/7", json={"a": 1}).json()["body"] == {"a": 1}
            assert problem(http.post("/v1/things/7", json={"broken": True}), 422)["where"] == "broken"
            problem(http.put("/v1/things/7"), 405)
            problem(http.get("/v1/things/7", headers={"Authorization": ""}), 401)
            assert "/v1/things/{number}" in http.get("/openapi.json").json()["paths"]

    def test_a_route_that_does_not_say_who_may_call_it_fails_the_build(self, company: Company) -> None:
        for endpoint in (
            Endpoint("GET", "/v1/things", "", self.echo),  # type: ignore[arg-type]
            Endpoint("GET", "/v1/things", None, self.echo),  # type: ignore[arg-type]
            Endpoint("GET", "/v1/models", "customer", self.echo),
        ):
            with pytest.raises(Broken):
                build_gateway(replace(company.deps, endpoints=(endpoint,)))


class TestStartAndStop:
    def test_a_taken_port_is_told_plainly(self, company: Company) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(BadInput, match=f"port {port} on 127.0.0.1 is in use"):
                serve(company.deps, "127.0.0.1", port)

    def test_a_database_that_cannot_be_read_fails_the_start(self, company: Company) -> None:
        def lost(self: Store) -> Any:
            raise Unavailable("the database does not answer")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "read", lost)
            with pytest.raises(Unavailable, match="does not answer"), running(company):
                pass

    def test_stopping_answers_what_is_under_way(self, store: Store, blobs: BlobStore) -> None:
        company = make_company(store, blobs, released=False)
        go_live(store, tiny_artifact(blobs, seconds=0.1))
        answers: list[httpx2.Response] = []
        with running(company) as gateway:
            thread = threading.Thread(target=lambda: answers.append(gateway.predict(["a"] * 6)))
            thread.start()
            time.sleep(0.2)
            gateway.stop()
            thread.join()
            with pytest.raises(httpx2.ConnectError):
                gateway.predict(["a"])
        assert [answer.status_code for answer in answers] == [200]
        assert [event.id for event in company.events()] == [answers[0].json()["id"]]
        assert open_grants(store) == 0

    def test_small_answers_do_not_wait_for_an_acknowledgement(self, gateway: Running) -> None:
        """Without TCP_NODELAY head and body of an answer are 40 ms apart on a kept connection."""
        host, port = gateway.url.removeprefix("http://").split(":")
        taken = []
        with socket.create_connection((host, int(port))) as wire:
            for _ in range(20):
                began = time.monotonic()
                wire.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
                got = b""
                while b'"degraded":[]}' not in got:
                    got += wire.recv(65536)
                taken.append(time.monotonic() - began)
        assert sorted(taken)[10] < 0.02


class TestClosing:
    def test_a_database_that_hangs_does_not_keep_the_gateway_from_ending(self, company: Company) -> None:
        hangs = threading.Event()

        class Hanging(TestFunding):
            def close(self, tx: Transaction, grant_ids: Any) -> None:
                hangs.wait(30)

        timing = replace(company.deps.timing, drain_s=1, close_s=0.2)
        gateway = Running(replace(company.deps, funding=Hanging(), timing=timing), company.key)
        gateway.start()
        assert gateway.predict(["a"]).status_code == 200
        began = time.monotonic()
        gateway.stop()
        assert time.monotonic() - began < 5
        hangs.set()
