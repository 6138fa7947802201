"""The model card: what a candidate does, from which data, how well, at what cost, and its limits; in markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from penstock.datasets.report import COLUMN_KINDS
from penstock.datasets.versions import DatasetVersion
from penstock.evaluation.report import Report, summary_rows
from penstock.evaluation.words import (
    ABSTAINS,
    ANSWERS_ALWAYS,
    GIVES_NONE,
    GIVES_ONE,
    GIVES_SEVERAL,
    NOT_REFIT,
    REFIT,
    Say,
    finding_in_words,
    plain_number,
    reason_in_words,
    speaker,
)
from penstock.registry.candidates import Candidate
from penstock.registry.decisions import Decision
from penstock.workspace.records import Product

WEAKEST = 3


def model_card(
    *,
    candidate: Candidate,
    report: Report,
    decision: Decision | None,
    version: DatasetVersion,
    product: Product | None,
    locale: str,
    chinese: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The card of one candidate in the language of `locale`, "en" or "zh-CN". Raises BadInput for another one.

    chinese: the task's own words.
    """
    say = speaker(locale, chinese)
    name = product.title if product is not None and product.title else candidate.product
    sections = (
        (say("What it does"), _purpose(candidate, report, product, say)),
        (say("Data"), _data(candidate, version, report, say)),
        (say("Metrics"), _metrics(report, say)),
        (say("gate"), _decision(decision, locale, say)),
        (say("Limits"), _limits(report, decision, say)),
        (say("Hashes"), _hashes(candidate, say)),
    )
    lines = [f"# {say('Model card')}: {name}, {say('Candidate')} {candidate.number}"]
    for heading, content in sections:
        lines += ["", f"## {heading}", "", *content]
    return "\n".join([*lines, ""])


def _purpose(candidate: Candidate, report: Report, product: Product | None, say: Say) -> Iterator[str]:
    if report.classes is not None:
        labels = report.classes.labels
        told = GIVES_SEVERAL if "exact_match" in report.quality else GIVES_ONE
        yield say(told).format(total=len(labels))
        yield ""
        yield f"- {say('Label')}: {', '.join(map(_code, labels))}"
    if product is not None:
        yield f"- {say('task')}: {_code(product.task)}"
    yield f"- {say('rung')}: {_code(candidate.rung)}"
    yield f"- {say('seed')}: {candidate.seed}"
    yield f"- {say('seconds')}: {candidate.seconds:.1f}"


def _data(candidate: Candidate, version: DatasetVersion, report: Report, say: Say) -> Iterator[str]:
    rows = say("Trained on {train} rows, tested on {test} rows.")
    yield rows.format(train=f"{version.rows_train:,}", test=f"{version.rows_test:,}")
    if strange := report.rows_of_unknown_labels:
        told = say("{rows} of them have a label that the training rows lack, and count as wrong.")
        yield told.format(rows=f"{strange:,}")
    yield from _refit(candidate, say)
    yield ""
    yield f"- {say('data_version')}: {version.number} ({_code(version.source)})"
    for finding in version.report.findings:
        what = finding_in_words(finding, say, _code)
        if finding.kind in COLUMN_KINDS:
            yield f"- {what}"
        else:
            yield f"- {what} ({say(finding.part)}): {finding.found:,}; {say('Dropped')}: {finding.dropped:,}"


def _refit(candidate: Candidate, say: Say) -> Iterator[str]:
    if (told := refit_in_words(candidate, say)) is not None:
        yield ""
        yield told


def refit_in_words(candidate: Candidate, say: Say) -> str | None:
    """What became of training it once more on all rows; None where nobody asked for that."""
    refit = candidate.refit
    if refit is None:
        return None
    shares = {name: f"{refit[name]:.1%}" for name in ("agreement", "kept")}
    return say(REFIT if refit["holds"] else NOT_REFIT).format(rows=f"{refit['rows']:,}", **shares)


def _metrics(report: Report, say: Say) -> Iterator[str]:
    yield f"| {say('Metric')} | {say('Value')} | {say('95% interval')} |"
    yield "|---|---|---|"
    for row in summary_rows(report):
        missing = report.metric(row.metric) is None
        value = say("none: the lowest price is zero") if missing else row.value
        interval = row.interval.replace(" to ", " – ")
        yield f"| {say(row.metric)} | {value} | {interval} |"
    if report.trivial:
        yield ""
        yield f"{say('Without a model')}:"
        yield ""
    for each in report.trivial:
        yield f"- {say(each.metric)} {plain_number(each.value, 4)} ({say(each.how)})"


def _decision(decision: Decision | None, locale: str, say: Say) -> Iterator[str]:
    if decision is None:
        yield say("Not judged yet")
        return
    verdict = say("Passed the gate") if decision.passed else say("Refused by the gate")
    yield f"{verdict} ({decision.created_at:%Y-%m-%d})"
    yield ""
    for reason in decision.reasons:
        yield f"- {reason_in_words(reason, locale, say)}"


def _limits(report: Report, decision: Decision | None, say: Say) -> Iterator[str]:
    yield f"- {say('Figures hold for inputs like the test rows; on others it may do worse.')}"
    if report.classes is not None:
        tested = [one for one in report.classes.per_class if one.support]
        weakest = sorted(tested, key=lambda one: (one.f1.value, one.label))[:WEAKEST]
        named = ", ".join(f"{_code(one.label)} (F1 {one.f1.value:.2f})" for one in weakest)
        sure = GIVES_NONE if "exact_match" in report.quality else ANSWERS_ALWAYS
        yield f"- {say(ABSTAINS if 'coverage' in report.quality else sure)}"
        yield f"- {say('Weakest labels')}: {named}"
    if decision is not None:
        uses = say("This test split has judged {uses} candidates; the more it judges, the less it proves.")
        yield f"- {uses.format(uses=decision.test_uses)}"
    measured_on = say("Latency and cost were measured on {cpu}; other machines differ.")
    yield f"- {measured_on.format(cpu=report.latency.machine.cpu)}"


def _hashes(candidate: Candidate, say: Say) -> Iterator[str]:
    for name in ("artifact", "backbone", "dataset_version", "report_blob"):
        if digest := getattr(candidate, name):
            yield f"- {say(name)}: {_code(digest)}"


def _code(text: str) -> str:
    """A code span: whatever a label holds, it is shown and not rendered."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"
