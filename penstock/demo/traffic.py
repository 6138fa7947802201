"""The demo's customers at work: messages with their true labels, sent through the ordinary client, some badly."""

from __future__ import annotations

import csv
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from penstock import client as api
from penstock.client import Client

THREADS = 8


@dataclass(frozen=True)
class Message:
    """What an end user wrote, and the label a person would give it."""

    text: str
    label: str


@dataclass(frozen=True)
class Answered:
    """One answered input: the request it was in, its place there, and whether the label was right."""

    request_id: str
    index: int
    message: Message
    label: str

    @property
    def right(self) -> bool:
        return self.label == self.message.label


@dataclass
class Tally:
    """What a customer's requests came to."""

    requests: int = 0
    units: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    answered: list[Answered] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def read_messages(path: Path) -> list[Message]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [Message(row["text"], row["label"]) for row in csv.DictReader(stream)]


def send(customer: Client, product: str, messages: Sequence[Message], requests: int, seed: int) -> Tally:
    """Send `requests` requests of one to four messages from several threads; count answers and refusals."""
    tally = Tally()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda batch: _send_one(customer, product, batch, tally), _batches(messages, requests, seed)))
    return tally


def resend(customer: Client, product: str, answered: Sequence[Answered]) -> int:
    """Send requests again under their ids, as a client does whose connection broke; how many were answered the same."""
    requests: dict[str, list[Answered]] = {}
    for one in answered:
        requests.setdefault(one.request_id, []).append(one)
    same = 0
    for request_id, parts in requests.items():
        again = customer.predict(product, [part.message.text for part in parts], request_id=request_id)
        same += [output["label"] for output in again.outputs] == [part.label for part in parts]
    return same


def misbehave(url: str, key: str, product: str) -> dict[str, int]:
    """What the gateway answers to requests that are wrong in themselves: status per kind."""
    path = f"/v1/products/{product}/predict"
    good = {"inputs": ["where is my parcel?"]}
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=10) as http:
        return {
            "a body that is not JSON": http.post(path, content=b"{inputs: now}").status_code,
            "inputs of the wrong type": http.post(path, json={"inputs": "just text"}).status_code,
            "an empty message": http.post(path, json={"inputs": ["  "]}).status_code,
            "a body of 2 MB": http.post(path, content=b'{"inputs": ["' + b"x" * 2_000_000 + b'"]}').status_code,
            "an unknown product": http.post("/v1/products/oracle/predict", json=good).status_code,
            "no key": http.post(path, json=good, headers={"Authorization": ""}).status_code,
        }


def _send_one(customer: Client, product: str, batch: Sequence[Message], tally: Tally) -> None:
    try:
        answer = customer.predict(product, [message.text for message in batch])
    except api.ApiError as error:
        with tally.lock:
            kind = type(error).__name__
            tally.requests += 1
            tally.refused[kind] = tally.refused.get(kind, 0) + 1
        return
    pairs = zip(batch, answer.outputs, strict=True)
    answered = [Answered(answer.id, index, message, output["label"]) for index, (message, output) in enumerate(pairs)]
    with tally.lock:
        tally.requests += 1
        tally.units += answer.units
        tally.answered += answered


def _batches(messages: Sequence[Message], requests: int, seed: int) -> Iterator[list[Message]]:
    rng = random.Random(seed)
    for _ in range(requests):
        yield rng.choices(messages, k=rng.choice((1, 1, 1, 2, 4)))
