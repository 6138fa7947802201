"""The rung `tuned-answer.v1`: a few contrastive steps on the encoder, then the hybrid on top of it.

Questions of one entry (and its answer) are drawn together, those of other entries apart: the multiple-negatives loss
of Henderson et al. 2017 (arXiv 1705.00652), symmetric. The tuned encoder is exported and kept as a backbone of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import BadInput, Broken, NotFound
from penstock.core.hashing import sha256_of, sha256_of_file
from penstock.datasets.knowledge.entries import Entry
from penstock.datasets.knowledge.parts import Knowledge
from penstock.models.artifact import read_artifact, save_artifact
from penstock.models.backbone import KIND, ONNX, TOKENIZER, Backbone, load_backbone, open_backbone
from penstock.models.knowledge.answering import TUNED
from penstock.runtime.progress import Progress
from penstock.storage.blobs import BlobStore
from penstock.training.exports import source_of
from penstock.training.extras import training_libraries
from penstock.training.knowledge.calibration import Calibrated, Cases
from penstock.training.knowledge.rungs import calibrated, cases_of, checked, embedder, finish, index_of, text_backbone
from penstock.training.records import Trained, TrainRequest
from penstock.training.sources import WEIGHTS, locate
from penstock.workspace.records import Backbone as Source

STEPS = 24
PAIRS = 24  # of a step, each of another entry
MOST_TOKENS = 48  # of a text while tuning: answers are cut there, questions hardly ever
RATE = 3e-5  # on the example's shop of 69 entries top-1 was 0.862 with it, 0.841 with 1e-4, 0.797 untuned
WARM_UP = 4  # steps
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
    base, backbone = checked(request), text_backbone(request)
    if request.blobs is None:
        raise Broken("the tuned backbone has nowhere to be kept", where=TUNED)
    folder, pooling = original(request.blobs, backbone)
    found = _cross_fitted(request, base, backbone, folder, pooling)
    tuned, onnx = _tuned(request, base.entries, backbone, folder, pooling, "tuning on all entries")
    final = load_backbone(request.blobs, _keep(request.blobs, backbone, tuned, onnx))
    index = index_of(base.entries, embedder(replace(request, cache=None), final), request.seed)
    made = finish(request, TUNED, index, final, found, began)
    return replace(made, notes=(*made.notes, f"the encoder was tuned in {STEPS} steps of {PAIRS} pairs at most"))


def original(blobs: BlobStore, backbone: Backbone) -> tuple[Path, str]:
    """The folder of the model that the backbone was exported from, its weights' hash checked, and its pooling.

    Where it came from is remembered beside the blobs by its export. Raises BadInput when it is not there any more.
    """
    where = f"backbone {backbone.digest[:12]}…"
    settings = read_artifact(blobs, backbone.digest).settings
    source = source_of(blobs, backbone.digest)
    if source is None:
        raise NotFound("the backbone's original is not known here", where=where, hint=_AGAIN)
    folder = locate(Source(source=source), where, blobs.folder.parents[1])
    if sha256_of_file(folder / WEIGHTS) != settings["weights_sha256"]:
        raise BadInput("the backbone's original has changed since its export", where=where, hint=_AGAIN)
    return folder, str(settings["pooling"])


_AGAIN = "train another rung on it first: that exports it again"


def _cross_fitted(request: TrainRequest, base: Knowledge, backbone: Backbone, folder: Path, pooling: str) -> Calibrated:
    """Weights and threshold from paraphrases that were held out of a tuning; the usual ones where there are none."""
    held = {text for entry in base.entries for text in entry.paraphrases[1::2]}
    cases: Cases | None = None
    if held:
        shown = [
            replace(entry, paraphrases=tuple(text for text in entry.paraphrases if text not in held))
            for entry in base.entries
        ]
        half, _ = _tuned(request, shown, backbone, folder, pooling, "tuning on half of the paraphrases")
        embed = embedder(replace(request, cache=None), half)
        index = index_of(base.entries, embed, request.seed)
        cases = cases_of(request, index, embed, only=frozenset(held))
    return calibrated(request, TUNED, cases)


def _tuned(
    request: TrainRequest, entries: Sequence[Entry], backbone: Backbone, folder: Path, pooling: str, stage: str
) -> tuple[Backbone, bytes]:
    """The encoder after STEPS steps on these entries, exported and compared with what was trained; its graph."""
    import torch

    from penstock.training import onnx_export

    torch.manual_seed(request.seed)
    encoder = onnx_export.load_encoder(folder, "backbone", pooling=pooling)
    _run_steps(encoder.module, entries, backbone, request.seed, request.progress, stage)
    onnx = onnx_export.to_onnx(encoder)
    settings = {"hidden": backbone.hidden, "max_tokens": backbone.max_tokens, "parity": 0.0}
    exported = open_backbone("not saved yet", onnx, _tokenizer(request.blobs, backbone), settings)
    return replace(exported, parity=onnx_export.measure_parity(encoder, exported, "the tuned backbone")), onnx


def _run_steps(
    module: Any, entries: Sequence[Entry], backbone: Backbone, seed: int, progress: Progress, stage: str
) -> None:
    """Minimise the loss in place. Each step draws entries, and two texts of each: both its questions, or one and the
    answer."""
    import torch

    draw = np.random.default_rng(seed)
    module.model.embeddings.requires_grad_(False)  # half of the weights: few steps cannot teach single words
    moved = [weights for weights in module.parameters() if weights.requires_grad]
    optimiser = torch.optim.AdamW(moved, lr=RATE, weight_decay=0.01)
    for step in range(STEPS):
        progress(stage, step, STEPS)
        chosen = draw.permutation(len(entries))[:PAIRS]
        pairs = [_pair(entries[place], draw) for place in chosen]
        for group in optimiser.param_groups:
            group["lr"] = RATE * min((step + 1) / WARM_UP, (STEPS - step) / max(1, STEPS - WARM_UP))
        first = module(*_tokens([pair[0] for pair in pairs], backbone))
        second = module(*_tokens([pair[1] for pair in pairs], backbone))
        alike = SHARPNESS * first @ second.T
        own = torch.arange(len(pairs))
        loss = (torch.nn.functional.cross_entropy(alike, own) + torch.nn.functional.cross_entropy(alike.T, own)) / 2
        if not bool(torch.isfinite(loss)):
            raise Broken("the loss of the tuning is not finite", hint="use another backbone")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(moved, 1.0)
        optimiser.step()
    progress(stage, STEPS, STEPS)


def _pair(entry: Entry, draw: np.random.Generator) -> tuple[str, str]:
    """Two texts of an entry: two questions, or one and the answer."""
    if len(entry.questions) == 1:
        return entry.question, entry.answer
    first, second = draw.permutation(len(entry.questions))[:2]
    other = entry.answer if draw.random() < ANSWERS else entry.questions[second]
    return entry.questions[first], other


def _tokens(texts: Sequence[str], backbone: Backbone) -> tuple[Any, Any]:
    """Token numbers and mask (n, tokens), padded."""
    import torch

    rows = [encoding.ids[:MOST_TOKENS] or [0] for encoding in backbone.tokenizer.encode_batch_fast(list(texts))]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


def _keep(blobs: BlobStore, backbone: Backbone, tuned: Backbone, onnx: bytes) -> str:
    """The digest of the tuned backbone, an artifact like any other's."""
    settings = dict(read_artifact(blobs, backbone.digest).settings)
    settings |= {"parity": tuned.parity, "tuned_from": backbone.digest, "weights_sha256": sha256_of(onnx)}
    files = {ONNX: onnx, TOKENIZER: _tokenizer(blobs, backbone)}
    return save_artifact(blobs, kind=KIND, labels=(), files=files, settings=settings, backbone=None)


def _tokenizer(blobs: BlobStore | None, backbone: Backbone) -> bytes:
    if blobs is None:
        raise Broken("the tuned backbone has nowhere to be kept", where=TUNED)
    return read_artifact(blobs, backbone.digest).read(TOKENIZER)
