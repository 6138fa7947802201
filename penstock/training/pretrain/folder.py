"""The folder that pretraining writes: while it works, what it goes on from; in the end, a model as others read it.

`PRETRAIN.json` is written last: a folder that has it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput, Broken, Conflict
from penstock.training.loop.checkpoints import sha256_of, training_code
from penstock.training.pretrain.records import POSITIONS, Plan
from penstock.training.pretrain.words import MASK, PAD, SPECIAL, UNKNOWN

CARD = "PRETRAIN.json"
WORKSHOP = ".pretrain"
STATE = "state.json"
TOKENIZER = "tokenizer.json"
START = "start.safetensors"
_ANEW = "remove the folder and run it without --resume to start anew"


@dataclass(frozen=True)
class State:
    """How far a pretraining is. steps: planned of each stage; seconds, curves, notes: of what is done; resumed: how
    often it was taken up again."""

    plan: Mapping[str, Any]
    corpus: str
    code: str
    steps: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    resumed: int = 0


def check_target(out: Path, *, resume: bool) -> None:
    """Raises Conflict for a folder that holds something already, or is complete; BadInput for nothing to resume."""
    state = out / WORKSHOP / STATE
    if resume and (out / CARD).is_file() and not state.is_file():
        raise Conflict("this pretraining is done", where=str(out), hint=f'use it: source = "path:{out}"')
    if resume and not state.is_file():
        raise BadInput("there is no pretraining to resume", where=str(out), hint="run it without --resume")
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        going = state.is_file()
        raise Conflict(
            "a pretraining was interrupted here" if going else "there is something here already",
            where=str(out),
            hint="--resume goes on with it" if going else "choose another --out: nothing is ever overwritten",
        )


def make(out: Path) -> None:
    """Raises BadInput when it cannot be made and written."""
    try:
        (out / WORKSHOP).mkdir(parents=True, exist_ok=True)
        (out / WORKSHOP / "lock").touch()
    except OSError as error:
        raise BadInput(
            f"the folder cannot be written: {error.strerror or error}", where=str(out), hint="choose another --out"
        ) from None


def kept_plan(out: Path, given: Mapping[str, Any]) -> Plan:
    """The plan of an interrupted pretraining. Raises Conflict where a number given now is another."""
    kept = _read_state(out)
    for name, value in given.items():
        if kept.plan[name] != value:
            raise Conflict(
                f"it was begun with --{name} {kept.plan[name]}, not {value}",
                where=str(out),
                hint=f"leave --{name} away to go on with it; or {_ANEW}",
            )
    return Plan(**kept.plan)


def open_state(out: Path, plan: Plan, corpus: str, *, resume: bool) -> State:
    """The state to go on from, a new one written where nothing was begun.

    Raises Conflict when the corpus or the code changed since.
    """
    if resume:
        kept = _read_state(out)
        for what, before, now in (("corpus", kept.corpus, corpus), ("code", kept.code, training_code())):
            if before != now:
                raise Conflict(
                    f"the pretraining that was interrupted cannot go on: its {what} changed since",
                    where=str(out),
                    hint=_ANEW,
                )
        state = State(**{**asdict(kept), "notes": tuple(kept.notes), "resumed": kept.resumed + 1})
    else:
        state = State(plan.to_json(), corpus, training_code())
    write_state(out, state)
    return state


def write_state(out: Path, state: State) -> None:
    write_whole(out / WORKSHOP / STATE, json.dumps(asdict(state)).encode())


def write_whole(target: Path, content: bytes) -> None:
    """A file that appears whole or not at all."""
    part = target.with_name(f"{target.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(target)


def keep_tensors(out: Path, name: str, tensors: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    write_whole(out / WORKSHOP / name, save(dict(tensors), metadata={"sha256": sha256_of(tensors)}))


def kept_tensors(out: Path, name: str) -> dict[str, Any] | None:
    """What `keep_tensors` kept, None when it is not there (yet). Raises Broken when it is damaged."""
    from safetensors import SafetensorError, safe_open

    file = out / WORKSHOP / name
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {each: opened.get_tensor(each) for each in opened.keys()}  # noqa: SIM118 - not a mapping
            if opened.metadata()["sha256"] != sha256_of(tensors):
                raise ValueError("other bytes than were written")
        return tensors
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        raise Broken("what the pretraining goes on from is damaged", where=str(file), hint=_ANEW) from None


def write_model(out: Path, model: Any, tokenizer_json: str, card: Mapping[str, Any]) -> None:
    """The model's files, as transformers, sentence-transformers and a `path:` backbone read them, then the card."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model.config._attn_implementation = None
    model.save_pretrained(out)
    hidden = model.config.hidden_size
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": POSITIONS,
        "pad_token": SPECIAL[PAD],
        "unk_token": SPECIAL[UNKNOWN],
        "mask_token": SPECIAL[MASK],
    }
    files = {
        TOKENIZER: tokenizer_json,
        "tokenizer_config.json": json.dumps(tokenizer),
        "sentence_bert_config.json": json.dumps({"max_seq_length": POSITIONS, "do_lower_case": False}),
        "1_Pooling/config.json": json.dumps({"word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True}),
        "modules.json": json.dumps(_MODULES),
        CARD: json.dumps(card, ensure_ascii=False, indent=1),
    }
    for name, content in files.items():
        (out / name).parent.mkdir(exist_ok=True)
        write_whole(out / name, content.encode())
    shutil.rmtree(out / WORKSHOP)


def _read_state(out: Path) -> State:
    file = out / WORKSHOP / STATE
    try:
        return State(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise Broken("what the pretraining goes on from is damaged", where=str(file), hint=_ANEW) from None


_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
