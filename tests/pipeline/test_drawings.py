"""Charts are drawn by another process, once for each report and language, and a page never waits long for them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from analytics.harbour import Harbour
from pipeline.test_trying import harbour  # noqa: F401 - a fixture

from penstock.evaluation.html import Figure, Table
from penstock.pipeline.runs import drawings
from penstock.pipeline.runs.drawings import MOST_KEPT, Drawing, figures
from penstock.pipeline.runs.reports import candidate_report

DRAWN = (Figure("F1", "", "", "F1 0.9", "<svg/>", Table(["a"], [["b"]]), "<svg/>"),)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that a child was asked to draw."""
    asked: list[str] = []

    def child(module: str, job: str, arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments["locale"])
        return {"drawn": msgspec.to_builtins(DRAWN)}

    monkeypatch.setattr(drawings, "run_child", child)
    return asked


def test_a_report_is_drawn_once_for_each_language(harbour: Harbour, drawn: list[str]) -> None:  # noqa: F811
    for locale in ("en", "en", "zh-CN", "zh-CN", "en"):
        assert figures(harbour.house, "d" * 64, locale, {}) == DRAWN
    assert drawn == ["en", "zh-CN"]


def test_what_was_drawn_is_bounded_and_what_is_damaged_is_drawn_again(
    harbour: Harbour,  # noqa: F811
    drawn: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawings, "MOST_KEPT", 3)
    for number in range(5):
        figures(harbour.house, f"{number}", "en", {})
    kept = sorted(Path(harbour.house.workspace.state / "cache" / "drawings").glob("*.json"))
    assert len(kept) == 3 < MOST_KEPT
    for place in kept:
        place.write_text("{")
    figures(harbour.house, "4", "en", {})
    assert len(drawn) == 6


def test_a_page_does_not_wait_for_slow_drawing_and_has_it_later(
    harbour: Harbour,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(module: str, job: str, arguments: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.4)
        return {"drawn": msgspec.to_builtins(DRAWN)}

    monkeypatch.setattr(drawings, "run_child", slow)
    monkeypatch.setattr(drawings, "PATIENCE_S", 0.05)
    made = harbour.candidate("helpdesk", "ngram-linear.v1", 117)
    report = candidate_report(harbour.house, made.id)
    with pytest.raises(Drawing):
        figures(harbour.house, made.report_blob, "en", {})
    assert report.page(harbour.house, "en").figures is None
    time.sleep(1.0)
    assert report.page(harbour.house, "en").figures == DRAWN


def test_the_child_draws_what_a_report_holds(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(drawings, "PATIENCE_S", 300.0)
    made = harbour.candidate("helpdesk", "ngram-linear.v1", 117)
    found = figures(harbour.house, made.report_blob, "zh-CN", {})
    assert len(found) >= 3 and all("<svg" in one.svg and "<svg" in one.narrow for one in found)
    assert "var(--chart-ink" in found[0].svg and "style=" not in found[0].svg
