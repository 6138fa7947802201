"""An image product on air: files come by form, body or base64; a bad one is named, costs nothing and harms nobody."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event, Semaphore
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving.support import (
    PATH,
    PRODUCT,
    Company,
    Running,
    credit_left,
    give_credit,
    go_live,
    make_company,
    problem,
    running,
    wait_for,
)

from penstock.loader import Loader
from penstock.models.artifact import save_artifact
from penstock.serving.endpoints import Endpoint
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.tasks.images.data.decode import decode
from penstock.tasks.images.model import pixels_linear
from penstock.tasks.images.model.form import Form
from penstock.workspace.records import Product


@pytest.fixture
def company(store: Store, blobs: BlobStore) -> Company:
    weights = np.random.default_rng(0).normal(size=(64, 3), scale=9).astype(np.float32)
    artifact = save_artifact(
        blobs,
        kind=pixels_linear.KIND,
        labels=("cat", "dog", "eel"),
        files=pixels_linear.to_files(weights, np.zeros(3, dtype=np.float32)),
        settings=Form((8, 8, 1), False, 1.0).settings(),
        backbone=None,
    )
    price = {"tiers": [{"unit_price": "0.0040"}]}
    product = Product.model_validate({"task": "image-classification", "data": "x", "gate": {}, "price": price})
    made = make_company(store, blobs, released=False, products={PRODUCT: product}, loader=Loader(blobs))
    go_live(store, artifact)
    return made


@pytest.fixture
def gateway(company: Company) -> Iterator[Running]:
    with running(company) as started:
        yield started


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def sent(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_form_a_body_and_base64_are_answered_alike(gateway: Running, company: Company) -> None:
    by_text = gateway.predict([sent(png(1)), sent(png(2))]).json()
    with gateway.http() as http:
        by_form = http.post(PATH, files=[("a", ("1.png", png(1))), ("a", ("2.png", png(2)))]).json()
        by_body = http.post(PATH, content=png(1), headers={"Content-Type": "image/png"}).json()
    assert by_text["outputs"] == by_form["outputs"]
    assert by_text["outputs"][:1] == by_body["outputs"]
    assert [event.units for event in company.events()] == [2, 2, 1]


def test_a_bad_image_is_named_and_not_billed_and_its_neighbours_are_answered(
    gateway: Running, company: Company
) -> None:
    expected = [gateway.predict([sent(png(n))]).json()["outputs"] for n in range(6)]
    billed = len(company.events())

    def good(n: int) -> Any:
        return gateway.predict([sent(png(n))]).json()["outputs"]

    def bad(n: int) -> dict[str, Any]:
        with gateway.http() as http:
            files = [("a", ("1.png", png(1)))] * 3 + [("a", ("cut.png", png(n)[:50]))]
            return problem(http.post(PATH, files=files), 422)

    with ThreadPoolExecutor(4) as threads:
        refused = [threads.submit(bad, n) for n in range(6)]
        answered = [threads.submit(good, n) for n in range(6)]
        assert [future.result() for future in answered] == expected
        assert {future.result()["where"] for future in refused} == {"inputs[3]"}
    assert len(company.events()) == billed + 6


def test_without_credit_no_image_is_decoded_but_what_was_paid_for_is_sent_again(
    gateway: Running, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_credit(company.store, company.customer, 1)
    first = gateway.predict([sent(png(1))], Idempotency_Key="order-17")
    monkeypatch.setattr("penstock.tasks.images.task.decode", lambda *given: pytest.fail("it was decoded"))
    problem(gateway.predict([sent(png(2))]), 402)
    problem(gateway.predict(["no image"], Idempotency_Key="order-18"), 402)
    again = gateway.predict([sent(png(1))], Idempotency_Key="order-17")
    assert again.content == first.content and again.headers["idempotent-replay"] == "true"
    assert len(company.events()) == 1


def test_a_bad_image_gives_back_what_was_held_for_it(gateway: Running, company: Company) -> None:
    give_credit(company.store, company.customer, 3)
    for _ in range(3):
        assert problem(gateway.predict([sent(png(1)), sent(png(2)), "no image"]), 422)["where"] == "inputs[2]"
    paid = gateway.predict([sent(png(n)) for n in range(3)], Idempotency_Key="order-17")
    assert paid.json()["usage"]["units"] == 3
    again = gateway.predict([sent(png(n)) for n in range(3)], Idempotency_Key="order-17")
    assert again.content == paid.content and again.headers["idempotent-replay"] == "true"
    assert [event.units for event in company.events()] == [3]


def test_images_that_take_long_to_decode_hold_up_nothing_else(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_credit(company.store, company.customer, 10)
    monkeypatch.setattr("penstock.serving.parsing.MOST_UNDER_WAY", 4)  # half of them for one customer
    reading, go_on = Semaphore(0), Event()

    def slowly(content: bytes, where: str) -> Any:
        reading.release()
        assert go_on.wait(10)
        return decode(content, where)

    monkeypatch.setattr("penstock.tasks.images.task.decode", slowly)
    things = Endpoint("GET", "/v1/things", "customer", lambda request: {"customer": request.customer})
    timing = replace(company.deps.timing, deadline_s=1.0)
    with (
        running(company, endpoints=(things,), timing=timing) as gateway,
        ThreadPoolExecutor(2) as threads,
        gateway.http() as http,
    ):
        asked = [threads.submit(gateway.predict, [sent(png(n))]) for n in range(2)]
        assert reading.acquire(timeout=5) and reading.acquire(timeout=5)
        assert http.get("/v1/things").json() == {"customer": company.customer}
        refused = gateway.predict([sent(png(8))])
        assert problem(refused, 429)["type"].endswith(":queue-full") and int(refused.headers["retry-after"]) >= 1
        late = {problem(future.result(), 503)["detail"] for future in asked}
        go_on.set()
        assert late == {"no answer within 1 s"}
        wait_for(lambda: gateway.predict([sent(png(9))]).status_code == 200)
    assert len(company.events()) == 1
    assert credit_left(company.store, company.customer) == 9


def test_the_limits_of_a_request_hold_for_files_too(gateway: Running, company: Company) -> None:
    with gateway.http() as http:
        large = http.post(PATH, content=b"x" * 1_000_001, headers={"Content-Type": "image/png"})
        many = http.post(PATH, files=[("a", ("1.png", b"x"))] * 257)
        none = http.post(PATH, content=b"", headers={"Content-Type": "image/png"})
    assert problem(large, 413)["where"] == "body"
    assert problem(many, 422)["where"] == "inputs"
    assert problem(none, 422)["where"] == "inputs[0]"
    assert company.events() == []
