"""Cleans labelled rows and counts everything it finds: nothing is dropped or masked without a line in the report.

The steps, in order: labels that look alike, personal data, empty and over-long texts, contradictions, repeats, rare
labels, the split, leaks, feedback, near repeats, suspect labels. Cleaning what has been cleaned changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from penstock.core.errors import BadInput
from penstock.datasets import personal, personal_wide
from penstock.datasets.compare import normalise, outside, without_conflicts, without_repeats
from penstock.datasets.labels import (
    ONE,
    UNSEEN,
    Labelling,
    Settled,
    beside,
    learnable,
    settle_alike,
    settle_rare,
    unseen,
)
from penstock.datasets.near import near_pairs
from penstock.datasets.report import MAX_EXAMPLES, ClassCount, CleaningReport, Example, Finding, Part, shortened
from penstock.datasets.rows import Row
from penstock.datasets.splits import set_aside
from penstock.workspace.records import Cleaning

__all__ = ["Cleaned", "CleaningReport", "clean"]

SMALL_CLASS_ROWS = 5


@dataclass(frozen=True)
class Cleaned:
    """Rows fit to learn from and to be judged by, and the account of how they became so."""

    train: tuple[Row, ...]
    test: tuple[Row, ...]
    report: CleaningReport


def clean(
    train: Sequence[Row],
    test: Sequence[Row] | None,
    options: Cleaning,
    seed: int,
    *,
    extra: Sequence[Row] = (),
    aside: Callable[[Sequence[Row]], tuple[list[Row], list[Row]]] | None = None,
    by: Labelling = ONE,
) -> Cleaned:
    """Clean `train`, and `test` or a share of train set aside by content (test None).

    aside: (train, test) of the rows, where they are not split by their texts.
    extra: feedback that joins train after the test rows are fixed, so it never changes what is tested. A test row whose
    label train lacks stays, and can only be answered wrongly: customers will send its like. by: what labels rows have.
    Raises BadInput naming all labels with too few rows, or when nothing is left to learn or to test.
    """
    log: list[Finding] = []
    alike = settle_alike(train, test or (), extra, options, by)
    _note(log, "alike-label", alike)
    base = _agreeing(_united(_screened(alike.train, "train", options, log), "train", log, by), "train", log)
    rest: list[Row] = []
    if test is not None:
        rest = _agreeing(_united(_screened(alike.test, "test", options, log), "test", log, by), "test", log)
        base = _not_tested(base, rest, "train", log)
    settled = settle_rare(base, rest, alike.extra, options, by)
    _note(log, "rare-label", settled)
    base, tested = settled.train, settled.test
    if test is None:
        base, tested = set_aside(base, options.test_share, seed, by) if aside is None else aside(base)
        base = _not_tested(base, tested, "train", log)
    rows = _with_feedback(base, tested, settled.extra, options, log, by)
    rows = _not_nearly_repeated(rows, tested, options, log)
    again = settle_rare(rows, tested, (), options, by)  # near repeats may have left a label too few
    _note(log, "rare-label", again)
    rows, tested = again.train, again.test
    _check_labels(rows, tested, alike.train, options, by)
    _note_kept(log, "unseen-label", "test", unseen(rows, tested, by), UNSEEN)
    classes = _class_counts(rows, tested, log, by)
    _note_suspects(by.suspects(rows, seed), log)
    report = CleaningReport(
        read_train=len(train),
        read_test=len(test or ()),
        read_feedback=len(extra),
        rows_train=len(rows),
        rows_test=len(tested),
        classes=classes,
        findings=tuple(log),
    )
    return Cleaned(tuple(rows), tuple(tested), report)


def _screened(rows: Sequence[Row], part: Part, options: Cleaning, log: list[Finding]) -> list[Row]:
    """Without empty and over-long texts; personal data counted, and masked if the options say so."""
    masked = _personal_data(rows, part, options.mask_personal_data, log)
    kept, empty, long = [], [], []
    for row in masked:
        if not normalise(row.text):
            empty.append((row, ""))
        elif len(row.text) > options.max_chars:
            long.append((row, f"{len(row.text):,} characters"))
        else:
            kept.append(row)
    _note_dropped(log, "empty", part, empty)
    _note_dropped(log, "too-long", part, long)
    return kept


def _personal_data(rows: Sequence[Row], part: Part, how: bool | str, log: list[Finding]) -> list[Row]:
    """how: as Cleaning.mask_personal_data says."""
    find = personal_wide.find if how == "presidio" else personal.find
    out: list[Row] = []
    examples: dict[str, list[Example]] = defaultdict(list)
    counts: Counter[str] = Counter()
    for row in rows:
        kinds = {kind for kind, _, _ in find(row.text)}
        hidden = personal.mask(row.text, find) if kinds else row.text
        for kind in kinds:
            counts[kind] += 1
            if len(examples[kind]) < MAX_EXAMPLES:  # a report is read by more people than the data
                examples[kind].append(Example(row.origin, shortened(hidden), row.label))
        out.append(replace(row, text=hidden) if how and kinds else row)
    action = "masked" if how else "kept; mask_personal_data = true would mask them"
    for kind, count in sorted(counts.items()):
        log.append(Finding(f"personal-{kind}", part, count, 0, action, tuple(examples[kind])))
    return out


def _united(rows: Sequence[Row], part: Part, log: list[Finding], by: Labelling) -> list[Row]:
    """Each text once where its rows name its labels one by one."""
    found = by.united(rows)
    _note_dropped(log, "label-a-row", part, found.dropped, "joined with the earlier row, which got their labels")
    return found.rows


def _agreeing(rows: Sequence[Row], part: Part, log: list[Finding]) -> list[Row]:
    """Each text once, with one label."""
    agreed, texts = without_conflicts(rows)
    if texts:
        action = f"{len(agreed.dropped)} rows dropped: the majority's label stays, a tie goes"
        log.append(Finding("conflict", part, texts, len(agreed.dropped), action, _examples(agreed.dropped)))
    single = without_repeats(agreed.rows)
    _note_dropped(log, "duplicate", part, single.dropped)
    return single.rows


def _not_tested(rows: Sequence[Row], tested: Sequence[Row], part: Part, log: list[Finding]) -> list[Row]:
    """Train without the texts of test: a model must not be judged by what it learned by heart."""
    kept = outside(rows, tested)
    _note_dropped(log, "test-in-train", part, kept.dropped, f"dropped from {part}, kept in test")
    return kept.rows


def _with_feedback(
    base: list[Row],
    tested: Sequence[Row],
    extra: Sequence[Row],
    options: Cleaning,
    log: list[Finding],
    by: Labelling,
) -> list[Row]:
    """Train joined by feedback. A label that only a few feedback rows know waits until there are more."""
    if not extra:
        return base
    known = set(by.counts(base))
    fresh = _not_tested(_screened(extra, "feedback", options, log), tested, "feedback", log)
    fresh = _known_or_frequent(fresh, known, options, log, by)
    joined = _agreeing([*base, *fresh], "feedback", log)
    return _known_or_frequent(joined, known, options, log, by)  # contradictions may have left a new label too few rows


def _known_or_frequent(
    rows: list[Row], known: set[str], options: Cleaning, log: list[Finding], by: Labelling
) -> list[Row]:
    counts = Counter(label for _, label in {(normalise(row.text), label) for row in rows for label in by.of(row)})
    rare = {label for label, count in counts.items() if label not in known and count < options.min_class_rows}
    waiting = [(row, "") for row in rows if not rare.isdisjoint(by.of(row))]
    _note_dropped(log, "rare-label", "feedback", waiting, "held back until there are more")
    return [row for row in rows if rare.isdisjoint(by.of(row))]


def _not_nearly_repeated(rows: list[Row], tested: Sequence[Row], options: Cleaning, log: list[Finding]) -> list[Row]:
    """Near repeats counted. Those of test rows leave train, and those within train too if the options say so."""
    leaks, repeats, conflicts = _near(rows, tested)
    if conflicts:
        action = "kept: look whether the labels are right"
        log.append(Finding("near-conflict", "train", len(conflicts), 0, action, _examples(conflicts)))
    dropping = {"near-test": options.drop_near_test, "near-duplicate": options.drop_near_duplicates}
    found = {"near-test": list(leaks), "near-duplicate": list(repeats)}
    while gone := {
        id(row)
        for kind, reasons in (("near-test", leaks), ("near-duplicate", repeats))
        for row, _ in reasons
        if dropping[kind]
    }:  # large buckets are searched in part, so what is left is searched again
        rows = [row for row in rows if id(row) not in gone]
        leaks, repeats, _ = _near(rows, tested)
        found["near-test"] += leaks if dropping["near-test"] else []
        found["near-duplicate"] += repeats if dropping["near-duplicate"] else []
    for kind, reasons in found.items():
        if dropping[kind]:
            _note_dropped(log, kind, "train", reasons)
        elif reasons:
            action = f"kept; {_DROPS[kind]} = true would drop them"
            log.append(Finding(kind, "train", len(reasons), 0, action, _examples(reasons)))
    return rows


_DROPS = {"near-test": "drop_near_test", "near-duplicate": "drop_near_duplicates"}


_Reasons = list[tuple[Row, str]]


def _near(rows: Sequence[Row], tested: Sequence[Row]) -> tuple[_Reasons, _Reasons, _Reasons]:
    """Train rows near a test row; those near an earlier train row of their label; pairs of different labels."""
    both = [*rows, *tested]
    pairs = near_pairs([normalise(row.text) for row in both])
    leaking = {i: j for i, j in pairs if i < len(rows) <= j}
    repeating: dict[int, int] = {}
    conflicts: _Reasons = []
    for i, j in pairs:
        if j >= len(rows):
            continue
        if both[i].label != both[j].label:
            conflicts.append((both[j], f"{both[i].origin} {both[i].label}"))
        elif not {i, j} & (leaking.keys() | repeating.keys()):
            repeating[j] = i
    leaks = [(both[i], both[j].origin) for i, j in leaking.items()]
    repeats = [(both[j], both[i].origin) for j, i in repeating.items()]
    return leaks, repeats, conflicts


def _check_labels(
    rows: Sequence[Row], tested: Sequence[Row], before: Sequence[Row], options: Cleaning, by: Labelling
) -> None:
    """Every label of the data can be learned; there is something to tell apart, and something to test with."""
    if not rows:
        hint = "the data file holds no usable rows, or the test file holds the same ones"
        raise BadInput("no training rows are left after cleaning", hint=hint)
    learnable(rows, tested, before, options, by)
    if len({row.label for row in rows}) == 1:
        hint = "a classifier needs rows of at least two labels; is `columns` in penstock.toml right?"
        raise BadInput(f"all rows have the label {rows[0].label!r}", where=rows[0].origin, hint=hint)
    if not tested:
        hint = "give more rows, or a test file of other rows than the data's"
        raise BadInput("no test rows are left after cleaning", hint=hint)


def _class_counts(
    rows: Sequence[Row], tested: Sequence[Row], log: list[Finding], by: Labelling
) -> tuple[ClassCount, ...]:
    train, test = by.counts(rows), by.counts(tested)
    first = {label: row for row in reversed(rows) for label in by.of(row)}
    few = [label for label in sorted(train) if train[label] < SMALL_CLASS_ROWS]
    untested = [(first[label], beside(first[label], label, "")) for label in sorted(train) if not test[label]]
    small = [(first[label], beside(first[label], label, f"{train[label]} rows")) for label in few]
    _note_kept(log, "untested-class", "test", untested, "kept: their quality is not known")
    _note_kept(log, "small-class", "train", small, "kept: more rows would help most here")
    parts: tuple[tuple[Part, Sequence[Row]], ...] = (("train", rows), ("test", tested))
    for part, those in parts:
        nothing = [(row, "") for row in those if not by.of(row)]
        _note_kept(log, "no-label", part, nothing, "kept: none of the labels fits")
    return tuple(ClassCount(label, train[label], test[label]) for label in sorted(train))


def _note_suspects(found: _Reasons, log: list[Finding]) -> None:
    if found:
        log.append(Finding("suspect", "train", len(found), 0, "kept: look at the first ones", _examples(found)))


def _note_dropped(log: list[Finding], kind: str, part: Part, dropped: _Reasons, action: str = "dropped") -> None:
    if dropped:
        log.append(Finding(kind, part, len(dropped), len(dropped), action, _examples(dropped)))


def _note_kept(log: list[Finding], kind: str, part: Part, found: _Reasons, action: str) -> None:
    if found:
        log.append(Finding(kind, part, len(found), 0, action, _examples(found)))


def _note(log: list[Finding], kind: str, settled: Settled) -> None:
    if settled.found:
        shown = _examples(settled.found)
        log.append(Finding(kind, "train", len(settled.found), settled.dropped, settled.action, shown))


def _examples(reasons: Iterable[tuple[Row, str]]) -> tuple[Example, ...]:
    first = [pair for pair, _ in zip(reasons, range(MAX_EXAMPLES), strict=False)]
    return tuple(Example(row.origin, shortened(row.text), row.label, other) for row, other in first)
