"""What the opinion tests share: a house whose product `brands` is live over a small sentiment model; documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from serving.support import go_live

from penstock.datasets.rows import Split
from penstock.identity.customers import add_customer
from penstock.metering.usage_log import Answer, UsageEvent, append
from penstock.models.artifact import save_artifact
from penstock.models.protocol import Model, Parts
from penstock.runtime.house import House
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.model.detector import CUSUM, Detector
from penstock.tasks.opinion.model.matcher import Matcher
from penstock.tasks.opinion.model.watching import KIND, OpinionModel, Watch, to_files, tones_of
from penstock.tasks.opinion.stream import live_of
from penstock.tasks.opinion.task import TASK
from penstock.tasks.text.model import ngram_linear
from penstock.tasks.text.train.ngram_linear import train
from penstock.training.records import Trained, TrainRequest, save
from penstock.workspace.loader import load

ENTITIES = {"Harbour Air": ("HarbourAir",), "Tidebank": ("Tide Bank",)}
WORDS = {
    "negative": ("late again", "rude and slow", "broken, useless", "never again", "lost my money"),
    "neutral": ("opens at nine", "moves to the square", "reports on Thursday", "is hiring", "has a new logo"),
    "positive": ("was lovely", "so kind and quick", "excellent, thanks", "best in town", "a pleasure"),
}
TOML = """
[company]
name = "Lookout"

[products.mood]
task = "text-classification"
data = "data/mood.csv"
gate = { accuracy = ">= 0.5" }
[products.mood.price]
tiers = [{ unit_price = "0.0010" }]

[products.brands]
task = "opinion-monitoring"
title = "Brand watch"
data = "data/history.csv"
gate = { detection_rate = ">= 0.1" }
[products.brands.price]
unit = "document"
tiers = [{ unit_price = "0.0030" }]
[products.brands.options]
sentiment = "mood"
%s
[products.brands.options.entities]
"Harbour Air" = ["HarbourAir"]
"Tidebank" = ["Tide Bank"]
"""


@cache
def mood() -> Trained:
    """A sentiment model of fifteen phrases."""
    rows = [
        (f"{who} {words}", label) for who in ("it", "they", "the shop") for label in WORDS for words in WORDS[label]
    ]
    return train(TrainRequest(Split([text for text, _ in rows], [label for _, label in rows])))


def sentiment() -> Model:
    parts = mood()
    return ngram_linear.open_parts(Parts(parts.model.labels, parts.settings, parts.files.__getitem__, "test"))


def detector(bucket: str = "day", **changes: Any) -> Detector:
    """One that was never fitted: no season, hardly any scatter."""
    values: dict[str, Any] = {
        "kind": CUSUM,
        "entities": tuple(ENTITIES),
        "bucket": bucket,
        "timezone": "UTC",
        "season": np.ones((2, 7 if bucket == "day" else 168)),
        "dispersion": np.full(2, 0.05),
        "spread": np.ones(2),
        "shares": {"negative": np.full(2, 0.3), "positive": np.full(2, 0.3)},
        "mean": np.full(2, 4.0),
        "limits": {"volume": 4.0, "negative": 4.0, "positive": 4.0},
    }
    return Detector(**{**values, **changes})


def opinion_model(**changes: Any) -> OpinionModel:
    known = sentiment()
    watch = Watch(ENTITIES, tones_of(known.labels, ("positive",), ("negative",)), detector(**changes))
    return OpinionModel(watch, Matcher(ENTITIES), known)


def save_model(blobs: BlobStore, model: OpinionModel) -> str:
    """The artifact of an opinion model, and of its sentiment model."""
    return save_artifact(
        blobs,
        kind=KIND,
        labels=model.labels,
        files=to_files(model.watch),
        settings={"sentiment": save(mood(), blobs)},
        backbone=None,
    )


def open_shop(store: Store, blobs: BlobStore, folder: Path, options: str = "") -> tuple[House, str]:
    """A house with `brands` live, and a customer's id."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "penstock.toml").write_text(TOML % options)
    house = House(load(folder), store, blobs, "")
    go_live(store, save_model(blobs, opinion_model()), "brands")
    with store.transaction() as tx:
        return house, add_customer(tx, name="Quay PR", email="pr@quay.example").id


def answer(house: House, customer: str, documents: list[Document], request: str, product: str = "brands") -> None:
    """As the gateway records it: inputs as they came, the body as it went."""
    model = opinion_model()
    sent = [{"text": one.text, "time": one.time.isoformat(), "id": one.id} for one in documents]
    outputs = [TASK.render(model, one, row) for one, row in zip(documents, model.predict(documents), strict=True)]
    with house.store.transaction() as tx:
        live = live_of(tx, house, "brands")
        body = {"id": request, "product": product, "release": "" if live is None else live.release, "outputs": outputs}
        event = UsageEvent(customer, request, customer, product, None, "key", tx.now, len(sent), "0" * 64)
        append(tx, [event], [Answer(customer, request, customer, product, sent, json.dumps(body).encode(), tx.now)])


def day_of_documents(day: datetime, counts: dict[str, dict[str, int]], prefix: str = "") -> list[Document]:
    """counts: entity -> tone -> how many, all on that day, minutes apart."""
    found = []
    for entity, tones in counts.items():
        for tone, many in tones.items():
            for number in range(many):
                moment = day.replace(hour=8) + timedelta(minutes=len(found))
                text = f"{entity} {WORDS[tone][number % 5]}"
                found.append(Document(text, moment, f"{prefix}{day:%m%d}-{entity}-{tone}-{number}"))
    return found


USUAL = {"Harbour Air": {"negative": 1, "neutral": 2, "positive": 1}, "Tidebank": {"neutral": 1, "positive": 1}}


def usual_days(first: datetime, days: int) -> list[Document]:
    """Four mentions of Harbour Air and two of Tidebank a day."""
    return [one for number in range(days) for one in day_of_documents(first + timedelta(days=number), USUAL)]


def noon(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)
