"""A developer asks why: the words that decided come with the answer, are paid for, and repeat like any answer."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from serving.support import (
    PATH,
    PRODUCT,
    PRODUCTS,
    Company,
    Running,
    TinyModel,
    go_live,
    problem,
    running,
    small,
    tiny_artifact,
    wait_for,
)

from penstock import installed
from penstock.client import AsyncClient, Client, texts
from penstock.core.errors import BadInput, Unavailable
from penstock.serving.engine import Engine
from penstock.serving.explained import COST, MOST_EXPLAINED, check_explained, render_explained
from penstock.serving.openapi import document
from penstock.serving.problems import Overloaded

TEXT = "where is my 包裹"


def ask(gateway: Running, body: dict[str, Any], **headers: str) -> Any:
    with gateway.http() as http:
        return http.post(PATH, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def _queued(gateway: Running) -> float:
    with gateway.http() as http:
        [line] = [line for line in http.get("/metrics").text.splitlines() if line.startswith("penstock_queue_inputs ")]
    return float(line.split()[1])


def test_an_explained_answer_is_the_plain_one_with_the_words_that_decided(gateway: Running) -> None:
    [plain] = gateway.predict([TEXT]).json()["outputs"]
    [told] = ask(gateway, {"inputs": [TEXT], "explain": True}).json()["outputs"]
    words = told.pop("explanation")
    assert told == plain
    assert {word["text"] for word in words} <= {"where", "is", "my", "包", "裹"} and words
    assert all(TEXT[word["start"] : word["end"]] == word["text"] for word in words)
    weights = [abs(word["weight"]) for word in words]
    assert weights == sorted(weights, reverse=True)


def test_an_explained_input_counts_as_many_units_as_its_product_says(company: Company) -> None:
    dearer = {PRODUCT: PRODUCTS[PRODUCT].model_copy(update={"explain_units": 3})}
    with running(company, products=dearer) as gateway:
        assert gateway.predict(["a", "b"]).json()["usage"]["units"] == 2
        assert ask(gateway, {"inputs": ["a", "b"], "explain": True}).json()["usage"]["units"] == 6
        assert ask(gateway, {"inputs": ["a", "b"], "explain": False}).json()["usage"]["units"] == 2
    assert [event.units for event in company.events()] == [2, 6, 2]


def test_a_retry_gives_the_same_bytes_and_asking_otherwise_is_another_request(
    company: Company, gateway: Running
) -> None:
    first = ask(gateway, {"inputs": [TEXT], "explain": True}, idempotency_key="why-1")
    again = ask(gateway, {"inputs": [TEXT], "explain": True}, idempotency_key="why-1")
    assert (first.content, again.headers["idempotent-replay"]) == (again.content, "true")
    problem(ask(gateway, {"inputs": [TEXT]}, idempotency_key="why-1"), 409)
    assert len(company.events()) == 1


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"inputs": ["a"], "explain": "yes"}, "explain"),
        ({"inputs": ["a"], "explain": 1}, "explain"),
        ({"inputs": ["a"] * (MOST_EXPLAINED + 1), "explain": True}, "inputs"),
        ({"inputs": ["a", ""], "explain": True}, "inputs[1]"),
    ],
)
def test_what_cannot_be_explained_is_refused_and_not_billed(
    company: Company, gateway: Running, body: dict[str, Any], where: str
) -> None:
    assert problem(ask(gateway, body), 422)["where"] == where
    assert company.events() == []


def test_an_explained_request_is_dropped_between_its_inputs_once_its_time_is_over() -> None:
    """No input of it is begun after its deadline, and it counts as 25 answers an input while it waits."""
    model, task, begun = TinyModel(("a", "b"), 1), installed.get("text-classification"), threading.Semaphore(0)
    going, render = threading.Event(), render_explained(task)

    def slow(model: Any, text: str, scores: Any) -> Any:
        begun.release()
        going.wait(10)
        return render(model, text, scores)

    engine = Engine(queue_inputs=100, threads=1)
    engine.start()
    try:
        asked = engine.submit(model, slow, [TEXT] * 4, time.monotonic() + 0.2, cost=COST)
        assert engine.queued == 4 * 25 == 4 * COST
        assert begun.acquire(timeout=10)
        with pytest.raises(Overloaded) as caught:
            engine.submit(model, task.render, ["a"], time.monotonic() + 10, owner="another")
        assert caught.value.retry_after_s == pytest.approx(100 * 0.005)
        time.sleep(0.25)
        going.set()
        with pytest.raises(Unavailable, match="waited too long"):
            asked.result(10)
        wait_for(lambda: engine.queued == 0)
        assert not begun.acquire(timeout=0.05)  # only the first was begun
    finally:
        going.set()
        engine.close()


def test_a_queue_with_room_for_a_plain_request_may_have_none_for_an_explained_one(company: Company) -> None:
    go_live(company.store, tiny_artifact(company.blobs, seconds=1.0))
    with running(company, settings=small(queue_inputs=20)) as gateway, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gateway.predict, ["a"])
        wait_for(lambda: _queued(gateway) == 1)
        told = ask(gateway, {"inputs": ["a"], "explain": True})
        assert problem(told, 429)["type"].endswith(":queue-full")
        assert gateway.predict(["b"]).status_code == waiting.result().status_code == 200


def test_a_task_without_explanations_says_so() -> None:
    with pytest.raises(BadInput, match="answers of recommendation cannot be explained") as caught:
        check_explained(installed.get("recommendation"), 1)
    assert caught.value.where == "explain"


def test_programs_read_the_words_sync_and_async(company: Company, gateway: Running) -> None:
    with Client(gateway.url, company.key) as client:
        [told] = client.ask(texts.labels(PRODUCT, [TEXT], explain=True)).outputs
        [plain] = client.ask(texts.labels(PRODUCT, [TEXT])).outputs
        [raw] = client.predict(PRODUCT, [TEXT], explain=True).outputs

    async def later() -> texts.Label:
        client = AsyncClient(gateway.url, company.key)
        try:
            return (await client.ask(texts.labels(PRODUCT, [TEXT], explain=True))).outputs[0]
        finally:
            await client.close()

    assert plain.explanation == () and (told.label, told.score) == (plain.label, plain.score)
    assert [part.text for part in told.explanation] == [part["text"] for part in raw["explanation"]]
    assert asyncio.run(later()) == told


def test_the_document_offers_it_where_the_task_can() -> None:
    def body(task: str) -> dict[str, Any]:
        product = PRODUCTS[PRODUCT].model_copy(update={"task": task, "explain_units": 5})
        told = json.loads(document({"desk": product}, ()))["paths"]["/v1/products/desk/predict"]["post"]
        found: dict[str, Any] = told["requestBody"]["content"]["application/json"]["schema"]["properties"]
        return found

    assert "5 units" in body("text-classification")["explain"]["description"]
    assert "explain" not in body("recommendation")
