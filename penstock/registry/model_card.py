"""The model card: what a candidate does, from which data, how well, at what cost, and its limits; in markdown."""

from __future__ import annotations

from penstock.datasets.versions import DatasetVersion
from penstock.evaluation.report import Report, summary_rows
from penstock.registry.candidates import Candidate
from penstock.registry.decisions import Decision
from penstock.workspace.records import Product

_ZH = {
    "Model card": "模型卡",
    "What it does": "用途",
    "Data": "数据",
    "Measured": "测得",
    "The gate": "准入判定",
    "Limits": "局限",
    "Hashes": "哈希",
}


def model_card(
    *,
    candidate: Candidate,
    report: Report,
    decision: Decision | None,
    version: DatasetVersion,
    product: Product | None,
    locale: str,
) -> str:
    """The card of one candidate. locale: "en" or "zh-CN", the language of its headings."""

    def head(text: str) -> str:
        return f"\n## {_ZH[text] if locale == 'zh-CN' else text}\n"

    name = product.title if product is not None and product.title else candidate.product
    return "\n".join(
        [
            f"# {_ZH['Model card'] if locale == 'zh-CN' else 'Model card'}: {name}, candidate {candidate.number}",
            head("What it does"),
            f"Assigns one of {len(report.labels)} labels to a text: {', '.join(report.labels)}.",
            f"Trained by the recipe `{candidate.rung}` with seed {candidate.seed} in {candidate.seconds:.1f} s.",
            head("Data"),
            f"Version {version.number} from `{version.source}`: {version.rows_train:,} rows to train, "
            f"{version.rows_test:,} to test. Cleaning found:",
            "",
            *(f"- {row['what']}: {row['rows']}, {row['done']}" for row in version.report.table()),
            head("Measured"),
            "| metric | value | 95% interval | note |",
            "|---|---|---|---|",
            *(f"| {r.metric} | {r.value} | {r.interval} | {r.note} |" for r in summary_rows(report)),
            head("The gate"),
            *_decision(decision),
            head("Limits"),
            "It knows only the labels above and the language of its training rows. Figures hold for texts like the test's.",
            *_weakest(report),
            head("Hashes"),
            f"- artifact `{candidate.artifact}`",
            f"- backbone `{candidate.backbone or 'none'}`",
            f"- data version `{candidate.dataset_version}`",
            f"- report `{candidate.report_blob}`",
            "",
        ]
    )


def _decision(decision: Decision | None) -> list[str]:
    if decision is None:
        return ["Not judged."]
    verdict = f"{'Yes' if decision.passed else 'No'}, on {decision.created_at:%Y-%m-%d}:"
    return [verdict, "", *(f"- {reason['text']}" for reason in decision.reasons)]


def _weakest(report: Report) -> list[str]:
    weakest = sorted(report.per_class, key=lambda one: one.f1.value)[:3]
    said = ", ".join(f"{one.label} (F1 {one.f1.value:.2f} on {one.support} rows)" for one in weakest)
    return [f"Weakest labels: {said}."]
