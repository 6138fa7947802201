"""The compression `prune.v1`: the layers that matter least are taken out, then the words that were never seen, and a
short training under the original's eye repairs what that broke.

Layers by what their loss does to the vectors of training texts, the least harmful first.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from penstock.core.errors import BadInput
from penstock.models.artifact import read_artifact
from penstock.models.backbone import TOKENIZER
from penstock.models.protocol import Floats
from penstock.tasks.text.compress.cutting import layer_count, smaller_vocabulary, why_whole, with_layers, with_words
from penstock.tasks.text.compress.student import Teacher, encoder_of, teach, teacher_of
from penstock.training.compress.records import CompressRequest, backbone_of
from penstock.training.encoders import padded, tokens_of
from penstock.training.extras import training_libraries
from penstock.training.loop import Recipe
from penstock.training.onnx_export import Encoder
from penstock.training.records import Trained

NAME = "prune.v1"
OPTIONS: dict[str, object] = {"layers": None, "vocabulary": True}
RECIPE = Recipe(epochs=1.0, batch=32, peak=1e-4)
TEXTS = 200  # that layers are judged by: an encoder of 6 layers that loses 2 runs on them eleven times


def compress(request: CompressRequest) -> Trained:
    """The source with `layers` left of its encoder (None: two thirds), and without the words that training never saw,
    where its tokenizer can lose any.

    Raises BadInput for options that prune nothing or a model without an encoder; Unavailable without torch.
    """
    with training_libraries("pruning a model"):
        import torch  # noqa: F401
    began = time.perf_counter()
    where = f"artifact {request.source_artifact[:12]}…"
    told = {**OPTIONS, **request.options}
    recipe = RECIPE.changed(request.recipe, NAME)
    encoder = encoder_of(request, NAME)
    before = layer_count(encoder, where)
    whole = read_artifact(request.blobs, backbone_of(request, NAME).digest).read(TOKENIZER)
    why = why_whole(whole) if told["vocabulary"] else "vocabulary = false"
    fewer_words = not why
    wanted = _wanted(told["layers"], before, why, where)
    teacher = teacher_of(request, NAME, 0.0)
    tokenizer, words = _vocabulary(whole, teacher, where) if fewer_words else (None, None)
    chosen = _least_missed(request, teacher, encoder, wanted, where)
    notes = [f"{wanted} of {before} layers stay: number {', '.join(str(number + 1) for number in chosen)}"]
    encoder = with_layers(encoder, chosen, where)
    if words is None:
        notes.append(f"all words stay: {why}")
    else:
        count = encoder.module.model.get_input_embeddings().weight.shape[0]
        encoder = with_words(encoder, words)
        notes.append(f"{len(words):,} of {count:,} words stay; what else is written is spelt in pieces of them")
    made = teach(request, teacher, encoder, recipe, NAME, tokenizer=tokenizer, began=began, notes=notes)
    return replace(made, parameters={"layers": wanted, "vocabulary": fewer_words, **made.parameters})


def _wanted(layers: Any, before: int, all_words: str, where: str) -> int:
    """How many layers to leave. all_words: why the vocabulary stays whole, "" where it does not."""
    wanted = max(1, round(before * 2 / 3)) if layers is None else layers
    if not isinstance(wanted, int) or not 1 <= wanted <= before:
        raise BadInput(f"layers must be 1 to {before}, not {layers!r}", where=where)
    if wanted == before and all_words:
        raise BadInput(f"all layers and all words stay: nothing would be pruned ({all_words})", where=where)
    return wanted


def _vocabulary(tokenizer: bytes, teacher: Teacher, where: str) -> tuple[bytes, list[int]]:
    """The tokenizer with the words that the training texts are made of, and which those were."""
    seen = {token for tokens in tokens_of(teacher.model.backbone, teacher.rows.texts) for token in tokens}
    return smaller_vocabulary(tokenizer, seen, where)


def _least_missed(
    request: CompressRequest, teacher: Teacher, encoder: Encoder, wanted: int, where: str
) -> tuple[int, ...]:
    """The layers to keep: one at a time, that layer goes without which the vectors stay nearest to what they were."""
    rows = np.sort(np.random.default_rng(request.seed).permutation(teacher.rows.originals)[:TEXTS])
    tokens = tokens_of(teacher.model.backbone, [teacher.rows.texts[row] for row in rows])
    wants = teacher.vectors[rows]
    kept = tuple(range(layer_count(encoder, where)))
    first, steps = len(kept), len(kept) - wanted
    for step in range(steps):
        request.progress("layers", step, steps, f"{first - step} are left")
        tried = [tuple(number for number in kept if number != gone) for gone in kept]
        near = [_nearness(with_layers(encoder, each, where), tokens, wants) for each in tried]
        kept = tried[int(np.argmax(near))]
    if steps:
        request.progress("layers", steps, steps, "done")
    return kept


def _nearness(encoder: Encoder, tokens: list[list[int]], wants: Floats) -> float:
    """The mean cosine of the encoder's vectors to these."""
    import torch

    order, found = np.argsort([len(each) for each in tokens], kind="stable"), 0.0
    with torch.no_grad():
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            vectors = encoder.module(*padded([tokens[row] for row in rows])).numpy()
            found += float((vectors * wants[rows]).sum())
    return found / len(tokens)
