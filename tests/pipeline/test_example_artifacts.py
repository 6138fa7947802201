"""The examples' cheap rungs make the artifacts that they always made: a change of structure may not move a bit.

Pinned everywhere: the dataset version's id, and of an artifact all but its floats (kind, labels, files, settings, the
names, types and shapes of tensors) with a projection of the floats. Their last bits are not the same on every
processor: where a fit uses matrix products, OpenBLAS sums in another order with AVX2 than without it. The digest of the
whole artifact is pinned where no such product is used, on x86-64.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock import installed
from penstock.core.hashing import digest_of
from penstock.datasets.versions import get_version, load_rows
from penstock.models.artifact import Artifact, read_artifact, tensors_from_bytes
from penstock.pipeline.climb.worker import make_version, training_request
from penstock.pipeline.records import MakeVersion, RungWork
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import no_progress
from penstock.training.records import save

EXAMPLES = Path(__file__).parents[2] / "examples"

RUNGS_OF: dict[str, dict[str, tuple[str, ...]]] = {
    "bookshop": {"bookshop": ("popularity.v1",)},
    "digits": {"digits": ("pixels-linear.v1",)},
    "faq": {"ember": ("bm25.v1",), "yun": ("bm25.v1",)},
    "helpdesk": {"helpdesk": ("ngram-linear.v1",), "kefu": ("ngram-linear.v1",)},
    "opinion": {"mood": ("ngram-linear.v1",), "brands": ("fixed-threshold.v1", "seasonal-cusum.v1")},
    "progression": {"progression": ("gradient-descent.v1", "tabular-linear.v1")},
    "risk": {"diagnosis": ("gradient-descent.v1", "tabular-linear.v1")},
}

# By product, the first digits of its dataset version's id.
ROWS: dict[str, str] = {
    "bookshop": "68c070d04e58",
    "digits": "4ab61c431a71",
    "ember": "16effc4aa617",
    "yun": "c0a8d6e1435e",
    "helpdesk": "b2859a6e687a",
    "kefu": "954481380a32",
    "mood": "64b7159aa9c7",
    "brands": "8b3de9fe0a3c",
    "progression": "bf5aa179a974",
    "diagnosis": "2873f0c1df06",
}

# By product and rung, the first digits of the form, and where the floats point (to 1e-6 alike with other kernels).
FORMS: dict[str, tuple[str, float]] = {
    "bookshop popularity.v1": ("bd61677a2370", 0.0000293),
    "digits pixels-linear.v1": ("f0d4f2c8d7e5", 0.0009189),
    "ember bm25.v1": ("f0f571c337b8", 0.2548474),
    "yun bm25.v1": ("9d40dc3b6d2a", 0.1976043),
    "helpdesk ngram-linear.v1": ("500a41511242", -0.0005642),
    "kefu ngram-linear.v1": ("5694a334e86a", 0.0015719),
    "mood ngram-linear.v1": ("d4e801d75f5d", 0.0007479),
    "brands fixed-threshold.v1": ("4c09e8f0e32d", -0.0045161),
    "brands seasonal-cusum.v1": ("712172f3cc33", 0.0015976),
    "progression gradient-descent.v1": ("b9a059edfbb2", -0.0618394),
    "progression tabular-linear.v1": ("3effddbad09f", -0.0490350),
    "diagnosis gradient-descent.v1": ("4f7d695eb3d2", 0.0521099),
    "diagnosis tabular-linear.v1": ("02e8b44bbbb1", 0.0422133),
}

# By product and rung, the artifact's first digits.
WHOLE: dict[str, str] = {
    "bookshop popularity.v1": "e2aadbc30ae7",
    "helpdesk ngram-linear.v1": "7e6ff9a46458",
    "kefu ngram-linear.v1": "82c0f267e0cd",
    "mood ngram-linear.v1": "308811e33911",
    "brands fixed-threshold.v1": "870f3fa9d2d3",
    "brands seasonal-cusum.v1": "d7b258ebf381",
}


def version_of(house: House, product: str) -> str:
    return make_version(MakeVersion(folder=str(house.folder), product=product, extra=[], parent=None), no_progress).id


def trained(house: House, product: str, rung: str, more: Mapping[str, Any]) -> str:
    """The digest of the artifact that a training of this rung keeps."""
    with house.store.read() as tx:
        rows, _ = load_rows(house.blobs, get_version(tx, product))
    options = {**house.workspace.products[product].options, **more}
    asked = RungWork(folder=str(house.folder), product=product, version=1, rung=rung, options=options)
    return save(installed.rungs()[rung].train(training_request(house, asked, rows, no_progress)), house.blobs)


def form_of(artifact: Artifact) -> tuple[str, float]:
    """The first digits of the digest of all that is no float, and where the floats point: their inverse hyperbolic
    sines, so that no large one hides the others, along a fixed direction; between -1 and 1. The digest of another
    artifact, which a setting may hold, is left out: that one has its own."""
    floats: list[float] = []
    files: dict[str, Any] = {}
    tensors: list[np.ndarray] = []
    for name in sorted(artifact.files):
        if name.endswith(".json"):
            files[name] = _without_floats(json.loads(artifact.read(name)), floats)
            continue
        held = tensors_from_bytes(artifact.read(name))
        files[name] = [[each, str(held[each].dtype), list(held[each].shape)] for each in sorted(held)]
        tensors += [held[each].astype(np.float64).ravel() for each in sorted(held)]
    settings = _without_floats(dict(artifact.settings), floats)
    told = [artifact.kind, list(artifact.labels), artifact.backbone, files, settings]
    values = np.arcsinh(np.concatenate([*tensors, np.array(floats)]))
    direction = np.cos(np.arange(len(values)))
    return digest_of(told)[:12], float(values @ direction / np.linalg.norm(values) / np.linalg.norm(direction))


def _without_floats(value: Any, floats: list[float]) -> Any:
    if isinstance(value, float):
        floats.append(value)
        return "float"
    if isinstance(value, dict):
        return {name: _without_floats(value[name], floats) for name in sorted(value)}
    if isinstance(value, list):
        return [_without_floats(each, floats) for each in value]
    return "digest" if isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef") else value


@pytest.fixture(params=sorted(RUNGS_OF))
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[House, str]]:
    shutil.copytree(EXAMPLES / request.param, tmp_path, dirs_exist_ok=True)
    house = open_house(tmp_path, create=True)
    for product in house.workspace.products.values():
        installed.of(product).make_data(tmp_path)
    yield house, request.param
    house.close()


def test_an_example_makes_the_artifacts_that_it_always_made(example: tuple[House, str]) -> None:
    house, name = example
    assert set(RUNGS_OF[name]) == set(house.workspace.products)
    made: dict[str, str] = {}
    for product, rungs in RUNGS_OF[name].items():
        assert version_of(house, product)[:12] == ROWS[product]
        sold = house.workspace.products[product]
        more = {f"{option}_artifact": made[sold.options[option]] for option in installed.of(sold).builds_on}
        for rung in rungs:
            digest = trained(house, product, rung, more)
            made.setdefault(product, digest)
            form, pointing = form_of(read_artifact(house.blobs, digest))
            pinned, expected = FORMS[f"{product} {rung}"]
            assert form == pinned
            assert pointing == pytest.approx(expected, abs=5e-6)
            if platform.machine() == "x86_64":
                assert digest[:12] == WHOLE.get(f"{product} {rung}", digest[:12])


def test_every_example_is_among_them() -> None:
    assert set(RUNGS_OF) == {each.name for each in EXAMPLES.iterdir() if (each / "penstock.toml").exists()}
