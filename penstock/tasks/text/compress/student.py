"""A smaller encoder taught by the model it was cut from: the labels, the teacher's answers, and its vectors.

What `prune.v1` and `distil.v1` share. It does not know which layers or words were cut.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.core.hashing import digest_of
from penstock.models.artifact import read_artifact
from penstock.models.backbone import ONNX, Backbone
from penstock.models.protocol import Floats, Model, Parts
from penstock.models.softmax import softmax
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.data.options import TextOptions
from penstock.tasks.text.model import frozen_linear as model_kind
from penstock.tasks.text.model.frozen_linear import FrozenLinear
from penstock.tasks.text.train.encoder import HEAD_RATE, SCALE, Start, network_of, scores_of, seen_words, set_aside
from penstock.tasks.text.train.frozen_linear import embedded
from penstock.tasks.text.train.rows import TextRows, text_rows
from penstock.tasks.text.train.teaching import Lesson, losses, on_device
from penstock.training.calibration import fit_temperature
from penstock.training.compress.records import CompressRequest, backbone_of, texts_of
from penstock.training.encoders import keep_torch, load_torch, padded, tokens_of
from penstock.training.loop import Problem, Recipe, fit
from penstock.training.onnx_export import Encoder
from penstock.training.records import Trained, TrainRequest
from penstock.training.softmax_head import Head

SOFT_SHARE = 0.7  # of the loss that is the teacher's answers; the labels are the rest
VECTORS_WEIGHT = 2.0  # of 1 - cosine to the teacher's vectors: about as much as the answers' part at the start


@dataclass(frozen=True, eq=False)
class Teacher:
    """A model on an encoder, the rows it teaches on, and what it says of them."""

    model: FrozenLinear
    rows: TextRows
    vectors: Floats
    lesson: Lesson


def teacher_of(request: CompressRequest, name: str, copies: float) -> Teacher:
    """The source as a teacher on its training rows and so many changed copies of each.

    Raises BadInput for a model without an encoder, or rows with other labels.
    """
    backbone_of(request, name)
    texts_of(request, name)
    model = request.source
    if not isinstance(model, FrozenLinear):
        raise BadInput(f"{name} takes a linear head on an encoder, not a {model.kind} model", where=_where(request))
    own = request.train.options  # the product's, as the source's own rung had them: the same rows are held out again
    options = own.model_dump(exclude_unset=True) if isinstance(own, TextOptions) else {}
    asked = as_training(request, {**options, "augment": copies})
    rows = text_rows(asked)
    if rows.labels != model.labels:
        raise BadInput("the rows have other labels than the model", where=_where(request))
    vectors = embedded(asked, model.backbone, rows.texts)
    answers = [softmax(scores, model.temperature) for scores in vectors @ model.weights + model.bias]
    lesson = Lesson(rows.truth, rows.weights, np.stack(answers), SOFT_SHARE, vectors, VECTORS_WEIGHT)
    return Teacher(model, rows, vectors, lesson)


def encoder_of(request: CompressRequest, name: str) -> Encoder:
    """The source's encoder as torch. Raises BadInput where it has none, or one in int8; NotFound where its original is
    gone."""
    backbone = backbone_of(request, name)
    if backbone.alone:
        raise BadInput(
            f"{name} cuts an encoder and trains it again, and one in int8 cannot be trained",
            where=_where(request),
            hint="name the candidate that it was made from, and compress the outcome to int8 afterwards",
        )
    return load_torch(request.blobs, backbone)


def as_training(request: CompressRequest, options: Mapping[str, Any]) -> TrainRequest:
    """The same request, as what a rung's parts take."""
    return TrainRequest(
        train=request.train,
        backbone=getattr(request.source, "backbone", None),
        seed=request.seed,
        cache=request.cache,
        progress=request.progress,
        options=options,
        blobs=request.blobs,
        checkpoint=request.checkpoint,
    )


def teach(
    request: CompressRequest,
    teacher: Teacher,
    encoder: Encoder,
    recipe: Recipe,
    name: str,
    *,
    tokenizer: bytes | None = None,
    began: float,
    notes: Sequence[str],
) -> Trained:
    """Train the encoder and its head, and keep both. tokenizer: tokenizer.json, where its vocabulary changed.

    It begins with the teacher's head at the teacher's calibration. Rows that the teacher's own rung held out, by the
    same seed, are held out again; below 2,000 there are none, and the temperature stays 1.
    """
    import torch

    model, rows = teacher.model, teacher.rows
    kept, held = set_aside(rows, request.seed)
    head = Head(0.0, model.weights / model.temperature, model.bias / model.temperature)
    tokens = tokens_of(_reader(model.backbone, tokenizer), rows.texts)
    begun = Start(request.blobs, model.backbone, rows, tokens, kept, held, head)
    with torch.random.fork_rng():
        network = network_of(encoder, head, recipe.dropout)
        with seen_words(network, tokens) as seen:
            problem = _problem(network, replace(begun, tokens=seen), teacher, recipe, (name, request.source_artifact))
            fitted = fit(
                problem,
                recipe,
                seed=request.seed,
                progress=request.progress,
                checkpoint=request.checkpoint,
            )
    made = _kept(request, begun, network, name, tokenizer)
    fidelity, told = _compared(teacher, made.model, begun)
    return replace(
        made,
        seconds=time.perf_counter() - began,
        notes=(
            *notes,
            *made.notes,
            told,
            f"{fitted.steps:,} steps of {recipe.batch} rows, peak rate {recipe.peak:g}",
            *fitted.notes,
        ),
        facts={"fidelity": fidelity},
        parameters=recipe.to_json(),
        curves=fitted.curves,
    )


def _kept(request: CompressRequest, begun: Start, network: Any, name: str, tokenizer: bytes | None) -> Trained:
    """Calibrate and export what was taught."""
    network.cpu().eval()
    held, rows = begun.held, begun.rows
    temperature, calibrated = 1.0, "calibrated as its teacher: too few rows to hold any out"
    if len(held):
        temperature, _ = fit_temperature(scores_of(network, begun, held), rows.truth[held])
        calibrated = f"temperature {temperature:.3g}, fitted on {len(held):,} held-out training rows"
        if request.source.kind == model_kind.KIND:  # its rung learns from every row, and its head is where this began
            calibrated += ", which the original had learned: scores may be too sure"
    request.progress("export", 0, 1, "to ONNX")
    encoder = Encoder(network.encoder, begun.backbone.hidden)
    backbone = keep_torch(request.blobs, encoder, begun.backbone, tokenizer=tokenizer, settings={"made_by": name})
    request.progress("export", 1, 1, "done")
    files = model_kind.to_files(
        np.ascontiguousarray(network.head.weight.detach().numpy().T * SCALE),
        network.head.bias.detach().numpy().copy(),
    )
    settings = {"temperature": temperature, "seed": request.seed, "rows": rows.originals, "made_by": name}
    sizes = [size_of(request.blobs, each) / 1e6 for each in (begun.backbone, backbone)]
    return Trained(
        model=model_kind.open_tuned(Parts(rows.labels, settings, files.__getitem__, "the smaller model", backbone)),
        files=files,
        settings=settings,
        seconds=0.0,
        backbone=backbone.digest,
        notes=(f"the encoder takes {sizes[1]:.0f} MB instead of {sizes[0]:.0f}", calibrated),
    )


def size_of(blobs: BlobStore, backbone: Backbone) -> int:
    """Bytes of a backbone's graph, its weights inside."""
    return read_artifact(blobs, backbone.digest).path(ONNX).stat().st_size


def _problem(network: Any, begun: Start, teacher: Teacher, recipe: Recipe, named: tuple[str, str]) -> Problem:
    """named: the compression, and the artifact of the source."""
    import torch

    kept, device = begun.kept, next(network.parameters()).device
    taught = on_device(teacher.lesson, device)
    tokens = [begun.tokens[row] for row in kept]
    every = torch.from_numpy(kept)

    def loss(numbers: Any) -> Any:
        vectors = network.encoder(*padded([tokens[number] for number in numbers.tolist()], device))
        scores = network.head(network.dropout(vectors) * SCALE)
        return losses(taught, scores, vectors, every[numbers].to(device), recipe.smoothing)

    def accuracy() -> float:
        scores = scores_of(network, begun, begun.held)
        return float((scores.argmax(axis=1) == begun.rows.truth[begun.held]).mean())

    return Problem(
        module=network,
        rows=len(kept),
        loss=loss,
        lengths=np.array([len(each) for each in tokens], dtype=np.int64),
        groups=[(list(network.head.parameters()), HEAD_RATE)],
        embedding=network.encoder.model.get_input_embeddings().weight,
        held=accuracy if len(begun.held) else None,
        identity=digest_of(
            [
                *named,
                begun.backbone.digest,
                sum(each.numel() for each in network.parameters()),
                list(begun.rows.labels),
                list(begun.rows.texts),
                kept.tolist(),
                begun.rows.truth[kept].tolist(),
                begun.rows.weights[kept].tolist(),
            ]
        ),
        called=lambda row: begun.rows.called(kept[row]),
    )


def _reader(backbone: Backbone, tokenizer: bytes | None) -> Backbone:
    """The backbone with another tokenizer, to read texts with."""
    if tokenizer is None:
        return backbone
    from tokenizers import Tokenizer

    read = Tokenizer.from_str(tokenizer.decode())
    read.no_padding()
    read.enable_truncation(backbone.max_tokens)
    return replace(backbone, tokenizer=read)


def _compared(teacher: Teacher, student: Model, begun: Start) -> tuple[float, str]:
    """The mean cosine of the student's vectors to the teacher's, on held-out rows where there are any, and in words."""
    if not isinstance(student, FrozenLinear):
        raise Broken("a student on an encoder was expected", where=student.kind)
    rows = begun.held if len(begun.held) else np.arange(min(300, teacher.rows.originals))
    texts = [teacher.rows.texts[row] for row in rows]
    vectors = student.backbone.embed_bulk(texts)
    cosine = float((vectors * teacher.vectors[rows]).sum(axis=1).mean())
    own = (vectors @ student.weights + student.bias).argmax(axis=1)
    before = (teacher.vectors[rows] @ teacher.model.weights + teacher.model.bias).argmax(axis=1)
    which = "held-out" if len(begun.held) else "its"
    return cosine, (
        f"vectors: mean cosine {cosine:.4f} to the original's; {float((own == before).mean()):.1%} of the answers have "
        f"the same label (on {len(rows):,} of {which} training texts)"
    )


def _where(request: CompressRequest) -> str:
    return f"artifact {request.source_artifact[:12]}…"
