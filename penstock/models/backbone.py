"""A pretrained sentence encoder as ONNX and tokenizer.json, shared by every model that stands on it.

It turns texts into vectors and knows nothing of labels, nor where the model came from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.artifact import read_artifact
from penstock.models.protocol import Floats
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.blobs import BlobStore

KIND = "backbone.v1"
ONNX, TOKENIZER = "model.onnx", "tokenizer.json"
BULK_TOKENS = 1_024  # a padded batch: 256 to 1,024 ran at 85% of the machine's GEMM limit, 2,048 a quarter slower


@dataclass(frozen=True, eq=False)
class Backbone:
    """digest: its artifact. hidden: length of a vector. max_tokens: longer texts are cut there.

    parity: the largest difference of a vector's component to the original model's, measured at export.
    alone: texts go through one at a time in bulk too, since the graph rounds by what its whole batch holds (int8).
    """

    digest: str
    hidden: int
    max_tokens: int
    parity: float
    session: Any
    tokenizer: Any
    alone: bool = False

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors (n, hidden). One sequence per run: in batches, even in fp32, the last bits of a row depend on
        the other rows (98% of rows differed, by 3e-8 at most)."""
        vectors = np.empty((len(texts), self.hidden), dtype=np.float32)
        for row, ids in enumerate(self._tokens(texts)):
            vectors[row] = self._run([ids])[0]
        return vectors

    def embed_bulk(self, texts: Sequence[str], progress: Progress = no_progress) -> Floats:
        """Unit vectors (n, hidden) for training, equal to `embed`'s within 1e-6: length-sorted batches on all cores.

        Of a backbone that wants its texts alone: the same bits as `embed`'s."""
        tokens = self._tokens(texts)
        vectors = np.empty((len(texts), self.hidden), dtype=np.float32)

        def run(rows: list[int]) -> int:
            vectors[rows] = self._run([tokens[row] for row in rows])
            return len(rows)

        done = 0
        with ThreadPoolExecutor(usable_cores()) as threads:
            for count in threads.map(run, _batches(tokens, self.alone)):
                done += count
                progress("embed", done, len(texts), "texts")
        return vectors

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        # encode_batch_fast releases the GIL while it works; encode does not
        return [encoding.ids or [0] for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def _run(self, rows: list[list[int]]) -> Floats:
        longest = max(map(len, rows))
        ids = np.zeros((len(rows), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        vectors: Floats = self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return vectors


def load_backbone(blobs: BlobStore, digest: str, threads: int = 1) -> Backbone:
    """The backbone of that artifact digest, every hash checked. threads: of one run. Raises NotFound, Broken."""
    artifact = read_artifact(blobs, digest)
    if artifact.kind != KIND:
        raise Broken(f"the artifact is a {artifact.kind!r}, not a backbone", where=f"artifact {digest[:12]}…")
    return open_backbone(digest, artifact.path(ONNX), artifact.read(TOKENIZER), artifact.settings, threads)


def open_backbone(
    digest: str, model: Path | bytes, tokenizer_json: bytes, settings: Mapping[str, Any], threads: int = 1
) -> Backbone:
    """A backbone from its parts. settings: hidden, max_tokens, parity, and alone where it holds."""
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning starves the other thread
    max_tokens = int(settings["max_tokens"])
    tokenizer = Tokenizer.from_str(tokenizer_json.decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return Backbone(
        digest=digest,
        hidden=int(settings["hidden"]),
        max_tokens=max_tokens,
        parity=float(settings["parity"]),
        session=onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]),
        tokenizer=tokenizer,
        alone=bool(settings.get("alone", False)),
    )


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _batches(tokens: list[list[int]], alone: bool) -> Iterator[list[int]]:
    """Row numbers in batches of about equal work, or of a single row; the longest rows first."""
    order = sorted(range(len(tokens)), key=lambda row: (-len(tokens[row]), row))
    start = 0
    while start < len(order):
        size = 1 if alone else max(1, BULK_TOKENS // len(tokens[order[start]]))
        yield order[start : start + size]
        start += size
