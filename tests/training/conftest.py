"""A small bilingual data set, and a tiny BERT with random weights for what needs no meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
from training.bert import write_bert

from penstock.datasets.rows import Split

_ASKS = {
    "cancel": ("cancel my {}", "please stop the {}", "i no longer want the {}", "把{}取消掉", "不想要{}了"),
    "refund": ("money back for the {}", "refund my {}", "when is the {} paid back", "{}的退款没到账", "{}要退钱"),
    "track": ("where is the {}", "track my {}", "the {} has not arrived", "{}到哪里了", "{}的物流没有更新"),
}
_THINGS = ("coat", "blue lamp", "phone", "蓝色台灯", "手机", "鞋子")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds what another one exported."""
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path / "user-cache"))


@pytest.fixture(scope="session")
def orders() -> Split:
    """90 rows of three intents, in English and Chinese."""
    rows = [(ask.format(thing), label) for label, asks in _ASKS.items() for ask in asks for thing in _THINGS]
    return Split(tuple(text for text, _ in rows), tuple(label for _, label in rows))


@pytest.fixture
def tiny_bert(tmp_path: Path) -> Path:
    """The files of a BERT of two small layers, as a user would have them in a folder."""
    return write_bert(tmp_path / "tiny-bert")
