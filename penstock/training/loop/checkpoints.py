"""Checkpoints of the loop: parameters, the optimiser's moments and the curves, in one safetensors file.

A file appears whole or not at all, and says what it is a checkpoint of: another code, recipe or data is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from penstock.core.errors import Broken, Conflict
from penstock.core.hashing import digest_of, sha256_of_file

FILE, CURVES = "checkpoint.safetensors", "curves.json"
_ANEW = "run the command again: it starts that training anew"


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to, part by part, so that a refusal can say what changed."""

    data: str
    recipe: str
    code: str

    @staticmethod
    def of(data: str, recipe: Mapping[str, Any], seed: int) -> Identity:
        return Identity(data, digest_of([recipe, seed]), training_code())


@dataclass(frozen=True, eq=False)
class State:
    """A moment of the training, after `step` steps. tensors: parameters and moments by name. done: it was the last."""

    step: int
    tensors: Mapping[str, Any]
    told: Mapping[str, Any]
    done: bool = False


def file_of(folder: Path) -> Path:
    """Where the folder's checkpoint lies."""
    return folder / FILE


def write(folder: Path, identity: Identity, state: State) -> None:
    """Replace the folder's checkpoint."""
    from safetensors.torch import save_file

    write_curves(folder, state.told.get("curves", {}))
    part = folder / f"{FILE}.{os.getpid()}"
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    meta = {"identity": json.dumps(vars(identity)), "step": str(state.step)}
    meta |= {"told": json.dumps(state.told), "done": json.dumps(state.done), "sha256": sha256_of(tensors)}
    save_file(tensors, part, metadata=meta)
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    part.replace(file_of(folder))


def write_curves(folder: Path, curves: Mapping[str, Any]) -> None:
    """Keep the curves so far where `curves_in` finds them: a training that fails is recorded with them."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{CURVES}.{os.getpid()}"
    part.write_text(json.dumps(curves), encoding="utf-8")
    part.replace(folder / CURVES)


def curves_in(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """The curves of the folder's training, {} where none were kept. Loads no training library."""
    try:
        told = json.loads((folder / CURVES).read_text(encoding="utf-8"))
        return {name: [(float(at), float(value)) for at, value in points] for name, points in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def read(folder: Path, identity: Identity) -> State | None:
    """The folder's checkpoint, None where there is none.

    Raises Conflict for a checkpoint of other data, recipe or code, Broken for a damaged one; either is taken away, so
    that the next run starts anew.
    """
    from safetensors import SafetensorError, safe_open

    file = file_of(folder)
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as opened:
            meta = opened.metadata()
            found, step, told = json.loads(meta["identity"]), int(meta["step"]), json.loads(meta["told"])
            done = bool(json.loads(meta["done"]))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
            if meta["sha256"] != sha256_of(tensors):
                raise ValueError("other bytes than were written")
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        file.unlink(missing_ok=True)
        raise Broken("its checkpoint was damaged", where=str(file), hint=_ANEW) from None
    changed = [part for part, value in vars(identity).items() if found.get(part) != value]
    if changed:
        file.unlink(missing_ok=True)
        if done:  # nothing was interrupted: another training left it here
            return None
        raise Conflict(
            f"the training that was interrupted cannot go on: its {' and '.join(changed)} changed since",
            where=str(file),
            hint=_ANEW,
        )
    return State(step, tensors, told, done)


def sha256_of(tensors: Mapping[str, Any]) -> str:
    """Of all that they hold: the format itself has no checksum."""
    import torch

    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        found.update(memoryview(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy()))
    return found.hexdigest()


@cache
def training_code() -> str:
    """Names the code that trains: the sources of models and training, and torch."""
    import torch

    import penstock

    root = Path(penstock.__file__).parent
    sources = sorted([*(root / "training").rglob("*.py"), *(root / "models").rglob("*.py")])
    return digest_of([torch.__version__, [[str(file.relative_to(root)), sha256_of_file(file)] for file in sources]])
