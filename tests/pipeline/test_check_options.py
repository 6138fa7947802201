"""[products.NAME.options]: only what the product's task knows, refused with file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.rows import Prepared
from penstock.pipeline.check import check_workspace
from penstock.tasks.tabular.train import problem
from penstock.training.records import TrainRequest
from penstock.workspace.loader import load
from penstock.workspace.records import Product, Record

TOML = """\
[company]
name = "Harbour AI"

[products.desk]
task = "text-classification"
data = "desk.csv"
gate = { accuracy = ">= 0.5" }
price = { tiers = [{ unit_price = "0.10" }] }

[products.desk.options]
depth = 3
"""


class Options(Record):
    """A task that can be told how deep to look."""

    depth: int = Field(default=1, ge=1, le=9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"parcel {n},parcel\nbill {n},bill\n" for n in range(10)]
    (tmp_path / "desk.csv").write_text("text,label\n" + "".join(rows))
    (tmp_path / "penstock.toml").write_text(TOML)
    return tmp_path


def test_an_option_that_the_task_does_not_know_is_refused_with_file_and_line(folder: Path) -> None:
    with pytest.raises(BadInput) as caught:
        check_workspace(load(folder))
    every = ", ".join(installed.get("text-classification").options.model_fields)
    assert str(caught.value) == (
        "penstock.toml:11: products.desk.options.depth: is not an option\n  options of text-classification: " + every
    )
    assert "suspect_labels" in every


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("depth = 30", "less than or equal to 9"),
        ('depth = "deep"', "valid integer"),
        ("width = 1", "is not an option"),
    ],
)
def test_an_option_that_the_task_cannot_use_says_why_and_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    texts = installed.get("text-classification")

    def prepare(product: Product, folder: Path, extra: Sequence[Mapping[str, Any]]) -> Prepared:
        return texts.prepare(product.model_copy(update={"options": {}}), folder, extra)

    task = replace(texts, options=Options, prepare=prepare, ladder=("popularity.v1",))
    monkeypatch.setattr("penstock.installed.get", lambda name: task)
    (found,) = check_workspace(load(folder))
    assert (found["product"], found["train"] + found["test"]) == ("desk", 20)
    (folder / "penstock.toml").write_text(TOML.replace("depth = 3", line))
    place = f"penstock.toml:11: products.desk.options.{line.split()[0]}: "
    with pytest.raises(BadInput, match=f"{place}.*{said}"):
        check_workspace(load(folder))


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ('suspect_labels = "drop"', "'keep', 'down-weight' or 'remove'"),
        ("augment = -1", "greater than or equal to 0"),
        ("robust_rows = 0.5", "integer"),
        ('recipes."nosuch.v1" = { epochs = 3 }', "unknown rung 'nosuch.v1'"),
    ],
)
def test_what_a_text_product_cannot_do_is_refused_at_its_line(folder: Path, option: str, why: str) -> None:
    (folder / "penstock.toml").write_text(TOML.replace("depth = 3", option))
    with pytest.raises(BadInput, match=re.escape(why)) as caught:
        check_workspace(load(folder))
    assert str(caught.value).startswith("penstock.toml:11: products.desk.options.")


def test_a_ladder_of_another_task_s_rungs_is_refused_and_this_task_s_are_listed(folder: Path) -> None:
    (folder / "penstock.toml").write_text(TOML.replace("[products.desk.options]\ndepth = 3", 'ladder = ["gbdt.v1"]'))
    with pytest.raises(BadInput, match=r"unknown rung 'gbdt.v1'.*\n.*rungs of text-classification: ngram-linear.v1"):
        check_workspace(load(folder))
    other = installed.get("tabular-classification").ladder[0]
    (folder / "penstock.toml").write_text(TOML.replace("[products.desk.options]\ndepth = 3", f'ladder = ["{other}"]'))
    with pytest.raises(BadInput, match=f"the rung '{other}' is none of text-classification"):
        check_workspace(load(folder))


def test_check_tells_that_train_will_refuse_a_gate_that_so_few_rows_cannot_prove(folder: Path) -> None:
    toml = TOML.replace("[products.desk.options]\ndepth = 3", "")
    (folder / "penstock.toml").write_text(toml.replace(">= 0.5", ">= 95%"))
    (facts,) = check_workspace(load(folder))
    (told,) = facts["told"]
    assert told.startswith("train will refuse this gate on this test: accuracy >= 0.95: a model that answers all")


BACKBONE = """
[backbones.own]
source = "path:own"
"""
DESK = 'backbone = "own"\nladder = ["ngram-linear.v1", "RUNG"]\noptions = { recipes = { "RUNG" = { RECIPE } } }'


@pytest.mark.parametrize(
    ("rung", "recipe", "why"),
    [
        ("full.v1", "epochs = 0", "epochs must be above 0"),
        ("full.v1", "depth = 3", "unknown 'depth' in the recipe of full.v1"),
        ("blend.v1", "batch = 1.5", "1.5 is not a whole number"),
        ("lora.v1", "rank = 0", "rank must be a whole number from 1 to 256, not 0"),
        ("lora.v1", "adversarial = 0.5", "adversarial needs an embedding that learns"),
        ("static.v1", 'patience = 2, schedule = "constant"', "patience needs held-out rows"),
    ],
)
def test_a_recipe_that_its_rung_would_refuse_is_refused_by_check_at_its_line(
    folder: Path, rung: str, recipe: str, why: str
) -> None:
    options = DESK.replace("RUNG", rung).replace("RECIPE", recipe)
    toml = TOML.replace("[products.desk.options]\ndepth = 3\n", "").replace(
        'data = "desk.csv"', f'data = "desk.csv"\n{options}'
    )
    (folder / "penstock.toml").write_text(toml + BACKBONE)
    with pytest.raises(BadInput) as caught:
        check_workspace(load(folder))
    assert str(caught.value).startswith(
        f"penstock.toml:9: products.desk.options.recipes.{rung}: train will refuse {rung}"
    )
    assert why in str(caught.value)
    with pytest.raises(BadInput) as refused:
        installed.rungs()[rung].check(request_of(folder, rung))
    assert refused.value.message in str(caught.value)


def request_of(folder: Path, rung: str) -> TrainRequest:
    product = load(folder).products["desk"]
    task = installed.get(product.task)
    train = task.split(task.prepare(product, folder, ()).train, product)
    return TrainRequest(train=train, options=product.options, recipe=product.options["recipes"][rung])


def test_a_ladder_whose_rungs_all_lack_a_backbone_is_refused(folder: Path) -> None:
    (folder / "penstock.toml").write_text(
        TOML.replace("[products.desk.options]\ndepth = 3", 'ladder = ["frozen-linear.v1"]')
    )
    with pytest.raises(BadInput, match="every rung of the ladder needs a backbone"):
        check_workspace(load(folder))


@pytest.mark.parametrize(
    ("labels", "options", "why"),
    [
        ("abc", 'monotone = { x = "+" }', "options.monotone.x: needs two labels or a number to predict"),
        ("ab", "", "features; at most 3 are trained on"),
    ],
)
def test_what_the_rungs_of_tables_would_refuse_is_refused_by_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str, options: str, why: str
) -> None:
    if not options:
        monkeypatch.setattr(problem, "MOST_FEATURES", 3)
    rows = [f"{(n * 37) % 101},{'pqrs'[(n // 3) % 4]},{labels[(n * 7) % len(labels)]}" for n in range(120)]
    (tmp_path / "t.csv").write_text("x,kind,y\n" + "\n".join(rows) + "\n")
    toml = TOML.replace("text-classification", "tabular-classification").replace("desk.csv", "t.csv")
    toml = toml.replace("accuracy", "auc").replace("depth = 3", f'target = "y"\n{options}')
    (tmp_path / "penstock.toml").write_text(toml)
    with pytest.raises(BadInput, match=f"train will refuse gradient-descent.v1: .*{why}"):
        check_workspace(load(tmp_path))


@pytest.mark.parametrize(
    ("ladder", "options", "why"),
    [
        (
            '["ngram-linear.v1", "lora.v1"]',
            "",
            "5: products.desk.ladder: the rung 'lora.v1' gives one label for a text",
        ),
        ('["oracle.v1"]', "", "5: products.desk.ladder: unknown rung 'oracle.v1'"),
        ("[]", "abstain = true", "options: abstain does not go with multi_label: a text that no label fits"),
        ("[]", 'label_separator = "//"', "options: label_separator is one sign"),
        ("[]", "", " rows have the label 'parcel'\n  a label is learned from 2 rows that have it and 2 that do not"),
    ],
)
def test_what_does_not_go_with_several_labels_is_refused_at_its_line(
    folder: Path, ladder: str, options: str, why: str
) -> None:
    (folder / "desk.csv").write_text(
        "text,label\n" + "".join(f"no {n * 7919},parcel{'|bill' * (n % 2)}\n" for n in range(25))
    )
    toml = TOML.replace("depth = 3", f"multi_label = true\n{options}").replace("accuracy", "micro_f1")
    toml = toml.replace('task = "text', f'ladder = {ladder}\ntask = "text')
    (folder / "penstock.toml").write_text(toml)
    with pytest.raises(BadInput) as caught:
        check_workspace(load(folder))
    assert why in str(caught.value)
    if "ngram-linear.v1, lora" in ladder.replace('"', ""):
        assert "rungs with multi_label = true: ngram-linear.v1, frozen-linear.v1" in str(caught.value)
