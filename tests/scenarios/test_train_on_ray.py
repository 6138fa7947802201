"""`penstock train --executor ray`: two workers train one model, which is judged like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.hashing import sha256_of_file
from tests.scenarios.conftest import Penstock, rows, write_csv
from tests.training.bert import write_bert

pytestmark = pytest.mark.xdist_group("ray")  # a cluster fills two processors: not two of them at once


def test_two_workers_train_a_model_that_the_gate_judges(folder: Path, penstock: Penstock) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'penstock[scale]'")
    (folder / "bert").mkdir()
    digest = sha256_of_file(write_bert(folder / "bert") / "model.safetensors")
    toml = (folder / "penstock.toml").read_text()
    toml = toml.replace('ladder = ["ngram-linear.v1"]', 'ladder = ["full.v1"]\nbackbone = "own"')
    toml = toml.replace('accuracy = ">= 0.60"', 'accuracy = ">= 0.05"')
    toml += f'\n[backbones.own]\nsource = "path:bert"\nsha256 = "{digest}"\n'
    (folder / "penstock.toml").write_text(toml)
    write_csv(folder / "data" / "router.csv", rows(120))  # enough for a model that is better than no model
    done = penstock("train", "router", "--executor", "ray", "--workers", "2", "--json")
    assert done.code == 0, done.err
    assert "starting Ray" in done.err
    (outcome,) = done.json()["outcomes"]
    assert (outcome["rung"], outcome["passed"]) == ("full.v1", True)


def test_several_workers_need_ray(folder: Path, penstock: Penstock) -> None:
    refused = penstock("train", "router", "--workers", "2")
    assert refused.code == 2
    assert "--executor ray" in refused.err
    unknown = penstock("train", "router", "--executor", "dask")
    assert unknown.code == 2 and "unknown executor 'dask'" in unknown.err
