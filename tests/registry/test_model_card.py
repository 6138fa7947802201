"""The model card: what a buyer or an auditor wants to know of a model, in either language."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from evaluation.measured import PRICE, graded_report, measure, report, scripted, words_of_tasks
from registry.shelf import candidate, decide

from penstock.core.errors import BadInput
from penstock.datasets.report import KINDS, ClassCount, CleaningReport, Example, Finding
from penstock.datasets.versions import DatasetVersion
from penstock.evaluation.report import Report
from penstock.registry.candidates import Candidate
from penstock.registry.decisions import Decision
from penstock.registry.model_card import model_card
from penstock.storage.engine import Store
from penstock.workspace.records import Product

PRODUCT = Product.model_validate(
    {"task": "text-classification", "title": "Helpdesk router", "data": "x.csv", "gate": {}, "price": PRICE}
)
MEASURED = measure(*scripted([("a1", "billing", "billing"), ("a2", "billing", "card"), ("b1", "card", "card")]))


@pytest.fixture
def judged(store: Store) -> tuple[Candidate, Decision]:
    with store.transaction() as tx:
        made = candidate(tx, backbone="b" * 64)
        return made, decide(tx, made)


def card(
    made: Candidate, decision: Decision | None, locale: str = "en", measured: Report = MEASURED, **more: Any
) -> str:
    findings = tuple(Finding(kind, "train", 3, 1, "dropped") for kind in KINDS)
    cleaning = CleaningReport(1_200, 300, 0, 1_000, 300, (ClassCount("billing", 1_000, 300),), findings)
    version = DatasetVersion("d" * 64, "helpdesk", 2, "e" * 64, cleaning, 1_000, 300, None, "x.csv", made.created_at)
    return model_card(
        candidate=made, report=measured, decision=decision, version=version, product=PRODUCT, locale=locale, **more
    )


def test_the_card_says_what_the_model_does_from_which_data_how_well_and_its_limits(
    judged: tuple[Candidate, Decision],
) -> None:
    text = card(*judged)
    assert text.startswith("# Model card: Helpdesk router, Candidate 1\n")
    for said in (
        "one of 2 labels",
        "`billing`, `card`",
        "Trained on 1,000 rows, tested on 300 rows.",
        "rows that repeat an earlier one (train): 3; Dropped: 1",
        "| accuracy | 0.6667 | 0.2077 – 0.9385 |",
        "Passed the gate (2026-11-15)",
        "needs >= 0.8: yes",
        "judged 1 candidates",
        "Weakest labels: `billing` (F1 0.67)",
        f"artifact: `{judged[0].artifact}`",
        f"backbone: `{'b' * 64}`",
        MEASURED.latency.machine.cpu,
    ):
        assert said in text


def test_the_card_in_chinese_has_no_english_phrase_left(judged: tuple[Candidate, Decision]) -> None:
    text = card(*judged, locale="zh-CN", chinese=words_of_tasks())
    assert text.startswith("# 模型卡: Helpdesk router, 候选模型 1\n")
    assert text.count("\n## ") == card(*judged).count("\n## ") == 6
    plain = re.sub(r"`[^`]*`", "", text.replace(MEASURED.latency.machine.cpu, "").replace("Helpdesk router", ""))
    assert [line for line in plain.splitlines() if re.search("[A-Za-z]{4}", line)] == []


def test_a_candidate_that_was_not_judged_or_has_no_margin_or_backbone_says_so(store: Store) -> None:
    with store.transaction() as tx:
        made = candidate(tx)
    text = card(made, None, measured=report(gross_margin=None))
    assert "Not judged yet" in text and "| gross margin | none: the lowest price is zero |  |" in text
    assert "backbone" not in text


def test_the_card_of_estimates_speaks_of_no_labels_and_in_the_task_s_words(judged: tuple[Candidate, Decision]) -> None:
    text = card(*judged, measured=graded_report())
    assert "| rmse | 2.0000 | 1.5000 – 2.5000 |" in text
    assert not [line for line in text.splitlines() if re.search("It (always )?answers one|Weakest labels", line)]
    chinese = card(*judged, locale="zh-CN", measured=graded_report(), chinese={"rmse": "均方根误差"})
    assert "| 均方根误差 | 2.0000 | 1.5000 – 2.5000 |" in chinese


def test_a_refused_candidate_shows_why(store: Store) -> None:
    with store.transaction() as tx:
        made = candidate(tx)
        text = card(made, decide(tx, made, passes=False))
    assert "Refused by the gate" in text and "needs >= 0.8: no" in text


def test_hostile_labels_stay_text(judged: tuple[Candidate, Decision]) -> None:
    label = "x`\n# <script>alert(1)</script>"
    assert MEASURED.classes is not None
    hostile = replace(MEASURED.classes, labels=("billing", label))
    text = card(*judged, measured=replace(MEASURED, classes=hostile))
    assert "`x' # <script>alert(1)</script>`" in text


def test_a_card_in_another_language_is_refused(judged: tuple[Candidate, Decision]) -> None:
    with pytest.raises(BadInput, match="'fr'"):
        card(*judged, locale="fr")


def test_columns_left_out_are_named_with_the_reason_in_both_languages(judged: tuple[Candidate, Decision]) -> None:
    made, decision = judged
    leak = Example("duration`<b>", "AUC 0.810 alone, 0.783 of all other columns, 0.921 together", "")
    findings = (
        Finding("leak", "train", 1, 0, "left out", (leak,)),
        Finding(
            "no-input",
            "train",
            2,
            0,
            "left out",
            (Example("id", "an identifier", ""), Example("c", "always the same", "")),
        ),
        Finding("markers", "train", 1, 0, "kept", (Example("plan", "'none' in 240 of 600 rows", ""),)),
    )
    cleaning = CleaningReport(600, 0, 0, 480, 120, (), findings)
    version = DatasetVersion("d" * 64, "risk", 1, "e" * 64, cleaning, 480, 120, None, "x.csv", made.created_at)
    same: dict[str, Any] = {"candidate": made, "report": MEASURED, "decision": decision, "version": version}
    english = model_card(**same, product=PRODUCT, locale="en")
    assert "COLUMNS LEFT OUT: THEY PREDICT THE TARGET TOO WELL: `duration'<b>` (AUC 0.810 alone, 0.783 of" in english
    assert "columns that are no inputs: `id` (an identifier); `c` (always the same)" in english
    assert "Dropped: 0" not in english
    chinese = model_card(**same, product=PRODUCT, locale="zh-CN", chinese=words_of_tasks())
    assert "因预测力好得可疑而去掉的列: `duration'<b>` (单独 AUC 0.810，其余各列合计 0.783，全部合计 0.921)" in chinese
    assert "`id` (标识符); `c` (始终相同)" in chinese
    assert "`plan` ('none' 出现在 240 / 600 行中)" in chinese


def test_a_card_does_not_say_that_a_model_always_answers_which_may_be_unsure(
    judged: tuple[Candidate, Decision],
) -> None:
    unsure = replace(MEASURED, quality={**MEASURED.quality, "coverage": MEASURED.quality["accuracy"]})
    assert "It always answers one of its labels" in card(*judged)
    assert "It always answers one of its labels" not in card(*judged, measured=unsure)
    assert "Where it is not sure it gives no label" in card(*judged, measured=unsure)


def test_the_card_of_several_labels_says_so_in_both_languages(judged: tuple[Candidate, Decision]) -> None:
    several = replace(MEASURED, quality=dict.fromkeys(("micro_f1", "exact_match"), MEASURED.headline_metric))
    english, chinese = (card(*judged, locale=locale, measured=several) for locale in ("en", "zh-CN"))
    assert "any number of 2 labels" in english and "always answers one" not in english
    assert "2 个标签中的任意多个" in chinese and "各自阈值" in chinese
