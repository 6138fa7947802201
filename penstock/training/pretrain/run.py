"""Pretraining from a corpus to a folder: vocabulary, vectors by counting, masked tokens, contrast.

Every part that is done is kept beside the result until it is whole, so a killed run goes on where it was.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock import __version__
from penstock.core.hashing import digest_of
from penstock.runtime.locks import exclusive
from penstock.runtime.progress import Progress, no_progress
from penstock.training.extras import training_libraries
from penstock.training.loop import Problem, Recipe, fit
from penstock.training.pretrain import contrast, folder, masked
from penstock.training.pretrain.corpus import Corpus, read_corpus
from penstock.training.pretrain.counting import token_vectors
from penstock.training.pretrain.folder import State
from penstock.training.pretrain.network import new_encoder, tensors_of, with_dropout
from penstock.training.pretrain.records import Plan, Pretrained
from penstock.training.pretrain.words import Tokens, encode, learn_tokenizer

WRITING_S = 3.0  # kept of the minutes for what comes after the last step, or this share of them where that is more:
WRITING_SHARE = 0.04  # on a busy machine everything takes longer
MARGIN = 0.9  # of the time that is left, steps are planned for: a few tried ones tell what later ones take only about
MOST_EPOCHS = 30  # of a stage: a small corpus is learned by heart after that
LEAST_STEPS = 10
TRIED = 4  # steps of each stage that tell how long one takes


@dataclass(frozen=True)
class _Stage:
    """share: of the time that is left when it begins."""

    name: str
    share: float
    dropout: float
    recipe: Recipe
    problem: Callable[[Any, Tokens, str], Problem]


STAGES = (
    _Stage("masked", 0.3, 0.0, masked.RECIPE, masked.masked_problem),
    _Stage("contrast", 1.0, 0.1, contrast.RECIPE, contrast.contrast_problem),
)


def pretrain(
    corpus: Path, out: Path, plan: Plan, *, column: str = "text", resume: bool = False, progress: Progress = no_progress
) -> Pretrained:
    """Train a small encoder on the texts of `corpus` and write it to the new folder `out`.

    Raises BadInput for a corpus or numbers that cannot train, Conflict for a folder in use or a resumption of
    something else, Unavailable without the training libraries, Broken for a loss that is not finite.
    """
    began = time.perf_counter()  # minutes are of everything: loading the libraries and reading the corpus too
    with training_libraries("pretraining"):
        import scipy.sparse  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
    plan.check()
    folder.check_target(out, resume=resume)
    progress("read", 0, 0, "reading the corpus")
    texts = read_corpus(corpus, column)
    folder.make(out)
    with exclusive(out / folder.WORKSHOP / "lock", f"pretraining into {out}"):
        return _pretrain(out, plan, texts, resume, progress, began)


def _pretrain(out: Path, plan: Plan, texts: Corpus, resume: bool, progress: Progress, began: float) -> Pretrained:
    state = folder.open_state(out, plan, texts.digest, resume=resume)
    until = began + 60 * plan.minutes - sum(state.seconds.values()) - max(WRITING_S, WRITING_SHARE * 60 * plan.minutes)
    tokenizer_json, tokens = _words(out, plan, texts, progress)
    model = new_encoder(plan, _start(out, plan, tokenizer_json, tokens, progress))
    state = replace(state, seconds={"prepare": time.perf_counter() - began, **state.seconds})
    for stage in STAGES:
        state = _train(stage, out, plan, state, model, tokens, progress, until)
    card = _card(texts, tokens, model, state)
    folder.write_model(out, model, tokenizer_json, card)
    return Pretrained(out, card)


def _words(out: Path, plan: Plan, texts: Corpus, progress: Progress) -> tuple[str, Tokens]:
    kept = out / folder.WORKSHOP / folder.TOKENIZER
    if not kept.is_file():
        progress("words", 0, 2, f"learning words from {len(texts.texts):,} texts")
        folder.write_whole(kept, learn_tokenizer(texts.texts, plan.vocab).encode())
    tokenizer_json = kept.read_text(encoding="utf-8")
    progress("words", 1, 2, "splitting texts into words")
    tokens = encode(tokenizer_json, texts.texts)
    progress("words", 2, 2, f"{len(tokens.flat):,} tokens")
    return tokenizer_json, tokens


def _start(out: Path, plan: Plan, tokenizer_json: str, tokens: Tokens, progress: Progress) -> Any:
    import torch

    kept = folder.kept_tensors(out, folder.START)
    if kept is not None:
        return kept["vectors"].numpy()
    vocab = len(json.loads(tokenizer_json)["model"]["vocab"])
    vectors = token_vectors(tokens, vocab, plan.hidden, plan.seed, progress)
    folder.keep_tensors(out, folder.START, {"vectors": torch.from_numpy(vectors)})
    return vectors


def steps_of(stage: _Stage, plan: Plan, model: Any, tokens: Tokens, until: float) -> int:
    """How many steps of a stage: as given, or as many as its share of the time that is left until a moment of
    time.perf_counter() allows, by a few tried on a copy."""
    given = _given(stage, plan)
    if given is not None:
        return given
    problem = stage.problem(copy.deepcopy(model), tokens, "")
    fit(problem, _so_many(stage.recipe, plan, 1), seed=plan.seed, progress=no_progress)
    tried = fit(problem, _so_many(stage.recipe, plan, TRIED), seed=plan.seed, progress=no_progress)
    left = MARGIN * (until - time.perf_counter())
    allowed = int(stage.share * left * TRIED / max(tried.seconds, 1e-6))
    return max(LEAST_STEPS, min(MOST_EPOCHS * math.ceil(problem.rows / plan.batch), allowed))


def _given(stage: _Stage, plan: Plan) -> int | None:
    return {"masked": plan.masked_steps, "contrast": plan.contrast_steps}[stage.name]


def _so_many(recipe: Recipe, plan: Plan, steps: int) -> Recipe:
    """Exactly so many steps, whatever that is in epochs."""
    return replace(recipe, batch=plan.batch, epochs=1e-9, least_steps=steps)


def _train(
    stage: _Stage, out: Path, plan: Plan, state: State, model: Any, tokens: Tokens, progress: Progress, until: float
) -> State:
    """Run a stage, or take what it left when it is done already. until: when the time is over, unless the steps are
    given: those are taken whatever time they need."""
    file = f"{stage.name}.safetensors"
    done = folder.kept_tensors(out, file) if stage.name in state.seconds else None
    if done is not None:
        model.load_state_dict(done)
        return state
    with_dropout(model, stage.dropout)
    steps = state.steps.get(stage.name)
    if steps is None:
        progress(stage.name, 0, 0, "how long a step takes")
        steps = steps_of(stage, plan, model, tokens, until)
        state = replace(state, steps={**state.steps, stage.name: steps})
        folder.write_state(out, state)
    if steps:
        identity = digest_of([state.corpus, plan.to_json(), stage.name])
        fitted = fit(
            stage.problem(model, tokens, identity),
            _so_many(stage.recipe, plan, steps),
            seed=plan.seed,
            progress=progress,
            checkpoint=out / folder.WORKSHOP / stage.name,
            stage=stage.name,
            until=math.inf if _given(stage, plan) is not None else until,
        )
        state = replace(
            state,
            seconds={**state.seconds, stage.name: fitted.seconds},
            curves={**state.curves, stage.name: {name: list(points) for name, points in fitted.curves.items()}},
            notes=(*state.notes, *(f"{stage.name}: {note}" for note in fitted.notes)),
        )
    folder.keep_tensors(out, file, tensors_of(model))
    folder.write_state(out, state)
    return state


def _card(texts: Corpus, tokens: Tokens, model: Any, state: State) -> dict[str, Any]:
    import torch

    return {
        "made_by": f"penstock {__version__}, torch {torch.__version__}",
        "plan": dict(state.plan),
        "corpus": {
            "digest": texts.digest,
            "files": dict(texts.files),
            "texts": len(texts.texts),
            "characters": sum(map(len, texts.texts)),
            "tokens": len(tokens.flat),
        },
        "vocabulary": model.config.vocab_size,
        "parameters": sum(each.numel() for each in model.parameters()),
        "steps": dict(state.steps),
        "seconds": {name: round(value, 1) for name, value in state.seconds.items()},
        "resumed": state.resumed,
        "notes": list(state.notes),
        "curves": dict(state.curves),
    }
