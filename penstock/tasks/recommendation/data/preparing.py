"""From a product of penstock.toml to interactions and items fit for a recommender: read, cleaned, split by time.

Users are tested on what they did last. It knows no models.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import BadInput
from penstock.core.hashing import digest_of
from penstock.datasets.labels import UNSEEN
from penstock.datasets.report import MAX_EXAMPLES, CleaningReport, Example, Finding, Part
from penstock.datasets.rows import Prepared
from penstock.tasks.recommendation.data.files import read_columns
from penstock.tasks.recommendation.data.options import RecommendationOptions
from penstock.tasks.recommendation.data.values import Interaction, Item, id_of, text_of, time_of, weight_of
from penstock.workspace.records import Product

FIELDS = ("user", "item", "time", "weight")
AHEAD = timedelta(days=1)  # clocks differ, and days begin earlier in the east
MAX_SHOWN = 9
_COLUMNS_HINT = 'name them in penstock.toml: columns = { user = "...", item = "...", time = "...", weight = "..." }'
_ITEMS_HINT = "name them in [products.NAME.options]: item_columns = { item = ..., title = ..., text = ... }"


def prepare(
    product: Product, folder: Path, extra: Sequence[Mapping[str, Any]] = (), clock: Clock | None = None
) -> Prepared:
    """The product's interactions and items as rows. extra: rows from use, which join train and move no test row.

    Raises BadInput at file:line for what cannot be read, or when nothing is left to learn or to test.
    """
    options = RecommendationOptions(**product.options)
    items = None if options.items is None else read_items(folder / options.items, options)
    read = read_interactions(folder / product.data, product.columns)
    given = None if product.test is None else read_interactions(folder / product.test, product.columns)
    log: list[Finding] = []
    now = (clock or SystemClock()).now()
    rows = _cleaned(read, "train", options, (now + AHEAD).timestamp(), log)
    catalogue = _catalogue(items, rows, log)
    if given is None:
        train, test = _split(rows, catalogue, options, log)
    else:
        test = _cleaned(given, "test", options, (now + AHEAD).timestamp(), log)
        train = rows if options.repeats else _outside(rows, test, "train", log)
    if options.repeats:  # only now: an item taken before may be what is taken next
        train, test = _latest(train, "train", log), _latest(test, "test", log)
    test = _testable(train, test, catalogue, options, log)
    added, catalogue = _from_use(extra, catalogue, train, test, options, log)
    train = _latest([*train, *added], "feedback", log) if added else train
    taken = () if options.repeats else _taken([*read, *(given or ())], train, test)
    if not train or not test:
        what = "learn from" if not train else "test: no user has two interactions"
        raise BadInput(f"there is nothing to {what}", where=product.data, hint=_NOTHING)
    report = CleaningReport(len(read), len(given or ()), len(extra), len(train), len(test), (), tuple(log))
    kept = {row.item for row in train}
    wanted = [item for item in catalogue.values() if item.listed or item.item in kept]
    known = [_taken_row(row) for row in _ordered(taken)]
    rows_train = [*map(_interaction_row, _ordered(train)), *map(item_row, _by_id(wanted)), *known]
    return Prepared(rows_train, _test_rows(test), report)


_NOTHING = "a recommender learns from users with several items each; check the columns, min_weight and split_date"


def read_interactions(path: Path, columns: Mapping[str, str]) -> list[Interaction]:
    """All interactions of a file. columns: its names of user, item, time and weight where it names them otherwise."""
    for name in columns:
        if name not in FIELDS:
            hint = f"the left side is one of {', '.join(FIELDS)}; the right side names the file's column"
            raise BadInput(f"unknown field {name!r}", where=f"columns.{name}", hint=hint)
    named = {**{name: name for name in FIELDS}, **columns}
    optional = () if "weight" in columns else ("weight",)
    rows: list[Interaction] = []
    wrong: list[BadInput] = []
    for origin, values in read_columns(path, named, optional, _COLUMNS_HINT):
        try:
            rows.append(
                Interaction(
                    id_of(values["user"], f"{origin}: {named['user']}"),
                    id_of(values["item"], f"{origin}: {named['item']}"),
                    time_of(values["time"], f"{origin}: {named['time']}"),
                    weight_of(values.get("weight"), f"{origin}: {named['weight']}"),
                    origin,
                )
            )
        except BadInput as error:
            wrong.append(error)
    if wrong:
        raise _all_of(wrong)
    return rows


def read_items(path: Path, options: RecommendationOptions) -> dict[str, Item]:
    """All items of a file, by id, its columns named by the options. Raises BadInput at file:line."""
    named = {"item": "item", "title": "title", "text": "text", **options.item_columns}
    extra = {f"attributes.{name}": name for name in options.attributes}
    optional = tuple(name for name in ("title", "text") if name not in options.item_columns)
    items: dict[str, Item] = {}
    first: dict[str, str] = {}
    wrong: list[BadInput] = []
    for origin, values in read_columns(path, {**named, **extra}, optional, _ITEMS_HINT):
        try:
            item = id_of(values["item"], f"{origin}: {named['item']}")
            if item in items:
                raise BadInput(f"the item {item!r} is there already, at {first[item]}", where=origin)
            text = {name: text_of(values.get(name), f"{origin}: {name}") for name in ("title", "text")}
            said = {name: text_of(values.get(key), f"{origin}: {name}") for key, name in extra.items()}
            attributes = {name: value for name, value in said.items() if value}
            items[item] = Item(item, text["title"] or item, text["text"], attributes)
            first[item] = origin
        except BadInput as error:
            wrong.append(error)
    if wrong:
        raise _all_of(wrong)
    return items


def _cleaned(
    read: Sequence[Interaction], part: Part, options: RecommendationOptions, latest: float, log: list[Finding]
) -> list[Interaction]:
    """Without what weighs too little, programs and repeats."""
    light = [row for row in read if options.min_weight is not None and row.weight < options.min_weight]
    _note(log, "below-weight", part, light, len(light), f"dropped: weight below {options.min_weight}")
    left = [row for row in read if options.min_weight is None or row.weight >= options.min_weight]
    busy = Counter(row.user for row in left)
    programs = [row for row in left if busy[row.user] > options.max_user_rows]
    _note(log, "program", part, programs, len(programs), f"dropped: users of more than {options.max_user_rows:,} rows")
    rows = [row for row in left if busy[row.user] <= options.max_user_rows]
    if not options.repeats:
        rows = _latest(rows, part, log)
    ahead = [row for row in rows if row.time > latest]
    _note(log, "future", part, ahead, 0, "kept; check the clock that wrote them")
    return rows


def _latest(rows: Iterable[Interaction], part: Part, log: list[Finding]) -> list[Interaction]:
    """Each user's latest interaction with each item: what was once done is known, when it was last done counts."""
    found: dict[tuple[str, str], Interaction] = {}
    repeats = []
    for row in rows:
        before = found.setdefault((row.user, row.item), row)
        if before is not row:
            older, newer = sorted((before, row), key=lambda one: (one.time, one.weight))
            found[row.user, row.item] = newer
            repeats.append(older)
    _note(log, "repeat", part, repeats, len(repeats), "dropped; the latest is kept")
    return list(found.values())


def _catalogue(items: dict[str, Item] | None, rows: Sequence[Interaction], log: list[Finding]) -> dict[str, Item]:
    """The items of the file, and unlisted ones that only interactions name; all of them, where there is no file."""
    if items is None:
        return {row.item: Item(row.item, row.item) for row in rows}
    strange = [row for row in rows if row.item not in items]
    _note(log, "unlisted", "train", strange, 0, "learned from, but never recommended")
    return {**{row.item: Item(row.item, row.item, listed=False) for row in strange}, **items}


def _split(
    rows: Sequence[Interaction], catalogue: Mapping[str, Item], options: RecommendationOptions, log: list[Finding]
) -> tuple[list[Interaction], list[Interaction]]:
    """(train, test): each user's last interactions with listed items are the test, or all since the split date."""
    if (moment := options.split_time) is not None:
        late = [row for row in rows if row.time >= moment]
        return [row for row in rows if row.time < moment], late
    train: list[Interaction] = []
    test: list[Interaction] = []
    single = []
    for own in _by_user(rows).values():
        last = [row for row in own if catalogue[row.item].listed][-options.leave_last :]
        if len(own) < options.leave_last + options.min_history:
            train += own
            single.append(own[0])
        else:
            held = {id(row) for row in last}
            train += [row for row in own if id(row) not in held]
            test += last
    what = f"trained on, not tested: fewer than {options.leave_last + options.min_history} interactions"
    _note(log, "short-history", "train", single, 0, what)
    return train, test


def _testable(
    train: Sequence[Interaction],
    test: Sequence[Interaction],
    catalogue: Mapping[str, Item],
    options: RecommendationOptions,
    log: list[Finding],
) -> list[Interaction]:
    """Test rows of users with enough to go by. Those of items that cannot be recommended stay, and count as wrong. New
    users leave: a request that names one is refused, and no answer to measure."""
    known = Counter(row.user for row in train)
    new = [row for row in test if known[row.user] < options.min_history]
    good = [row for row in test if known[row.user] >= options.min_history]
    strange = [row for row in good if row.item not in catalogue or not catalogue[row.item].listed]
    _note(log, "unlisted", "test", strange, 0, UNSEEN)
    _note(log, "new-user", "test", new, len(new), "dropped: a request by their id is refused, and not billed")
    if good and len(strange) == len(good):
        hint = "is `columns` right for both files? Ids are compared as they are written"
        raise BadInput("no test row has an item that can be recommended", where=good[0].origin, hint=hint)
    return good


def _taken(read: Sequence[Interaction], train: Sequence[Interaction], test: Sequence[Interaction]) -> list[Interaction]:
    """What known users took though nothing is learned from it: what is tested, and what weighed too little. It is kept
    so that nobody is offered what they have, and counts from its time on only, so that no test is told its answer."""
    known, users = {(row.user, row.item) for row in [*train, *test]}, {row.user for row in train}
    items = {row.item for row in [*train, *test]}
    found: dict[tuple[str, str], Interaction] = {(row.user, row.item): row for row in test}
    for row in sorted(read, key=lambda row: row.order):
        if row.user in users and row.item in items and (row.user, row.item) not in known:
            found.setdefault((row.user, row.item), row)
    return list(found.values())


def _outside(
    rows: Sequence[Interaction], test: Sequence[Interaction], part: Part, log: list[Finding]
) -> list[Interaction]:
    tested = {(row.user, row.item) for row in test}
    leaks = [row for row in rows if (row.user, row.item) in tested]
    _note(log, "test-in-train", part, leaks, len(leaks), "dropped from train")
    return [row for row in rows if (row.user, row.item) not in tested]


def _from_use(
    extra: Sequence[Mapping[str, Any]],
    catalogue: dict[str, Item],
    train: Sequence[Interaction],
    test: Sequence[Interaction],
    options: RecommendationOptions,
    log: list[Finding],
) -> tuple[list[Interaction], dict[str, Item]]:
    """Clicks and purchases as interactions of pseudonymous users, new items as items; what is tested stays out."""
    known = dict(catalogue)
    for row in extra:
        if row.get("kind") == "item" and not (row["item"] in known and known[row["item"]].listed):
            known[row["item"]] = item_of(row)
    usual = float(np.median([row.weight for row in train])) if train else 1.0
    counts = {"click": options.click_weight, "buy": options.buy_weight}
    rows: list[Interaction] = []
    unknown: list[Interaction] = []
    for row in extra:
        if row.get("kind") == "item":
            continue
        weight = row.get("weight")
        own = usual * counts.get(row.get("event", ""), 1.0) if weight is None else float(weight)
        made = Interaction(
            row["user"], row["item"], float(row["time"]), own, row.get("origin", ""), row.get("customer")
        )
        (rows if made.item in known else unknown).append(made)
    _note(log, "unlisted", "feedback", unknown, len(unknown), "dropped: the item is not in the data")
    fresh = _outside(rows, test, "feedback", log)  # by their names: what a tested user took is told by nobody else
    return [replace(row, user=pseudonym(row.customer, row.user)) for row in fresh], known


def pseudonym(customer: str | None, user: str) -> str:
    """The id of a customer's user in the data: "alice" of one customer is not "alice" of another, nor the company's.

    It begins with a space, which ids in files and requests cannot (both are stripped): what this user did tells which
    items go together, and nobody can ask for it by name or write into a history that can be asked for.
    """
    return f" {digest_of([customer, user])}"


@dataclass(frozen=True)
class Records:
    """Rows of one part of a version. items: what train knows of items; {} of a test. taken: what users have, though
    nothing is learned from it."""

    interactions: tuple[Interaction, ...]
    items: Mapping[str, Item] = field(default_factory=dict)
    taken: tuple[Interaction, ...] = ()

    def __len__(self) -> int:
        return len(self.interactions)


def records_of(rows: Sequence[Mapping[str, Any]], product: Product) -> Records:
    """The rows of one part of a version as rungs and measures read them."""
    interactions = tuple(
        Interaction(
            row["user"], row["item"], row["time"], row.get("weight", 1.0), row.get("origin", ""), row.get("customer")
        )
        for row in rows
        if row.get("kind") not in ("item", "taken")
    )
    items = {row["item"]: item_of(row) for row in rows if row.get("kind") == "item"}
    taken = tuple(
        Interaction(row["user"], row["item"], row["time"], 1.0, "") for row in rows if row.get("kind") == "taken"
    )
    return Records(interactions, items, taken)


def item_of(row: Mapping[str, Any]) -> Item:
    """An item as a row or an amendment says it."""
    attributes = {str(name): str(value) for name, value in (row.get("attributes") or {}).items()}
    return Item(
        row["item"], row.get("title") or row["item"], row.get("text") or "", attributes, row.get("listed", True)
    )


def _interaction_row(row: Interaction) -> dict[str, Any]:
    made: dict[str, Any] = {"kind": "interaction", "user": row.user, "item": row.item, "time": _number(row.time)}
    made["weight"] = _number(row.weight)
    if row.customer is not None:  # of the company's own rows the origin is a line number, which moves with the file
        made |= {"origin": row.origin, "customer": row.customer}
    return made


def _taken_row(row: Interaction) -> dict[str, Any]:
    return {"kind": "taken", "user": row.user, "item": row.item, "time": _number(row.time)}


def item_row(item: Item) -> dict[str, Any]:
    """An item as a dataset version and an amendment keep it."""
    row: dict[str, Any] = {"kind": "item", "item": item.item, "title": item.title, "text": item.text}
    return {**row, "attributes": dict(sorted(item.attributes.items())), "listed": item.listed}


def _test_rows(test: Sequence[Interaction]) -> list[dict[str, Any]]:
    return [{"user": row.user, "item": row.item, "time": _number(row.time)} for row in _ordered(test)]


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _ordered(rows: Iterable[Interaction]) -> list[Interaction]:
    return sorted(rows, key=lambda row: (len(row.user), row.user, *row.order))


def _by_id(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (len(item.item), item.item))


def _by_user(rows: Iterable[Interaction]) -> dict[str, list[Interaction]]:
    """Each user's rows, oldest first."""
    found: dict[str, list[Interaction]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.order):
        found[row.user].append(row)
    return found


def _note(log: list[Finding], kind: str, part: Part, rows: Sequence[Interaction], dropped: int, action: str) -> None:
    if rows:
        ordered = sorted(rows, key=lambda row: (row.user, *row.order))[:MAX_EXAMPLES]
        examples = tuple(Example(row.origin, f"user {row.user}", row.item) for row in ordered)
        log.append(Finding(kind, part, len(rows), dropped, action, examples))


def _all_of(wrong: Sequence[BadInput]) -> BadInput:
    """The first error in full, and where the others are."""
    first, *others = wrong
    if not others:
        return first
    shown = "; ".join(f"{error.where}: {error.message}" for error in others[:MAX_SHOWN])
    left = f"; and {len(others) - MAX_SHOWN:,} more" if len(others) > MAX_SHOWN else ""
    hint = f"{first.hint}\n  " if first.hint else ""
    return BadInput(first.message, where=first.where, hint=f"{hint}also {shown}{left}")
