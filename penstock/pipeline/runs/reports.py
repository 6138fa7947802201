"""A candidate with all that is known of it: its report, the last decision, its data; as facts, table, page or card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from penstock import installed
from penstock.core.clock import local_text
from penstock.core.errors import BadInput, Conflict, GateRefused, Unavailable
from penstock.datasets.versions import DatasetVersion, find_version
from penstock.evaluation.html import Figure, Page, report_html, report_page
from penstock.evaluation.report import Report, summary_rows
from penstock.evaluation.words import speaker
from penstock.pipeline.artifacts import get_report
from penstock.pipeline.climb.frontier import chosen_among
from penstock.pipeline.runs.drawings import FILE_PATIENCE_S, Drawing, figures
from penstock.registry.candidates import Candidate, find_candidate, get_candidate, list_candidates
from penstock.registry.decisions import Decision, latest_decision
from penstock.registry.model_card import model_card, refit_in_words
from penstock.registry.releases import list_releases
from penstock.runtime.house import House
from penstock.storage.engine import Transaction
from penstock.workspace.records import Product


@dataclass(frozen=True)
class CandidateReport:
    """One candidate, measured and judged."""

    candidate: Candidate
    report: Report
    decision: Decision | None
    version: DatasetVersion
    product: Product | None
    currency: str
    timezone: str
    locale: str

    @property
    def title(self) -> str:
        return f"{self.candidate.product}, candidate {self.candidate.number} ({self.candidate.rung})"

    def facts(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        decision = None if self.decision is None else self.decision.to_json()
        return {"candidate": self._candidate(), "report": self.report.to_json(), "decision": decision}

    def summary_rows(self) -> list[dict[str, Any]]:
        return [
            {"metric": r.metric, "value": r.value, "95%": r.interval, "note": r.note} for r in summary_rows(self.report)
        ]

    def reason_rows(self) -> list[dict[str, Any]]:
        if self.decision is None:
            return []
        rows = [{"": "yes" if reason["passed"] else "no", "reason": reason["text"]} for reason in self.decision.reasons]
        refit = refit_in_words(self.candidate, speaker("en"))
        return rows if refit is None else [*rows, {"": "", "reason": refit}]

    def html(self, house: House | None = None) -> str:
        """The report as one self-contained page in the company's language. house: keeps its charts, and has them drawn
        by another process; without it they are drawn here."""
        decision = None if self.decision is None else self.decision.to_json()
        cleaning, chinese = self.version.report.to_json(), self._chinese()
        drawn = None if house is None else _whole(house, self.candidate.report_blob, self.locale, chinese)
        return report_html(self.report, self._candidate(), decision, cleaning, self.locale, chinese, drawn)

    def page(self, house: House, locale: str) -> Page:
        """The same for a page with a layout of its own, in another language too; its charts are drawn once, and missing
        while they are being drawn: None instead of `figures`."""
        decision = None if self.decision is None else self.decision.to_json()
        cleaning, chinese = self.version.report.to_json(), self._chinese()
        drawn: tuple[Figure, ...] | None
        try:
            drawn = figures(house, self.candidate.report_blob, locale, chinese)
        except Drawing:
            drawn = None
        page = report_page(self.report, self._candidate(), decision, cleaning, locale, chinese, drawn or ())
        return page if drawn is not None else replace(page, figures=None)

    def card(self) -> str:
        """The model card, in markdown."""
        return model_card(
            candidate=self.candidate,
            report=self.report,
            decision=self.decision,
            version=self.version,
            product=self.product,
            locale=self.locale,
            chinese=self._chinese(),
        )

    def _chinese(self) -> Mapping[str, str]:
        return {} if self.product is None else installed.of(self.product).chinese

    def _refit(self) -> dict[str, str]:
        told = refit_in_words(self.candidate, speaker(self.locale))
        return {} if told is None else {"refit": told, "served": self.candidate.served}

    def _candidate(self) -> dict[str, Any]:
        facts = {
            **vars(self.candidate),
            "created_at": local_text(self.candidate.created_at, self.timezone),
            "currency": self.currency,
            **self._refit(),
        }
        title = self.product.title if self.product is not None else ""
        return {**facts, "title": title or self.candidate.product, "data_version": self.version.number}


def candidate_report(house: House, reference: str, number: str | None = None) -> CandidateReport:
    """By candidate id, PRODUCT/NUMBER, or PRODUCT for its newest candidate, or the one of that number or id."""
    with house.store.read() as tx:
        candidate = named_candidate(tx, house, reference, number)
        return CandidateReport(
            candidate=candidate,
            report=get_report(house.blobs, candidate.report_blob),
            decision=latest_decision(tx, candidate.id),
            version=find_version(tx, candidate.product, candidate.dataset_version),
            product=house.workspace.products.get(candidate.product),
            currency=house.workspace.company.currency,
            timezone=house.workspace.company.timezone,
            locale=house.workspace.company.locale,
        )


def passed_candidate(house: House, tx: Transaction, product: str, reference: str | None) -> tuple[Candidate, str]:
    """The candidate named; or, of those that passed the gate and were never released, the newest, or the one chosen
    among those that were explored together with it. And why it is this one."""
    if reference is not None:
        return find_candidate(tx, product, reference), "was named"
    released = {release.candidate for release in list_releases(tx, product)}
    passed = [
        candidate
        for candidate in reversed(list_candidates(tx, product))
        if candidate.id not in released and (found := latest_decision(tx, candidate.id)) is not None and found.passed
    ]
    if passed:
        return chosen_among(house, tx, house.workspace.products.get(product), passed[0], passed)
    if released:
        raise Conflict(
            f"every candidate of {product} that passed the gate is released already",
            hint=f"train a new one (penstock train {product}), or go back to an earlier release (penstock rollback)",
        )
    raise GateRefused(f"no candidate of {product} passed the gate", hint=f"penstock train {product}")


def split_reference(product: str, candidate: str | None) -> tuple[str, str | None]:
    """(product, candidate) of what people type: P/3, or P and a candidate beside it. Raises BadInput for two."""
    owner, slash, number = product.partition("/")
    if not slash:
        return product, candidate
    if candidate is not None and candidate not in (number, product):
        raise BadInput(f"{product} and {candidate} are two candidates", where="--candidate", hint="name one of them")
    return owner, number


def named_candidate(tx: Transaction, house: House, reference: str, number: str | None = None) -> Candidate:
    """By candidate id, PRODUCT/NUMBER, or PRODUCT for its newest candidate, or the one of that number or id. Raises
    NotFound, BadInput."""
    product, within = split_reference(reference, number)
    if within is not None:
        return find_candidate(tx, product, within)
    if product not in house.workspace.products:
        return get_candidate(tx, reference)
    found = list_candidates(tx, product)
    if not found:
        raise BadInput(f"{product} has no candidate yet", hint=f"penstock train {product}")
    return found[-1]


def _whole(house: House, digest: str, locale: str, chinese: Mapping[str, str]) -> tuple[Figure, ...]:
    """A file to keep has all its charts: it waits for them. Raises Unavailable when that takes minutes."""
    try:
        return figures(house, digest, locale, chinese, patience_s=FILE_PATIENCE_S)
    except Drawing:
        raise Unavailable("the charts are being drawn", hint="try again in a moment") from None
