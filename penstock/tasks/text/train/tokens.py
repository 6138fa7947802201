"""A vector for every token of a backbone's vocabulary: what a static model begins from. Found once a backbone, cached.

Each token goes through the encoder alone, between the marks a text has (Minish Lab's model2vec, 2024).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penstock.core.errors import Broken
from penstock.models.artifact import tensors_from_bytes, tensors_to_bytes
from penstock.models.backbone import Backbone, usable_cores
from penstock.models.protocol import Floats, Integers
from penstock.runtime.progress import Progress
from penstock.tasks.text.model.static import read_tokenizer

WIDTH = 256
MOST_TOKENS = 64_000  # of a larger vocabulary only tokens seen in training get a vector: 250,000 would take minutes
SCALE = 3.0  # mean length of a token's vector: at 1 BANKING77 came out 0.4 points lower, learning too fast
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Table:
    """vectors: (rows, width) float32, the first all zeros; rows: (vocabulary,) each token's row, 0 for none."""

    vectors: Floats
    rows: Integers


def tokenizer_of(backbone: Backbone) -> bytes:
    """The tokenizer.json of a loaded backbone."""
    return str(backbone.tokenizer.to_str()).encode()


def token_table(
    backbone: Backbone, texts: Sequence[str], cache: Path | None, width: int, progress: Progress
) -> tuple[Table, list[Integers]]:
    """The vectors of the backbone's tokens on their first `width` principal axes, and each text's rows of them.

    texts: the training texts; only their tokens count where the vocabulary is very large. Raises Broken for vectors
    that are not finite.
    """
    tokenizer = read_tokenizer(tokenizer_of(backbone), f"backbone {backbone.digest[:12]}…")
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    seen = [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
    count = 1 + max(tokenizer.get_vocab().values())
    width = min(width, backbone.hidden)
    if count <= MOST_TOKENS:
        wanted = np.arange(count)
        file = None if cache is None else cache / f"tokens-{backbone.digest[:32]}-{width}.safetensors"
    else:
        wanted, file = np.unique(np.concatenate(seen)), None
    vectors = _kept(file, len(wanted), width)
    if vectors is None:
        vectors = _reduced(_through(backbone, wanted, progress), width)
        _keep(file, vectors)
    rows = np.zeros(count, dtype=np.int64)
    rows[wanted] = 1 + np.arange(len(wanted))
    table = Table(np.concatenate([np.zeros((1, width), dtype=np.float32), vectors]), rows)
    return table, [rows[ids] for ids in seen]


def _through(backbone: Backbone, tokens: Integers, progress: Progress) -> Floats:
    """Each token's unit vector (tokens, hidden): alone between the marks."""
    before, after = _marks(backbone)
    ids = np.array([[*before, token, *after] for token in tokens.tolist()], dtype=np.int64)
    size = 1 if backbone.alone else _BATCH
    vectors = np.empty((len(ids), backbone.hidden), dtype=np.float32)

    def run(start: int) -> int:
        part = ids[start : start + size]
        vectors[start : start + size] = backbone.session.run(
            None, {"input_ids": part, "attention_mask": np.ones_like(part)}
        )[0]
        return len(part)

    done = 0
    with ThreadPoolExecutor(usable_cores()) as threads:
        for count in threads.map(run, range(0, len(ids), size)):
            done += count
            progress("tokens", done, len(ids), "tokens")
    if not np.isfinite(vectors).all():
        raise Broken(
            "the backbone gave tokens vectors that are not finite",
            where=f"backbone {backbone.digest[:12]}…",
            hint="its weights are damaged or do not fit its configuration: use another backbone",
        )
    return vectors


def _marks(backbone: Backbone) -> tuple[list[int], list[int]]:
    """The marks that the tokenizer puts before and after a text."""
    inner = backbone.tokenizer.encode("a", add_special_tokens=False).ids
    whole = backbone.tokenizer.encode("a").ids
    for at in range(len(whole) - len(inner) + 1):
        if inner and whole[at : at + len(inner)] == inner:
            return whole[:at], whole[at + len(inner) :]
    return [], []


def _reduced(vectors: Floats, width: int) -> Floats:
    """On the first principal axes, their mean length SCALE."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    found = centred @ axes[:, ::-1][:, :width].astype(np.float32)
    length = np.sqrt((found * found).sum(axis=1)).mean()
    scaled: Floats = found * np.float32(SCALE / max(float(length), 1e-12))
    return scaled


def _kept(file: Path | None, tokens: int, width: int) -> Floats | None:
    """The vectors kept in the cache; a damaged file counts as none."""
    from safetensors import SafetensorError

    if file is None or not file.is_file():
        return None
    try:
        vectors = tensors_from_bytes(file.read_bytes())["vectors"]
    except (SafetensorError, OSError, KeyError):
        return None
    fits = vectors.shape == (tokens, width) and vectors.dtype == np.float32 and bool(np.isfinite(vectors).all())
    return vectors if fits else None


def _keep(file: Path | None, vectors: Floats) -> None:
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.write_bytes(tensors_to_bytes({"vectors": np.ascontiguousarray(vectors)}))
    part.replace(file)
