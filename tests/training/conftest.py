"""A small bilingual data set, and a tiny BERT with random weights for what needs no meaning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.datasets.rows import Split

_ASKS = {
    "cancel": ("cancel my {}", "please stop the {}", "i no longer want the {}", "把{}取消掉", "不想要{}了"),
    "refund": ("money back for the {}", "refund my {}", "when is the {} paid back", "{}的退款没到账", "{}要退钱"),
    "track": ("where is the {}", "track my {}", "the {} has not arrived", "{}到哪里了", "{}的物流没有更新"),
}
_THINGS = ("coat", "blue lamp", "phone", "蓝色台灯", "手机", "鞋子")


@pytest.fixture(scope="session")
def orders() -> Split:
    """90 rows of three intents, in English and Chinese."""
    rows = [(ask.format(thing), label) for label, asks in _ASKS.items() for ask in asks for thing in _THINGS]
    return Split(tuple(text for text, _ in rows), tuple(label for _, label in rows))


@pytest.fixture
def tiny_bert(tmp_path: Path) -> Path:
    """The files of a BERT of two small layers, as a user would have them in a folder."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijkl")]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = tmp_path / "tiny-bert"
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
    )
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 1_000_000_000_000}))
    return folder
