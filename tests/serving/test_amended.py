"""A live model that learns facts without training: seen at once, kept through releases, never lost again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from serving.support import PATH, PRODUCT, Company, TinyLoader, TinyModel, go_live, running, tiny_artifact, wait_for

from penstock import installed
from penstock.core.errors import BadInput
from penstock.registry import releases
from penstock.registry.amendments import Amendment, Live, amend, current
from penstock.serving.releases import ServedReleases
from penstock.task import Task

DEADLINE_S = 1.0  # from the commit of an amendment to answers that know it


@dataclass(frozen=True)
class Told:
    """A model that answers what it was told, and knows the base model's labels too."""

    base: TinyModel
    word: str
    kind: str = "told.v1"

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self.base.labels, self.word)

    def predict(self, texts: Sequence[str]) -> Any:
        known = self.base.predict(texts)
        return np.hstack([known * 0, np.ones((len(texts), 1), dtype=np.float32)])


def tell(model: Any, content: Mapping[str, Any]) -> Any:
    if content["word"] == "unreadable":
        raise BadInput("nobody can read that")
    return Told(model, content["word"])


def parse(inputs: list[Any], model: Any) -> list[Any]:
    if isinstance(model, Told) and model.word == "silence":
        raise BadInput("nothing may be asked any more", where="inputs[0]")
    return list(inputs)


TASK: Task = replace(installed.get("text-classification"), name="told", amend=tell, parse=parse)


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's task can be amended."""
    monkeypatch.setattr("penstock.installed.get", lambda name: TASK)


def say(company: Company, word: str) -> Amendment:
    with company.store.transaction() as tx:
        return amend(tx, company.blobs, product=PRODUCT, edit=lambda _: {"word": word})


@pytest.mark.usefixtures("telling")
def test_what_is_amended_is_answered_within_a_second_and_never_forgotten(company: Company) -> None:
    heard: list[tuple[str, str]] = []
    with running(company) as gateway, gateway.http() as http:

        def ask() -> tuple[str, str]:
            answer = http.post(PATH, json={"inputs": ["where is my parcel"]})
            assert answer.status_code == 200, answer.text
            heard.append((answer.json()["outputs"][0]["label"], answer.json()["release"]))
            return heard[-1]

        first = ask()[1]
        for word in ("v1", "v2", "v3"):
            say(company, word)
            wait_for(lambda said=word: ask()[0] == said, DEADLINE_S)
        say(company, "unreadable")
        wait_for(lambda: "nobody can read that" in str(http.get("/readyz").json()["degraded"]))
        assert ask() == ("v3", first)
        say(company, "v4")
        wait_for(lambda: ask()[0] == "v4", DEADLINE_S)
        assert http.get("/readyz").json()["degraded"] == []
        second = go_live(company.store, tiny_artifact(company.blobs, seed=2)).id
        wait_for(lambda: ask()[1] == second)
        with company.store.transaction() as tx:
            releases.rollback(tx, PRODUCT)
        wait_for(lambda: ask()[1] == first)
    words = [word for word, _ in heard if word.startswith("v")]
    assert words == sorted(words) == [word for word, _ in heard][-len(words) :]
    assert {word for word, release in heard if release == second} == {"v4"}


@pytest.mark.usefixtures("telling")
def test_a_gateway_that_starts_knows_what_was_amended_before(company: Company) -> None:
    say(company, "sold out")
    with running(company) as gateway:
        assert gateway.predict(["is it there"]).json()["outputs"][0]["label"] == "sold out"


def test_the_loaded_model_stays_untouched_and_is_loaded_once(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = TinyLoader.load
    monkeypatch.setattr(TinyLoader, "load", lambda self, artifact: loaded.append(artifact) or load(self, artifact))
    with company.store.read() as tx:
        release = releases.live(tx, PRODUCT)
    assert release is not None
    served = ServedReleases(TinyLoader(company.blobs), {PRODUCT: TASK})
    served.start()
    try:
        for amendment in (None, say(company, "v1"), say(company, "v2")):
            served.want([Live(release, amendment)])
            wait_for(lambda now=amendment: (got := served.get(PRODUCT)) is not None and got.amendment == now)
    finally:
        served.close()
    now = served.get(PRODUCT)
    assert now is not None and isinstance(now.base, TinyModel)
    assert now.model == Told(now.base, "v2") and now.base.labels == ("billing", "delivery", "other")
    assert loaded == [release.artifact]


def test_a_task_without_amendments_serves_its_model_as_it_was_trained(company: Company) -> None:
    say(company, "v1")
    with running(company) as gateway:
        assert gateway.predict(["a"]).json()["outputs"][0]["label"] in ("billing", "delivery", "other")
    with company.store.read() as tx:
        assert current(tx, PRODUCT) is not None


@pytest.mark.usefixtures("telling")
def test_a_gateway_that_starts_with_an_unreadable_amendment_serves_what_was_judged(company: Company) -> None:
    say(company, "unreadable")
    with running(company) as gateway, gateway.http() as http:
        assert gateway.predict(["is it there"]).json()["outputs"][0]["label"] in ("billing", "delivery", "other")
        assert "nobody can read that" in str(http.get("/readyz").json()["degraded"])


@pytest.mark.usefixtures("telling")
def test_a_retry_of_what_was_paid_for_is_answered_though_the_model_reads_it_no_more(company: Company) -> None:
    with running(company) as gateway, gateway.http() as http:
        asked = {"json": {"inputs": ["is it there"]}, "headers": {"Idempotency-Key": "order-17"}}
        first = http.post(PATH, **asked)
        say(company, "silence")
        wait_for(lambda: http.post(PATH, json={"inputs": ["is it there"]}).status_code == 422, DEADLINE_S)
        again = http.post(PATH, **asked)
    assert again.status_code == 200
    assert again.headers["idempotent-replay"] == "true"
    assert again.json() == first.json()
