"""A developer asks why: the words that decided come with the answer, are paid for, and repeat like any answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from serving.support import PATH, PRODUCT, PRODUCTS, Company, Running, problem, running

from penstock import tasks
from penstock.client import AsyncClient, Client, texts
from penstock.core.errors import BadInput
from penstock.serving.explained import MOST_EXPLAINED, check_explained
from penstock.serving.openapi import document

TEXT = "where is my 包裹"


def ask(gateway: Running, body: dict[str, Any], **headers: str) -> Any:
    with gateway.http() as http:
        return http.post(PATH, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


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


def test_a_task_without_explanations_says_so() -> None:
    with pytest.raises(BadInput, match="answers of recommendation cannot be explained") as caught:
        check_explained(tasks.get("recommendation"), 1)
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
