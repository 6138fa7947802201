"""A small real model, trained, saved and loaded again, with rows to judge it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock import installed
from penstock.datasets.rows import Split
from penstock.loader import Loader
from penstock.models.protocol import Model
from penstock.storage.blobs import BlobStore
from penstock.training.records import TrainRequest, save

_ASKS = {
    "cancel": ("cancel my {}", "please stop the {}", "i no longer want the {}", "把{}取消掉"),
    "refund": ("money back for the {}", "refund my {}", "when is the {} paid back", "{}的退款没到账"),
    "track": ("where is the {}", "track my {}", "the {} has not arrived", "{}到哪里了"),
}


@dataclass(frozen=True)
class Trained:
    """A model in memory, the same as it is served, and test rows it did not see."""

    model: Model
    reloaded: Model
    test: Split


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    blobs = BlobStore(Path(tmp_path_factory.mktemp("trained")) / "blobs")
    made = installed.rungs()["ngram-linear.v1"].train(
        TrainRequest(train=_asking("coat", "lamp", "phone", "手机", "鞋子"))
    )
    return Trained(made.model, Loader(blobs).load(save(made, blobs)), _asking("chair", "台灯"))


def _asking(*things: str) -> Split:
    rows = [(ask.format(thing), label) for label, asks in _ASKS.items() for ask in asks for thing in things]
    return Split(tuple(text for text, _ in rows), tuple(label for _, label in rows))
