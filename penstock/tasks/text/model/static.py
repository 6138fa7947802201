"""`static.v1`: a vector per token, their sum scaled to length 1, and a softmax head: numpy and a tokenizer alone.

It does not know how the vectors were found. Word order is lost; the answer to a text costs some 0.1 ms.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.artifact import tensors_from_bytes, tensors_to_bytes
from penstock.models.protocol import Floats, Integers, Part, Parts
from penstock.models.softmax import check_linear, linear_scores, softmax, stacked
from penstock.tasks.text.model.spans import spans

KIND = "static.v1"
WEIGHTS, TOKENIZER = "weights.safetensors", "tokenizer.json"
MOST_TOKENS = 2_048  # longer texts are cut there: a text of 20,000 characters would take 5 ms


@dataclass(frozen=True, eq=False)
class Static:
    """table: (rows, width) float16, its first row zeros. rows: (vocabulary,) each token's row of it, 0 for a token
    without a vector. weights: (width, labels); bias: (labels,); scores are divided by the temperature."""

    labels: tuple[str, ...]
    tokenizer: Any
    table: Any
    rows: Integers
    weights: Floats
    bias: Floats
    temperature: float
    kind: str = KIND
    unsure_below: float | None = None

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, labels)."""
        found = []
        for encoding in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False):
            vector, _ = self._vector(encoding.ids)
            found.append(softmax(linear_scores(vector, self.weights, self.bias), self.temperature))
        return stacked(found, len(self.labels))

    def explain(self, text: str, label: int) -> tuple[Part, ...]:
        """Each word's share of the label's score: that of its tokens, exactly, at the length the text's vector has.

        A token over several words is shared among them by characters.
        """
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        _, length = self._vector(encoding.ids)
        direction = self.weights[:, label] - self.weights.mean(axis=1)
        shares = self._vectors(encoding.ids) @ direction / (length * self.temperature)
        parts = spans(text)
        whose = np.full(len(text), -1)  # the part that each character belongs to
        for number, (start, end) in enumerate(parts):
            whose[start:end] = number
        added = np.zeros(len(parts))
        for share, (start, end) in zip(shares.tolist(), encoding.offsets, strict=True):
            found = whose[start:end][whose[start:end] >= 0]  # a token may begin at a blank, or hold several characters
            if len(found):
                np.add.at(added, found, share / len(found))
            elif parts:  # of a blank alone: the word after it
                added[min(sum(at < start for at, _ in parts), len(parts) - 1)] += share
        return tuple(Part(start, end, float(share)) for (start, end), share in zip(parts, added, strict=True))

    def _vector(self, ids: Sequence[int]) -> tuple[Floats, float]:
        """The unit vector (width,) of a text's tokens, zeros where none has one, and the length it had before."""
        total = self._vectors(ids).sum(axis=0)
        length = float(np.sqrt((total * total).sum()))
        return (total / np.float32(length), length) if length > 0 else (total, 1.0)

    def _vectors(self, ids: Sequence[int]) -> Floats:
        vectors: Floats = self.table[self.rows[ids]].astype(np.float32)
        return vectors


def to_files(tokenizer_json: bytes, table: Floats, rows: Integers, weights: Floats, bias: Floats) -> dict[str, bytes]:
    """What an artifact of this kind holds. table, rows: as `Static` has them; the table is rounded to float16."""
    tensors: dict[str, Any] = {
        "table": table.astype(np.float16),
        "rows": rows.astype(np.int32),
        "weights": weights,
        "bias": bias,
    }
    return {WEIGHTS: tensors_to_bytes(tensors), TOKENIZER: tokenizer_json}


def open_parts(parts: Parts) -> Static:
    """The model that was saved. Raises Broken when the parts do not fit."""
    tensors = tensors_from_bytes(parts.read(WEIGHTS))
    tokenizer = read_tokenizer(parts.read(TOKENIZER), parts.where)
    table: Any = tensors["table"]
    rows: Any = tensors["rows"]
    temperature = float(parts.settings["temperature"])
    check_linear(parts.where, tensors["weights"], tensors["bias"], temperature, (table.shape[-1], len(parts.labels)))
    whole = np.issubdtype(rows.dtype, np.integer) and rows.min(initial=0) >= 0 and rows.max(initial=0) < len(table)
    if table.ndim != 2 or rows.ndim != 1 or len(rows) < tokenizer.get_vocab_size() or not whole:
        raise Broken(f"a table {table.shape} of {rows.shape} tokens does not fit its tokenizer", where=parts.where)
    if not np.isfinite(table).all() or table[0].any():
        raise Broken("the table of vectors is damaged", where=parts.where)
    weights, bias, below = tensors["weights"], tensors["bias"], parts.unsure_below
    return Static(parts.labels, tokenizer, table, rows, weights, bias, temperature, unsure_below=below)


def read_tokenizer(content: bytes, where: str) -> Any:
    """The tokenizer of a tokenizer.json, set to neither pad nor add marks. Raises Broken when it is none."""
    from tokenizers import Tokenizer

    try:
        json.loads(content)
        tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:  # the library raises bare Exceptions
        raise Broken(f"the tokenizer cannot be read: {error}", where=where) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(MOST_TOKENS)
    return tokenizer
