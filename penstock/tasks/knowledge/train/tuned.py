"""The rung `tuned-answer.v1`: a few contrastive steps on the encoder, then the hybrid on top of it.

Questions of one entry (and its answer) are drawn together, those of other entries apart: the multiple-negatives loss
of Henderson et al. 2017 (arXiv 1705.00652), symmetric. The tuned encoder is exported and kept as a backbone of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.core.hashing import digest_of
from penstock.models.backbone import Backbone
from penstock.tasks.knowledge.data.entries import Entry
from penstock.tasks.knowledge.data.parts import Knowledge
from penstock.tasks.knowledge.model.answering import TUNED
from penstock.tasks.knowledge.train.calibration import Calibrated, Cases
from penstock.tasks.knowledge.train.rungs import calibrated, cases_of, checked, embedder, finish, index_of
from penstock.training.contrast import contrastive_losses
from penstock.training.encoders import keep_torch, load_torch, padded, tokens_of
from penstock.training.extras import training_libraries
from penstock.training.loop import Fitted, Problem, Recipe, fit
from penstock.training.loop.batches import even_batch
from penstock.training.onnx_export import Encoder
from penstock.training.records import Trained, TrainRequest, text_backbone

# On the example's shop of 69 entries top-1 was 0.862 at this peak, 0.841 at 1e-4, 0.797 untuned. A batch holds pairs,
# each of another entry; the epochs are so few that `least_steps` decides.
RECIPE = Recipe(epochs=0.01, batch=24, peak=3e-5, warm=1 / 6, dropout=0.0, betas=(0.9, 0.999), least_steps=24)
MOST_TOKENS = 48  # of a text while tuning: answers are cut there, questions hardly ever
ANSWERS = 0.25  # of the pairs hold the entry's answer
SHARPNESS = 20.0  # cosines are multiplied by it before the softmax


def train(request: TrainRequest) -> Trained:
    """Tune, export, index and weigh: about a minute on two cores.

    The weights and the threshold come from paraphrases that a first tuning did not see, since tuned ones look surer
    than they are. Raises BadInput without a backbone or where its original is gone, Unavailable without torch.
    """
    with training_libraries("tuning a backbone"):
        import torch  # noqa: F401
    began = time.perf_counter()
    base, backbone = checked(request), text_backbone(request, TUNED)
    if request.blobs is None:
        raise Broken("the tuned backbone has nowhere to be kept", where=TUNED)
    recipe = RECIPE.changed(request.recipe, TUNED)
    found = _cross_fitted(request, recipe, base, backbone)
    final, fitted = _tuned(request, recipe, base.entries, backbone, "tuning on all entries")
    index = index_of(base.entries, embedder(replace(request, cache=None), final), request.seed)
    made = finish(request, TUNED, index, final, found, began)
    told = f"the encoder was tuned in {fitted.steps} steps of {recipe.batch} pairs at most"
    return replace(made, notes=(*made.notes, told, *fitted.notes), parameters=recipe.to_json(), curves=fitted.curves)


def _cross_fitted(request: TrainRequest, recipe: Recipe, base: Knowledge, backbone: Backbone) -> Calibrated:
    """Weights and threshold from paraphrases that were held out of a tuning; the usual ones where there are none."""
    held = {text for entry in base.entries for text in entry.paraphrases[1::2]}
    cases: Cases | None = None
    if held:
        shown = [
            replace(entry, paraphrases=tuple(text for text in entry.paraphrases if text not in held))
            for entry in base.entries
        ]
        half, _ = _tuned(request, recipe, shown, backbone, "tuning on half of the paraphrases")
        embed = embedder(replace(request, cache=None), half)
        index = index_of(base.entries, embed, request.seed)
        cases = cases_of(request, index, embed, only=frozenset(held))
    return calibrated(request, TUNED, cases)


def _tuned(
    request: TrainRequest, recipe: Recipe, entries: Sequence[Entry], backbone: Backbone, stage: str
) -> tuple[Backbone, Fitted]:
    """The encoder tuned on these entries, exported, compared with what was trained, and kept."""
    import torch

    if request.blobs is None:
        raise Broken("the tuned backbone has nowhere to be kept", where=TUNED)
    encoder = load_torch(request.blobs, backbone)
    encoder.module.model.embeddings.requires_grad_(False)  # half of the weights: few steps cannot teach single words
    for part in encoder.module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    with torch.random.fork_rng():
        fitted = fit(
            _problem(encoder, entries, backbone, stage),
            replace(recipe, batch=even_batch(len(entries), recipe.batch)),
            seed=request.seed,
            progress=request.progress,
            checkpoint=None if request.checkpoint is None else request.checkpoint / digest_of(stage)[:12],
            world=request.world,
            until=request.until,
            stage=stage,
        )
    return keep_torch(request.blobs, encoder, backbone, settings={"made_by": TUNED}), fitted


def _problem(encoder: Encoder, entries: Sequence[Entry], backbone: Backbone, stage: str) -> Problem:
    """Two texts of each entry of a batch: whether they find each other, first to second and second to first."""
    import torch

    module = encoder.module

    def loss(numbers: Any) -> Any:
        draw = np.random.default_rng(int(torch.randint(2**62, ())))  # the loop's seed of this step
        pairs = [_pair(entries[number], draw) for number in numbers.tolist()]
        first, second = (module(*_tokens([pair[side] for pair in pairs], backbone)).float() for side in (0, 1))
        return contrastive_losses(first, second, sharpness=SHARPNESS)

    known = [stage, backbone.digest, [entry.to_json() for entry in entries]]
    return Problem(module, len(entries), loss, identity=digest_of(known))


def _pair(entry: Entry, draw: np.random.Generator) -> tuple[str, str]:
    """Two texts of an entry: two questions, or one and the answer."""
    if len(entry.questions) == 1:
        return entry.question, entry.answer
    first, second = draw.permutation(len(entry.questions))[:2]
    other = entry.answer if draw.random() < ANSWERS else entry.questions[second]
    return entry.questions[first], other


def _tokens(texts: Sequence[str], backbone: Backbone) -> tuple[Any, Any]:
    """Token numbers and mask (n, tokens)."""
    return padded([ids[:MOST_TOKENS] for ids in tokens_of(backbone, texts)])
