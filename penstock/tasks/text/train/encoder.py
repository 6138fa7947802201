"""An encoder with a softmax head as one torch network: how the rungs that tune a backbone begin, learn and end.

It starts from the head that fits the frozen vectors, so that the first steps do not spoil what the backbone knows
(Kumar et al. 2022, arXiv 2202.10054: linear probing, then fine-tuning).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.core.hashing import digest_of
from penstock.models.backbone import Backbone
from penstock.models.protocol import Integers, Parts
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.model import frozen_linear as model_kind
from penstock.tasks.text.train.frozen_linear import embedded
from penstock.tasks.text.train.rows import TextRows
from penstock.training.calibration import fit_temperature
from penstock.training.encoders import keep_torch, padded, tokens_of
from penstock.training.loop import Fitted, Problem, Recipe, fit
from penstock.training.onnx_export import Encoder
from penstock.training.records import Trained, TrainRequest, text_backbone
from penstock.training.softmax_head import Head, fit_path, fit_told

SCALE = 16.0  # unit vectors are multiplied by it before the head: without it a head of its own learns too slowly
HEAD_RATE = 3.0  # times the encoder's
STRENGTH = 10.0  # C of the head that it starts from
FEWEST_TO_HOLD = 2_000
HELD_SHARE, LEAST_HELD, MOST_HELD = 0.02, 100, 500  # a temperature asks no more, and each is missed in training


@dataclass(frozen=True, eq=False)
class Start:
    """Where tuning begins. kept, held: row numbers to learn from, and to calibrate by (none where rows are few)."""

    blobs: BlobStore
    backbone: Backbone
    rows: TextRows
    tokens: list[list[int]]
    kept: Integers
    held: Integers
    head: Head


def start(request: TrainRequest, rows: TextRows, where: str) -> Start:
    """Check the request, set rows aside, and fit the head to start from.

    Raises BadInput without a backbone, Broken where a tuned one has nowhere to be kept.
    """
    backbone = text_backbone(request, where)
    if request.blobs is None:
        raise Broken("the tuned backbone has nowhere to be kept", where=where)
    kept, held = set_aside(rows, request.seed)
    vectors = embedded(request, backbone, [rows.texts[row] for row in kept])
    tell = fit_told(request.progress, 0, 2, "the head to start from", stage="head")
    strengths = (1.0, STRENGTH)
    path = fit_path(vectors, rows.truth[kept], len(rows.labels), strengths, weights=rows.weights[kept], tell=tell)
    *_, head = path
    request.progress("head", 100, 100, "done")
    return Start(request.blobs, backbone, rows, tokens_of(backbone, rows.texts), kept, held, head)


def set_aside(rows: TextRows, seed: int) -> tuple[Integers, Integers]:
    """Hold out a fiftieth of the rows as people wrote them, 100 to 500, and none below 2,000: there every row is needed
    to learn. No copy of a held row is learned from."""
    share = min(MOST_HELD, max(LEAST_HELD, int(rows.originals * HELD_SHARE)))
    count = share if rows.originals >= FEWEST_TO_HOLD else 0
    held = np.sort(np.random.default_rng(seed).permutation(rows.originals)[:count])
    return np.flatnonzero(~np.isin(rows.origin, rows.origin[held])), held


def network_of(encoder: Encoder, head: Head, dropout: float) -> Any:
    """The torch module from (ids, mask) to scores (n, labels), on the GPU where there is one."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder.module
            self.head = torch.nn.Linear(*head.weights.shape)
            self.dropout = torch.nn.Dropout(dropout)

        def forward(self, ids: Any, mask: Any) -> Any:
            return self.head(self.dropout(self.encoder(ids, mask)) * SCALE)

    network = Network()
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head.weights.T / SCALE))
        network.head.bias.copy_(torch.from_numpy(head.bias))
    return network.to("cuda" if torch.cuda.is_available() else "cpu")


def learn(request: TrainRequest, begun: Start, network: Any, recipe: Recipe, name: str) -> Fitted:
    """Run the shared loop on the kept rows. name: of what learns, with all that is not in the recipe."""
    with seen_words(network, begun.tokens) as tokens:
        problem = _problem(replace(begun, tokens=tokens), network, recipe, name)
        return fit(
            problem,
            recipe,
            seed=request.seed,
            progress=request.progress,
            checkpoint=request.checkpoint,
            world=request.world,
            until=request.until,
            stage="train",
        )


@contextmanager
def seen_words(network: Any, tokens: Sequence[Sequence[int]]) -> Iterator[list[list[int]]]:
    """The network with embeddings of these tokens only, and the tokens by their numbers there; afterwards it has all
    again. Half of MiniLM's weights are embeddings of words that no row has: to move them by nothing took 6% of a
    step. Embeddings that do not learn stay as they are."""
    import torch

    model = network.encoder.model
    whole = model.get_input_embeddings()
    if not whole.weight.requires_grad:
        yield [list(row) for row in tokens]
        return
    first = range((whole.padding_idx or 0) + 1)  # keep their numbers: some models count positions by what is padding
    used = np.unique([*first, *(number for row in tokens for number in row)])
    place = {number: at for at, number in enumerate(used.tolist())}
    rows = torch.from_numpy(used).to(whole.weight.device)
    few = torch.nn.Embedding(len(used), whole.embedding_dim, whole.padding_idx, _weight=whole.weight.detach()[rows])
    model.set_input_embeddings(few)
    try:
        yield [[place[number] for number in row] for row in tokens]
    finally:
        with torch.no_grad():
            whole.weight[rows] = few.weight
        model.set_input_embeddings(whole)


def _problem(begun: Start, network: Any, recipe: Recipe, name: str) -> Problem:
    import torch

    kept, rows = begun.kept, begun.rows
    device = next(network.parameters()).device
    truth = torch.from_numpy(rows.truth[kept]).to(device)
    weights = torch.from_numpy(rows.weights[kept]).to(device)
    tokens = [begun.tokens[row] for row in kept]

    def loss(numbers: Any) -> Any:
        scores = network(*padded([tokens[number] for number in numbers.tolist()], device))
        numbers = numbers.to(device)
        losses = torch.nn.functional.cross_entropy(
            scores.float(), truth[numbers], reduction="none", label_smoothing=recipe.smoothing
        )
        return losses * weights[numbers]

    def accuracy() -> float:
        return float((scores_of(network, begun, begun.held).argmax(axis=1) == rows.truth[begun.held]).mean())

    embedding = network.encoder.model.get_input_embeddings().weight
    return Problem(
        module=network,
        rows=len(kept),
        loss=loss,
        lengths=np.array([len(each) for each in tokens], dtype=np.int64),
        groups=[(list(network.head.parameters()), HEAD_RATE)],
        embedding=embedding if embedding.requires_grad else None,
        held=accuracy if len(begun.held) else None,
        identity=digest_of(
            [name, begun.backbone.digest, list(rows.labels), list(rows.texts)]
            + [each.tolist() for each in (kept, rows.truth[kept], rows.weights[kept])]
        ),
        called=lambda row: rows.called(kept[row]),
    )


def scores_of(network: Any, begun: Start, rows: Integers) -> Any:
    """Scores (rows, labels), numpy, of these rows."""
    import torch

    device, found = next(network.parameters()).device, []
    with torch.no_grad():
        for at in range(0, len(rows), 32):
            ids = [begun.tokens[row] for row in rows[at : at + 32]]
            found.append(network(*padded(ids, device)).float().cpu().numpy())
    return np.concatenate(found)


def finish(
    request: TrainRequest,
    begun: Start,
    network: Any,
    recipe: Recipe,
    fitted: Fitted,
    name: str,
    parameters: dict[str, Any],
    began: float,
) -> Trained:
    """Calibrate, export and keep what was learned."""
    import time

    network.cpu().eval()
    temperature, calibrated = 1.0, "not calibrated: too few rows to hold any out"
    if len(begun.held):
        temperature, _ = fit_temperature(scores_of(network, begun, begun.held), begun.rows.truth[begun.held])
        calibrated = f"temperature {temperature:.3g}, fitted on {len(begun.held):,} held-out training rows"
    request.progress("export", 0, 1, "to ONNX")
    encoder = Encoder(network.encoder, begun.backbone.hidden)
    backbone = keep_torch(begun.blobs, encoder, begun.backbone, settings={"made_by": name})
    request.progress("export", 1, 1, "done")
    weights = np.ascontiguousarray(network.head.weight.detach().numpy().T * SCALE)
    files = model_kind.to_files(weights, network.head.bias.detach().numpy().copy())
    settings = {"temperature": temperature, "seed": request.seed, "rows": len(begun.kept)}
    parts = Parts(begun.rows.labels, settings, files.__getitem__, "the trained model", backbone)
    return Trained(
        model=model_kind.open_tuned(parts),
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        backbone=backbone.digest,
        notes=(
            *begun.rows.notes,
            f"{fitted.steps:,} steps of {recipe.batch} rows, peak rate {recipe.peak:g}",
            calibrated,
            *fitted.notes,
        ),
        parameters={**recipe.to_json(), **parameters},
        curves=fitted.curves,
    )
