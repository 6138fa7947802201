"""With `refit = true` a recipe is trained again on all rows after the gate's yes, released, and never judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pipeline.climbing import DIAL, any_rung, at_once, company, dial, dialled

from penstock import installed
from penstock.core.errors import BadInput, GateRefused
from penstock.loader import Loader
from penstock.pipeline.climb import attempts
from penstock.pipeline.climb.judging import incumbent_of
from penstock.pipeline.climb.train import train
from penstock.pipeline.runs.reports import candidate_report
from penstock.registry import candidates, decisions, releases
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import no_progress
from penstock.tasks.text.data.options import read_options
from penstock.training.records import Rung, Trained, TrainRequest

SECRET_OF = "decisions"


@pytest.fixture(autouse=True)
def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    any_rung(monkeypatch)
    monkeypatch.setattr(attempts, "run_child", at_once)


def house(folder: Path, *, refit: bool = True, **stated: Any) -> House:
    company(folder, **stated)
    file = folder / "penstock.toml"
    text = file.read_text(encoding="utf-8")
    asked = "robust_rows = 0, refit = true" if refit else "robust_rows = 0"
    file.write_text(text.replace("robust_rows = 0", asked), encoding="utf-8")
    return open_house(folder, create=True)


def trained(of: House, rung: str = "ngram-linear.v1") -> candidates.Candidate:
    outcome = train(of, {"product": "router", "rungs": [rung]}, no_progress)["outcomes"][-1]
    with of.store.read() as tx:
        return candidates.get_candidate(tx, outcome["candidate"])


def test_what_is_released_learned_from_all_rows_and_what_is_judged_did_not(tmp_path: Path) -> None:
    of = house(tmp_path / "refit")
    made, plain = trained(of), trained(house(tmp_path / "plain", refit=False))
    assert made.refit is not None and made.refit["holds"]
    assert made.artifact == plain.artifact  # the judged model is the same as without the option
    assert made.served == made.refit["artifact"] != made.artifact
    with of.store.transaction() as tx:
        live = releases.release(tx, made.id, of.secret(SECRET_OF))
    assert (live.candidate, live.artifact) == (made.id, made.served)
    rows = {name: Loader(of.blobs).load(name).labels for name in (made.artifact, made.served)}
    assert rows[made.artifact] == rows[made.served]
    whole, part = candidate_report(of, made.id), candidate_report(of, made.id).version
    assert made.refit["rows"] == part.rows_train + part.rows_test
    assert whole.report.rows == part.rows_test


def test_a_later_candidate_is_compared_with_the_judged_model_which_has_not_seen_the_test(tmp_path: Path) -> None:
    of = house(tmp_path)
    made = trained(of)
    with of.store.transaction() as tx:
        releases.release(tx, made.id, of.secret(SECRET_OF))
    assert incumbent_of(of, "router").artifact == made.artifact


def test_report_and_card_say_so_in_both_languages(tmp_path: Path) -> None:
    of = house(tmp_path)
    found = candidate_report(of, trained(of).id)
    assert found.candidate.refit is not None
    said = f"was trained again on the training and the test rows, {found.candidate.refit['rows']} in all"
    assert said in found.card() and said in found.reason_rows()[-1]["reason"] and said in found.html()
    chinese = replace(found, locale="zh-CN")
    assert "重新训练之前的模型" in chinese.card() and "重新训练之前的模型" in chinese.html()


def test_a_no_of_the_gate_trains_nothing_again_and_without_the_option_nothing_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(installed.rungs(), DIAL, dialled())
    refused = trained(house(tmp_path / "no", ladder=f'"{DIAL}"'), DIAL)
    assert refused.refit is None and refused.served == refused.artifact
    of = house(tmp_path / "plain", refit=False)
    made = trained(of)
    with of.store.read() as tx:
        decision = decisions.latest_decision(tx, made.id)
    assert made.refit is None and decision is not None and "served" not in decision.hashes


def test_a_second_training_that_goes_wrong_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def once(request: TrainRequest) -> Trained:
        return dial(replace(request, recipe={"wrong": 0.0 if len(request.train) < 330 else 0.9}))

    monkeypatch.setitem(installed.rungs(), "once.v1", Rung("once.v1", once))
    of = house(tmp_path, ladder='"once.v1"')
    made = trained(of, "once.v1")
    assert made.refit is not None and not made.refit["holds"]
    assert made.served == made.artifact
    assert "a release serves the judged model" in candidate_report(of, made.id).card()


def test_another_model_put_in_its_place_is_not_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = house(tmp_path)
    made = trained(of)
    assert made.refit is not None
    forged = replace(made, parameters={**made.parameters, "refit": {**made.refit, "artifact": "f" * 64}})
    monkeypatch.setattr(decisions, "get_candidate", lambda tx, candidate: forged)
    with of.store.transaction() as tx, pytest.raises(GateRefused, match="signature does not hold"):
        releases.release(tx, made.id, of.secret(SECRET_OF))


def test_it_does_not_go_with_privacy() -> None:
    with pytest.raises(BadInput, match="refit learns from the test rows"):
        read_options({"refit": True, "privacy": {"epsilon": 8}})


KIND = """
[company]
name = "Harbour AI"

[products.kind]
task = "{task}"
data = "{data}"
gate = {{ {gate} }}
ladder = ["{rung}"]
options = {{ refit = true{more} }}
price = {{ tiers = [{{ unit_price = "0.10" }}] }}
"""


def table(folder: Path, target: Callable[[float, float], Any]) -> str:
    """240 rows of two numbers and what comes of them."""
    draw = np.random.default_rng(5).normal(size=(240, 3))
    lines = [f"{a:.4f},{b:.4f},{target(a, b + 0.1 * noise)}" for a, b, noise in draw]
    (folder / "rows.csv").write_text("a,b,target\n" + "\n".join(lines) + "\n")
    return "rows.csv"


def pictures(folder: Path) -> str:
    """Dark and light squares, sixty of each."""
    draw = np.random.default_rng(5)
    for name, low in (("dark", 0), ("light", 120)):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(60):
            pixels = draw.integers(low, low + 130, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{number}.png")
    return "pictures"


@pytest.mark.parametrize(
    ("task", "rung", "gate", "make"),
    [
        (
            *("tabular-classification", "tabular-linear.v1", 'auc = ">= 0.6"'),
            lambda folder: table(folder, lambda a, b: "yes" if a + b > 0 else "no"),
        ),
        (
            *("tabular-regression", "tabular-linear.v1", 'r2 = ">= 0.3"'),
            lambda folder: table(folder, lambda a, b: f"{2 * a - b:.4f}"),
        ),
        ("image-classification", "pixels-linear.v1", 'accuracy = ">= 0.6"', pictures),
    ],
)
def test_tables_and_pictures_learn_from_all_rows_too(
    tmp_path: Path, task: str, rung: str, gate: str, make: Callable[[Path], str]
) -> None:
    more = ', leaks = "keep"' if task.startswith("tabular") else ""
    (tmp_path / "penstock.toml").write_text(
        KIND.format(task=task, rung=rung, gate=gate, more=more, data=make(tmp_path))
    )
    of = open_house(tmp_path, create=True)
    outcome = train(of, {"product": "kind", "rungs": []}, no_progress)["outcomes"][-1]
    with of.store.read() as tx:
        made = candidates.get_candidate(tx, outcome["candidate"])
    version = candidate_report(of, made.id).version
    assert made.refit is not None and made.refit["holds"] and made.refit["kept"] > 0.95
    assert made.refit["rows"] == version.rows_train + version.rows_test
    assert made.served != made.artifact
    assert Loader(of.blobs).load(made.served).labels == Loader(of.blobs).load(made.artifact).labels
