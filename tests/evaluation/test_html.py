"""The report as a page: complete, safe with hostile texts, in both languages, readable without its charts."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from evaluation.measured import FREE, differing, graded_report, measure, needs, report, scripted, words_of_tasks

import penstock.evaluation
from penstock.core.errors import BadInput
from penstock.datasets.report import KINDS, ClassCount, CleaningReport, Finding
from penstock.evaluation.gate import judge
from penstock.evaluation.html import report_html
from penstock.evaluation.report import Report
from penstock.evaluation.words import reason_in_words, speaker

FACTS = {
    "id": "cand_1",
    "product": "helpdesk",
    "number": 3,
    "rung": "ngram-linear.v1",
    "artifact": "ab" * 32,
    "backbone": None,
    "dataset_version": "cd" * 32,
    "data_version": 2,
    "seed": 0,
    "report_blob": "ef" * 32,
    "seconds": 4.2,
    "created_at": "2026-11-15T08:00:00+00:00",
    "currency": "USD",
}
CLEANING = CleaningReport(
    100, 20, 0, 97, 20, (ClassCount("a", 97, 20),), tuple(Finding(kind, "train", 3, 0, "kept") for kind in KINDS)
).to_json()
ROWS = [("a1", "a", "a"), ("a2", "a", "b"), ("b1", "b", "b"), ("b2", "b", "b"), ("b3", "b", "a")]


@cache
def measured(rows: tuple[tuple[str, str, str], ...] = tuple(ROWS)) -> Report:
    return measure(*scripted(rows))


def decided(made: Report) -> dict[str, Any]:
    """A no with a reason of every kind, as the registry's JSON."""
    conditions = (needs("accuracy", ">=", 0.9), needs("latency_p95_ms", "<=", 50), needs("gross_margin", ">=", 0.7))
    verdict = judge(replace(made, parity=differing(0.5)), conditions, made).to_json()
    return {**verdict, "incumbent": "cand_0", "test_uses": 4, "signature": "0" * 64}


def page(made: Report, locale: str = "en", **options: Any) -> str:
    """The page about a candidate; options: `decision`, `cleaning`, `chinese`, and more `facts` to show."""
    facts = {**FACTS, **options.get("facts", {})}
    chinese = options.get("chinese", {})
    return report_html(made, facts, options.get("decision"), options.get("cleaning"), locale, chinese)


@cache
def full_page(locale: str = "en") -> str:
    """The page of a candidate that was judged, with what cleaning found."""
    return page(measured(), locale, decision=decided(measured()), cleaning=CLEANING, chinese=words_of_tasks())


@cache
def plain_page() -> str:
    """The page of a candidate that nobody judged."""
    return page(measured())


class Reader(HTMLParser):
    """What a browser would find: elements with their attributes, and the text outside style and drawings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._hidden = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._hidden += tag in ("style", "svg")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "svg")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.text.append(data.strip())

    def count(self, tag: str) -> int:
        return sum(1 for each, _ in self.elements if each == tag)


def drawings(text: str) -> list[str]:
    """The drawings for a wide page; each has a narrow one beside it."""
    return re.findall(r'<div class="broad">(<svg.*?</svg>)', text, flags=re.DOTALL)


def names_in(svg: str) -> list[str]:
    """Every piece of text that a drawing shows."""
    return [text for element in ElementTree.fromstring(svg).iter() for text in [element.text or ""] if text.strip()]


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_the_page_shows_everything_in_either_language(locale: str) -> None:
    text = full_page(locale)
    found = Reader(text)
    assert found.elements[0] == ("html", {"lang": locale})
    assert found.count("h1") == 1 and found.count("svg") == 8  # each drawn for a page and for a phone
    shown = " ".join(found.text)
    for fact in (
        "helpdesk",
        "ngram-linear.v1",
        "cand_1",
        "ab" * 32,
        "cand_0",
        measured().rows_digest,
        "a2",
        "0.04 USD",
    ):
        assert fact in shown


def test_nothing_on_the_page_is_run_or_fetched() -> None:
    found = Reader(full_page())
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & {tag for tag, _ in found.elements}
    names = {name for _, attributes in found.elements for name in attributes}
    assert not {"src", "href", "srcset", "xlink:href"} & names and not any(name.startswith("on") for name in names)
    assert "url(http" not in full_page()


def test_each_chart_has_words_for_those_who_cannot_see_it_and_a_table_behind_it() -> None:
    text = plain_page()
    figures = text.split("<figure>")[1:]
    assert len(figures) == 4
    for figure in figures:
        assert re.search(r'role="img" aria-label="[^"]{10,}"', figure)
        behind = figure.split("<details>")[1].split("</details>")[0]
        assert "<table>" in behind and behind.count("<tr>") >= 2


def test_every_drawing_is_well_formed_and_names_its_labels() -> None:
    bars, heat, reliability, latency = map(names_in, drawings(plain_page()))
    assert {"a", "b", "F1"} <= set(bars) and {"True label", "Answered"} <= set(heat)
    assert "Share right" in reliability and any(name.startswith("p95 ") for name in latency)


def test_hostile_texts_and_labels_are_shown_and_never_run() -> None:
    attack = "<script>alert(1)</script>"
    label = '"><img src=x onerror=alert(2)>'
    made = measured(((attack, "plain", label), ("b", "plain", "plain"), ("c", label, label)))
    decision = {**decided(made), "incumbent": attack, "signature": attack}
    text = page(made, decision=decision, facts={"title": attack, "rung": label, "currency": attack, attack: attack})
    found = Reader(text)
    assert not {"script", "img"} & {tag for tag, _ in found.elements}
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert attack in found.text and label in found.text
    assert any(label in name for svg in drawings(text) for name in names_in(svg))


def test_77_classes_fit_the_weakest_are_drawn_and_all_are_listed() -> None:
    labels = [f"intent_{n:02d}" for n in range(77)]
    rows = tuple(
        (f"text {n} {k}", label, labels[(n + 1) % 77] if k < n % 4 else label)
        for n, label in enumerate(labels)
        for k in range(5)
    )
    text = page(measured(rows))
    assert "the 25 weakest of 77 classes" in text
    bars, heat, *_ = drawings(text)
    assert sum(name.startswith("intent_") for name in names_in(bars)) == 25
    assert len({name for name in names_in(heat) if name.startswith("intent_")}) <= 14
    listed = {line for line in Reader(text).text if line.startswith("intent_")}
    assert listed == set(labels)
    assert len(text) < 1_500_000


def test_chinese_labels_and_texts_are_drawn_and_listed() -> None:
    made = measured(
        (("包裹到哪里了", "物流查询", "物流查询"), ("要退钱", "退款", "物流查询"), ("退款呢", "退款", "退款"))
    )
    text = page(made, "zh-CN", facts={"title": "客服意图识别"})
    assert "<h1>客服意图识别</h1>" in text
    assert {"物流查询", "退款"} <= set(names_in(drawings(text)[0]))
    assert "要退钱" in Reader(text).text


def test_a_faultless_model_has_no_confusion_to_draw() -> None:
    text = page(measured((("a1", "a", "a"), ("b1", "b", "b"))))
    assert len(drawings(text)) == 3 and "No test row was answered wrongly." in text


CHINESE = {
    "rmse": "均方根误差",
    "mae": "平均绝对误差",
    "Errors by region": "各地区误差",
    "The mean error of each region.": "各地区的平均误差。",
    "Region": "地区",
    "Error": "误差",
    "north": "北方",
    "this": "本期",
}


@pytest.mark.parametrize(
    ("locale", "title", "note", "header", "axis", "bar", "line"),
    [
        ("en", "Errors by region", "The mean error of each region.", "Region", "Error", "north", "this"),
        ("zh-CN", "各地区误差", "各地区的平均误差。", "地区", "误差", "北方", "本期"),
    ],
)
def test_a_task_s_own_sections_are_drawn_and_listed_in_either_language(
    locale: str, title: str, note: str, header: str, axis: str, bar: str, line: str
) -> None:
    text = page(graded_report(), locale, chinese=CHINESE)
    shown, (bars, lines, _latency) = Reader(text).text, map(names_in, drawings(text))
    assert {title, note, header, bar, "2.50", "1.50"} <= set(shown)
    assert {axis, bar, "south"} <= set(bars) and {axis, line, "last"} <= set(lines)
    assert text.count("<figure>") == 3 and shown.count("2.50") == 3  # the section without a chart has its table too
    assert re.search(rf'aria-label="{title}: {"north 2.5, south 1.5"}"', text)


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_a_report_without_classes_has_no_part_on_worst_errors(locale: str) -> None:
    heading = speaker(locale)("Worst errors")
    assert heading in Reader(page(measured(), locale)).text
    assert heading not in Reader(page(graded_report(), locale)).text


def test_figures_that_are_no_shares_are_shown_as_numbers() -> None:
    shown = Reader(page(graded_report())).text
    assert {"2.000", "1.500 – 2.500"} <= set(shown) and "200.0%" not in shown


def test_a_free_product_says_that_there_is_no_margin() -> None:
    text = page(measure(*scripted(ROWS), price=FREE))
    assert "none: the lowest price is zero" in text


@pytest.mark.parametrize(("passed", "words"), [(True, "Passed the gate"), (False, "Refused by the gate")])
def test_the_decision_comes_first_with_its_reasons(passed: bool, words: str) -> None:
    text = page(measured(), decision={**decided(measured()), "passed": passed})
    assert words in text and "needs &gt;= 0.9: no" in text
    assert "Not judged yet" in plain_page()


def test_a_chinese_page_has_no_english_phrase_left() -> None:
    found = Reader(full_page("zh-CN"))
    machine = measured().latency.machine
    names = [str(value) for value in FACTS.values() if len(str(value)) > 5]
    names += [machine.cpu, machine.system, *machine.features, measured().rows_digest, "onnxruntime", "Python"]
    shown = "\n".join(found.text)
    for name in sorted(names, key=len, reverse=True):
        shown = shown.replace(name, "")
    assert [line for line in shown.splitlines() if re.search("[A-Za-z]{5}", line)] == []


def test_every_phrase_of_the_page_is_translated() -> None:
    room = Path(penstock.evaluation.__file__).parent
    sources = [room / "html.py", room / "charts.py", room / "templates" / "report.html"]
    phrases = {phrase for source in sources for phrase in re.findall(r'say\("([^"]+)"\)', source.read_text("utf-8"))}
    house, any_task = speaker("zh-CN"), speaker("zh-CN", words_of_tasks())
    assert len(phrases) > 30
    assert [phrase for phrase in sorted({*phrases, *report().metrics}) if house(phrase) == phrase] == []
    assert [phrase for phrase in sorted(KINDS.values()) if any_task(phrase) == phrase] == []


@pytest.mark.parametrize("kind", range(6))
def test_every_reason_of_a_decision_is_told_in_chinese(kind: int) -> None:
    conditions = (needs("accuracy", ">=", 0.95), needs("ece", "<=", 0.5), needs("gross_margin", ">=", 0.7))
    free = report(gross_margin=None)
    reasons = [*judge(free, conditions, report(95)).to_json()["reasons"], judge(free, (), None).to_json()["reasons"][0]]
    english, chinese = (reason_in_words(reasons[kind], locale, speaker(locale)) for locale in ("en", "zh-CN"))
    assert english == reasons[kind]["text"]
    assert re.search("[一-鿿]", chinese) and not re.search("[A-Za-z]{3}", chinese)


def test_in_chinese_too_no_row_of_the_test_is_left_where_all_left_training() -> None:
    reason = {"kind": "contamination", "metric": "contamination", "passed": True, "threshold": 0.01}
    none, some = (reason_in_words({**reason, "value": v}, "zh-CN", speaker("zh-CN")) for v in (0.0, 0.004))
    assert "已全部移除" in none and "仍有" not in none
    assert "仍有" in some and "0.4%" in some


def test_another_language_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="'fr'") as caught:
        page(measured(), "fr")
    assert "zh-CN" in str(caught.value.hint)
