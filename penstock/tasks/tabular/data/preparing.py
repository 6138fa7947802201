"""From a product's table to rows fit for training: read, type, watch for leaks, clean and split, all of it reported.

It knows whether the target is a label or a number; it trains nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput
from penstock.core.hashing import canonical_json
from penstock.datasets.cells import cell_of
from penstock.datasets.grouping import hints
from penstock.datasets.report import MAX_EXAMPLES, CleaningReport, Example, Finding, Part, shortened
from penstock.datasets.rows import Prepared
from penstock.tasks.tabular.data.columns import Plan, plan_columns, typed
from penstock.tasks.tabular.data.leaking import with_inputs, without_leaks
from penstock.tasks.tabular.data.noting import note_forms, note_left_out, note_markers, note_unseen, note_zeros
from penstock.tasks.tabular.data.options import TableOptions
from penstock.tasks.tabular.data.reading import Record, read_table
from penstock.tasks.tabular.data.schema import Kind
from penstock.tasks.tabular.data.settling import Split, check_learnable, without_alike, without_rare
from penstock.tasks.tabular.data.spelling import spelled_alike, spelled_as_known
from penstock.tasks.tabular.data.splitting import moment, not_nearly_tested, not_tested, set_aside
from penstock.tasks.tabular.data.targets import Row, check_targets, class_counts, described, target_of
from penstock.workspace.records import Product


@dataclass(frozen=True)
class Reading:
    """How one product's rows are read. forms: how columns are written, the target's and the time's too. labels: whether
    the targets are labels."""

    options: TableOptions
    kinds: Mapping[str, Kind]
    audit: Mapping[str, Kind]
    forms: Mapping[str, str]
    labels: bool

    @property
    def categories(self) -> list[str]:
        """The inputs that are categories."""
        return [name for name, kind in self.kinds.items() if kind == "category"]

    @property
    def zeros(self) -> list[str]:
        """The columns whose zeros, however they are written, stand for no value."""
        return [name for name in self.kinds if "0" in self.options.missing_of(name)]


def prepare(
    product: Product, folder: Path, extra: Sequence[Mapping[str, Any]], options: TableOptions, *, labels: bool
) -> Prepared:
    """The product's rows: {"values", "target", "origin"}, with "group" and "audit" where asked for. Raises BadInput."""
    log: list[Finding] = []
    records = read_table(folder / product.data, options.target, options.missing_of)
    tests = read_table(folder / product.test, options.target, options.missing_of) if product.test is not None else None
    _check_named(options, records, product.data)
    reading = _reading(records, options, product, log, labels=labels)
    note_markers([*records, *(tests or ())], options, log)
    train = spelled_alike(_rows(records, reading, "train", log), reading.categories)
    test = [] if tests is None else _rows(tests, reading, "test", log)
    split = Split(train, test, extra)
    if labels:
        split = without_alike(split, product.cleaning, log)
    split = replace(split, train=without_leaks(split.train, options, product, log))
    split = _apart(split, reading, product, log)
    note_zeros(split.train, options, log)
    fresh = _feedback(split.extra, split.train, split.test, reading, product, log)
    train, fresh = not_nearly_tested(split.train, fresh, split.test, log, drop=product.cleaning.drop_near_test)
    if labels:  # near repeats may have left a label too few
        split = without_rare(Split(train, split.test, ()), product.cleaning, log)
        train = split.train
    test = split.test
    check_targets(train, test, options, labels=labels, file=product.data)
    if labels:
        check_learnable(train, test, product.cleaning)
    classes = class_counts([*train, *fresh], test, log) if labels else ()
    note_unseen(train, test, log)
    if product.test is None and not (options.group or options.time):
        log += hints(_columns(records, options.target), *([row["origin"] for row in part] for part in (train, test)))
    rows, tested = _ordered([*train, *fresh]), _ordered(test)
    report = CleaningReport(len(records), len(tests or ()), len(extra), len(rows), len(tested), classes, tuple(log))
    return Prepared(rows, tested, report)


def _apart(split: Split, reading: Reading, product: Product, log: list[Finding]) -> Split:
    """Train without what is tested, and without labels that have too few rows where the options say so. Where no test
    was given, a share of the data is set aside."""
    options, train, test = reading.options, split.train, split.test
    if product.test is not None:
        inputs = train[0]["values"] if train else {}
        test = [_as_train(row, train) for row in test]
        test = spelled_as_known(test, train, [name for name in reading.categories if name in inputs])
        split = replace(split, train=not_tested(train, test, log), test=test)
    if reading.labels:
        split = without_rare(split, product.cleaning, log)
    if product.test is None:
        train, test = set_aside(split.train, options, product.cleaning.test_share, product.seed)
        split = replace(split, train=not_tested(train, test, log), test=test)
    return split


def _columns(records: Sequence[Record], target: str) -> dict[str, dict[str, str]]:
    """The table's columns of text, but the target's, by the origin of their rows."""
    found: dict[str, dict[str, str]] = {}
    for record in records:
        for name, cell in record.cells.items():
            if isinstance(cell, str) and name != target:
                found.setdefault(name, {})[record.origin] = cell
    return found


def labels_of(product: Product, folder: Path, options: TableOptions) -> list[str]:
    """The label of every row of the data as read; rows without one are left out."""
    records = read_table(folder / product.data, options.target, options.missing_of)
    found = [target_of(each.cells.get(options.target), each.origin, label=True) for each in records]
    return [str(label) for label in found if label is not None]


def _reading(
    records: Sequence[Record], options: TableOptions, product: Product, log: list[Finding], *, labels: bool
) -> Reading:
    """What the columns are, decided on the data file alone. Raises BadInput."""
    plan = plan_columns(records, options, (options.target, *options.outside))
    _check_monotone(options, plan, product.data)
    note_left_out(plan, options, log)
    note_forms(plan, log)
    if not plan.kinds:
        raise BadInput("no column is left to predict from", where=product.data, hint="look at drop and known_after")
    audits = [name for name in options.fairness if name not in plan.kinds]
    beside = plan_columns(records, options, _all_but(records, audits))
    written = [*([] if labels else [options.target]), *([options.time] if options.time else [])]
    others = plan_columns(records, options, _all_but(records, written)).forms
    return Reading(options, plan.kinds, beside.kinds, {**plan.forms, **beside.forms, **others}, labels)


def _rows(records: Sequence[Record], reading: Reading, part: Part, log: list[Finding]) -> list[Row]:
    """The records that have a target, typed."""
    options = reading.options
    rows, without, zeros = [], [], reading.zeros
    written = {name: form for name, form in reading.forms.items() if name in reading.kinds}
    for record in records:
        place = f"{record.origin}: {options.target}"
        form = reading.forms.get(options.target, "")
        target = target_of(record.cells.get(options.target), place, label=reading.labels, form=form)
        if target is None:
            without.append(Example(record.origin, shortened(described(record.cells)), ""))
            continue
        values = typed(record, reading.kinds, zeros, reading.forms)
        row: Row = {"values": values, "target": target}
        if reading.audit:
            row["audit"] = typed(record, reading.audit, (), reading.forms)
        if options.group:
            row["group"] = str(record.cells.get(options.group) or record.origin)
        if options.time:
            row["time"] = moment(record, options.time, reading.forms.get(options.time, ""))
        if written:
            row["forms"] = written
        rows.append({**row, "origin": record.origin})
    if without:
        action = "dropped: there is nothing to learn from them"
        log.append(Finding("no-target", part, len(without), len(without), action, tuple(without[:MAX_EXAMPLES])))
    return rows


def _as_train(row: Row, train: Sequence[Row]) -> Row:
    """A row of the test file with train's inputs."""
    return with_inputs(row, list(train[0]["values"])) if train else row


def _feedback(
    extra: Sequence[Mapping[str, Any]],
    train: Sequence[Row],
    test: Sequence[Row],
    reading: Reading,
    product: Product,
    log: list[Finding],
) -> list[Row]:
    """Corrections that join train: typed as the columns are now, not among the test rows, of labels known to train."""
    if not extra:
        return []
    kinds = {name: reading.kinds[name] for name in train[0]["values"]} if train else reading.kinds
    tested = {canonical_json(row["values"]) for row in test}
    known = Counter(row["target"] for row in train)
    wanted = Counter(str(row["target"]) for row in extra)
    rows, useless, leaking, rare = [], [], [], []
    for each in extra:
        example = Example(str(each["origin"]), shortened(described(each["values"])), str(each["target"]))
        row = _correction(each, kinds, reading)
        if row is None:
            useless.append(example)
        elif canonical_json(row["values"]) in tested:
            leaking.append(example)
        elif reading.labels and not known[row["target"]] and wanted[row["target"]] < product.cleaning.min_class_rows:
            rare.append(example)
        else:
            rows.append(row)
    for kind, found, action in (
        ("unfit-row", useless, "dropped: its columns no longer fit the table"),
        ("test-in-train", leaking, "dropped from feedback, kept in test"),
        ("rare-label", rare, "held back until there are more"),
    ):
        if found:
            log.append(Finding(kind, "feedback", len(found), len(found), action, tuple(found[:MAX_EXAMPLES])))
    return rows


def _correction(row: Mapping[str, Any], kinds: Mapping[str, Kind], reading: Reading) -> Row | None:
    origin = str(row["origin"])
    try:
        absent = reading.options.missing_of
        cells = {name: cell_of(value, origin, absent(name)) for name, value in row["values"].items()}
        target = target_of(row["target"], origin, label=reading.labels)
        values = typed(Record(origin, cells), kinds, reading.zeros, reading.forms)
    except BadInput:
        return None
    if target is None or all(value is None for value in values.values()):
        return None
    made: Row = {"values": values, "target": target}
    if reading.audit:
        made["audit"] = dict.fromkeys(reading.audit)
    if reading.options.group:
        made["group"] = origin
    return {**made, "origin": origin, "customer": row.get("customer")}


def _check_named(options: TableOptions, records: Sequence[Record], file: str) -> None:
    known = {name for record in records for name in record.cells}
    for option, name in options.named:
        if name not in known:
            listed = ", ".join(map(repr, sorted(known)[:30]))
            none = f"leave `{option}` out where there is none; " if option in ("time", "group") else ""
            hint = f"{none}the columns are: {listed}"
            raise BadInput(f"{option} names {name!r}, which is no column", where=file, hint=hint)


def _check_monotone(options: TableOptions, plan: Plan, file: str) -> None:
    for name in options.monotone:
        if plan.kinds.get(name) != "number":
            hint = "only columns of numbers rise and fall"
            raise BadInput(f"{name!r} cannot be monotone", where=f"{file}: {name}", hint=hint)


def _all_but(records: Sequence[Record], wanted: Sequence[str]) -> list[str]:
    return [name for name in {name for record in records for name in record.cells} if name not in wanted]


def _ordered(rows: Sequence[Row]) -> list[Row]:
    """In the order of their content, whatever the order of the file."""
    return sorted(rows, key=lambda row: canonical_json([row["values"], row["target"], row["origin"]]))
