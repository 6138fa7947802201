"""`recommendation`: the items that a user, or whoever knows these items, may want next, each with its reason.

It knows the wire and how answers are measured, not how the models come to them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.core.errors import BadInput
from penstock.evaluation.intervals import wilson
from penstock.evaluation.measured import Chart, Measured, Point, Section
from penstock.models.protocol import Floats, Model
from penstock.task import Task
from penstock.tasks.recommendation.data.options import MOST_TOP, RecommendationOptions
from penstock.tasks.recommendation.data.preparing import Records, item_of, prepare, records_of
from penstock.tasks.recommendation.data.values import MAX_ID_CHARS, MAX_TEXT_CHARS
from penstock.tasks.recommendation.model import KINDS
from penstock.tasks.recommendation.model.recommender import Ask, Recommender, is_recommender
from penstock.tasks.recommendation.popularity import TRIVIAL, without_a_model
from penstock.tasks.recommendation.ranking import (
    FIRST,
    NEVER,
    Places,
    drawn,
    gains,
    mean_over_users,
    place_of,
    quality_of,
    widened,
)
from penstock.tasks.recommendation.wire import INPUT_SCHEMA, MOST_ITEMS, MOST_NAMED, OUTPUT_SCHEMA

if TYPE_CHECKING:
    from penstock.training.records import Training

MOST_LOSS = 0.004  # of nDCG@10, whose usual values are .05 to .15
QUALITY = ("ndcg_at_10", "hr_at_10", "coverage", "novelty")
TIE_DRAWS = 32
PLACES = (1, 3, 5, 10, 20, 50, 100)
LENGTHS = ((1, 5), (6, 20), (21, 50), (51, math.inf))
FIELDS = ("user", "items", "top", "exclude", "available", "popular")
_HINT = 'send {"user": "u1"}, {"items": ["i5", "i9"]} (the latest last), or {"popular": true}'
_BY_PLACE = "How often the item that the user took next is among the first so many."
_MOST_SHOWN = "The items that come most often among the first ten, and how many users know them."
_NEW_ITEMS = "They are recommended by their text alone, and stand outside nDCG and hit rate: no test row asks for one."


def inputs(test: Records) -> list[Ask]:
    """Each tested user, as it stood before the interaction that is to be guessed."""
    return [Ask(user=row.user, before=row.time) for row in test.interactions]


def measure(model: Model, test: Records, answers: Floats, seed: int) -> Measured:
    """nDCG@10, hit rate, coverage and novelty of ranking every item that may be recommended to the user.

    For the first two only those are ranked that somebody took: nobody can want one of the others in the test, so each
    new item in the catalogue would make a newer model look worse than the live one, which does not know it.
    """
    recommender = is_recommender(model)
    targets = [recommender.places.get(row.item) for row in test.interactions]
    taken = recommender.counts > 0
    taken[[target for target in targets if target is not None]] = True
    lots = np.random.default_rng(seed).random((TIE_DRAWS, len(recommender.labels)))
    places, draws, lists, lengths = [], [], [], []
    for target, ask, scores in zip(targets, inputs(test), answers, strict=True):
        shown_to = np.where(recommender.allowed(ask), scores, -np.inf).astype(np.float32)
        ranked = np.where(taken, shown_to, -np.inf).astype(np.float32)
        places.append((NEVER, 0) if target is None else place_of(ranked, target))
        draws.append(np.full(TIE_DRAWS, NEVER) if target is None else drawn(ranked, target, lots))
        lists.append(recommender.best(shown_to, FIRST))
        lengths.append(len(recommender.histories.of(ask.user, ask.before)[0]))
    above, tied = np.array(places, dtype=np.int64).T
    ranks, users = Places(above, tied), [row.user for row in test.interactions]
    gained, hits = gains(ranks), ranks.within(FIRST)
    orders = [Places(order, np.zeros_like(order)) for order in np.stack(draws, axis=1)]
    shown = np.bincount(np.concatenate(lists), minlength=len(recommender.labels))
    known = -np.log2((recommender.counts + 1.0) / (len(recommender.histories.users) + 1.0))
    novel = np.array([float(known[chosen].mean()) if len(chosen) else 0.0 for chosen in lists])
    by_lot = np.array([quality_of(order) for order in orders])
    quality = {
        "ndcg_at_10": widened(mean_over_users(gained, users, seed), by_lot[:, 0]),
        "hr_at_10": widened(mean_over_users(hits, users, seed), by_lot[:, 1]),
        "coverage": wilson(int((shown > 0).sum()), int(recommender.listed.sum())),
        "novelty": mean_over_users(novel, users, seed),
    }
    found = (_by_place(ranks), _by_length(hits, np.array(lengths)))
    offered = (_most_shown(recommender, shown, len(lists)), _new_items(recommender, shown))
    compared = without_a_model(recommender, inputs(test), users, targets, taken, ranks)
    return Measured(quality, tuple(gained.tolist()), MOST_LOSS, sections=(*found, *offered), trivial=compared)


def parse(inputs: list[Any], model: Model) -> list[Ask]:
    """The wire's inputs as asks. Raises BadInput naming inputs[3].items[1] for the first that cannot be answered."""
    recommender = is_recommender(model)
    on_sale = recommender.listed
    if recommender.unavailable is not None:
        on_sale = on_sale & ~recommender.unavailable
    count = int(np.count_nonzero(on_sale))  # once a request: looking at all items for each input takes milliseconds
    return [_ask(value, f"inputs[{at}]", recommender, count) for at, value in enumerate(inputs)]


def render(model: Model, ask: Ask, scores: Floats) -> dict[str, Any]:
    """The best items that may be recommended, each with the known item that spoke most for it."""
    recommender = is_recommender(model)
    allowed = np.where(recommender.allowed(ask), scores, -np.inf).astype(np.float32)
    chosen = recommender.best(allowed, recommender.top if ask.top is None else ask.top).tolist()
    reasons = recommender.reasons(ask, chosen)
    return {
        "items": [
            {
                **_named(recommender, place),
                "score": round(float(scores[place]), 6),
                "new": bool(recommender.counts[place] == 0),
                "because": None if reason is None else _named(recommender, reason),
            }
            for place, reason in zip(chosen, reasons, strict=True)
        ]
    }


def probes(model: Model) -> list[Ask]:
    """A known user, a known item, and the popular items."""
    recommender = is_recommender(model)
    user = next(iter(recommender.histories.users), None)
    return [Ask(user=user), Ask(items=recommender.labels[-1:]), Ask()]


def amend(model: Model, content: Mapping[str, Any]) -> Model:
    """Items out of stock, and new items: {"unavailable": ["i5"], "items": [{"item", "title", "text"}]}."""
    check_amendment(content)
    added = [item_of(row) for row in content.get("items", ())]
    return is_recommender(model).amended(
        content.get("unavailable", ()), [(item.item, item.title, item.words) for item in added]
    )


def amendment_rows(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """New items, for the next training."""
    return [{"kind": "item", **row} for row in content.get("items", ())]


def check_amendment(content: Mapping[str, Any]) -> None:
    """Raises BadInput for what is no amendment of a recommender."""
    for name in content:
        if name not in ("unavailable", "items"):
            raise BadInput(f"unknown field {name!r}", where=f"amendment.{name}", hint="use unavailable and items")
    _texts(content.get("unavailable", []), "amendment.unavailable", MOST_NAMED * 100)
    rows = content.get("items", [])
    if not isinstance(rows, list):
        raise BadInput(
            "must be a list", where="amendment.items", hint='[{"item": "i9", "title": "...", "text": "..."}]'
        )
    for at, row in enumerate(rows):
        _check_item(row, f"amendment.items[{at}]")


def _check_item(row: Any, where: str) -> None:
    if not isinstance(row, dict):
        raise BadInput("must be an object", where=where, hint='{"item": "i9", "title": "...", "text": "..."}')
    for name, value in row.items():
        if name not in ("kind", "item", "title", "text", "attributes", "listed"):
            raise BadInput(f"unknown field {name!r}", where=f"{where}.{name}")
        if name in ("title", "text") and not (isinstance(value, str) and len(value) <= MAX_TEXT_CHARS):
            raise BadInput(f"must be a text of at most {MAX_TEXT_CHARS:,} characters", where=f"{where}.{name}")
    if not isinstance(row.get("attributes", {}), dict):
        raise BadInput("must be an object of texts", where=f"{where}.attributes")
    _id(row.get("item"), f"{where}.item")


def _ask(value: Any, where: str, model: Recommender, on_sale: int) -> Ask:
    if not isinstance(value, dict):
        raise BadInput("an input must be an object", where=where, hint=_HINT)
    for name in value:
        if name not in FIELDS:
            raise BadInput(f"unknown field {name!r}", where=f"{where}.{name}", hint=f"fields: {', '.join(FIELDS)}")
    user = None if "user" not in value else _id(value["user"], f"{where}.user")
    items = None if "items" not in value else _texts(value["items"], f"{where}.items", MOST_ITEMS)
    _check_popular(value, where)
    if items is not None and not items:
        hint = 'name at least one; for what is popular with everybody send {"popular": true}'
        raise BadInput("the list of items is empty", where=f"{where}.items", hint=hint)
    for at, item in enumerate(items or ()):
        if item not in model.places:
            hint = "leave it out; new items are known once they are added (penstock stock add) on a backbone"
            raise BadInput(f"the item {item[:80]!r} is unknown", where=f"{where}.items[{at}]", hint=hint)
    if user is not None and items is None and user not in model.histories.users:
        hint = 'send what the user knows instead: {"items": ["i5", "i9"]}, or {"popular": true}'
        raise BadInput(f"the user {user[:80]!r} is unknown", where=f"{where}.user", hint=hint)
    ask = Ask(
        user=user,
        items=tuple(items or ()),
        top=None if "top" not in value else _top(value["top"], f"{where}.top"),
        exclude=frozenset(_texts(value.get("exclude", []), f"{where}.exclude", MOST_NAMED)),
        available=_available(value, where),
    )
    if not _leaves_some(ask, model, on_sale):
        place = f"{where}.available" if ask.available is not None else f"{where}.exclude" if ask.exclude else where
        hint = "all others are known to the user, out of stock or excluded"
        raise BadInput("no item is left to recommend", where=place, hint=hint)
    return ask


def _leaves_some(ask: Ask, model: Recommender, on_sale: int) -> bool:
    """Whether `allowed` allows an item. on_sale: how many are listed and in stock; each id rules out one at most."""
    known = model.known_to(ask)
    if ask.available is None and on_sale > len(known) + len(ask.items) + len(ask.exclude):
        return True
    if ask.available is None:
        return bool(model.allowed(ask).any())
    ruled_out = {*known.tolist(), *(model.places.get(item) for item in (*ask.items, *ask.exclude))}
    places = {model.places[item] for item in ask.available if item in model.places} - ruled_out
    stock = model.unavailable
    return any(model.listed[place] and (stock is None or not stock[place]) for place in places)


def _check_popular(value: Mapping[str, Any], where: str) -> None:
    if "popular" in value:
        if value["popular"] is not True:
            raise BadInput("must be true, or left out", where=f"{where}.popular", hint=_HINT)
        if "user" in value or "items" in value:
            raise BadInput("stands alone, without user and items", where=f"{where}.popular", hint=_HINT)
    elif "user" not in value and "items" not in value:
        raise BadInput("says neither a user nor items", where=where, hint=_HINT)


def _available(value: Mapping[str, Any], where: str) -> frozenset[str] | None:
    if "available" not in value:
        return None
    return frozenset(_texts(value["available"], f"{where}.available", MOST_NAMED))


def _top(value: Any, where: str) -> int:
    if type(value) is not int or not 1 <= value <= MOST_TOP:
        raise BadInput(f"must be a whole number from 1 to {MOST_TOP}", where=where, hint='e.g. "top": 10')
    return value


def _texts(value: Any, where: str, most: int) -> list[str]:
    if not isinstance(value, list | tuple):
        raise BadInput("must be a list of ids", where=where, hint='e.g. ["i5", "i9"]')
    if len(value) > most:
        raise BadInput(f"names {len(value):,} ids; at most {most:,} are read", where=where, hint="send the latest")
    return [_id(each, f"{where}[{at}]") for at, each in enumerate(value)]


def _id(value: Any, where: str) -> str:
    if type(value) is int and abs(value) < 10**18:
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise BadInput("must be an id: a text or a whole number", where=where, hint='e.g. "i5"')
    if len(value) > MAX_ID_CHARS:
        raise BadInput(f"is longer than {MAX_ID_CHARS} characters", where=where, hint="send the id as in your data")
    return value.strip()


def _named(model: Recommender, place: int) -> dict[str, str]:
    return {"item": model.labels[place], "title": model.titles[place]}


def _by_place(ranks: Places) -> Section:
    rates = [(count, wilson(round(float(ranks.within(count).sum())), len(ranks))) for count in PLACES]
    rows = tuple((str(count), f"{rate.value:.3f}", f"{rate.low:.3f} to {rate.high:.3f}") for count, rate in rates)
    points = tuple(Point(float(count), rate.value, rate.low, rate.high) for count, rate in rates)
    chart = Chart("lines", "places", "hit rate", points)
    return Section("Hits by place", _BY_PLACE, ("places", "hit rate", "95%"), rows, chart)


def _by_length(hits: Any, lengths: Any) -> Section:
    rows, points = [], []
    for low, high in LENGTHS:
        inside = hits[(lengths >= low) & (lengths <= high)]
        if len(inside):
            rate = wilson(round(float(inside.sum())), len(inside))
            name = f"{low}+" if math.isinf(high) else f"{low}–{high:.0f}"
            rows.append((name, str(len(inside)), f"{rate.value:.3f}", f"{rate.low:.3f} to {rate.high:.3f}"))
            points.append(Point(name, rate.value, rate.low, rate.high))
    note = "HR@10 of users by how many interactions there were to go by."
    header = ("known interactions", "test rows", "hit rate", "95%")
    return Section("Hits by length of history", note, header, tuple(rows), Chart("bars", "hit rate", "", tuple(points)))


def _most_shown(model: Recommender, shown: Any, answers: int) -> Section:
    order = np.argsort(-shown, kind="stable")[:FIRST].tolist()
    users = len(model.histories.users)
    rows = tuple(
        (f"{model.titles[place]}", f"{shown[place] / answers:.1%}", f"{float(model.counts[place]) / users:.1%}")
        for place in order
        if shown[place]
    )
    return Section("Most recommended", _MOST_SHOWN, ("item", "in answers", "known to users"), rows)


def _new_items(model: Recommender, shown: Any) -> Section:
    new = model.listed & (model.counts == 0)
    share = float(shown[new].sum()) / max(1.0, float(shown.sum()))
    rows = (("new items", f"{int(new.sum()):,}"), ("share of the first ten places", f"{share:.1%}"))
    return Section("Items that nobody took yet", _NEW_ITEMS, ("what", "value"), rows)


def _no_correction(input: Any, text: str) -> Mapping[str, Any]:
    hint = 'tell what the user did instead: {"id", "index", "event": "click" or "buy", "item"}'
    raise BadInput("recommendations are not corrected by a text", where="correction", hint=hint)


SECTION = """\
{test_line}
# columns = {{ user = "customer", item = "sku", time = "at", weight = "stars" }}   # if your file names them otherwise
# backbone = "english"             # hybrid-items.v1 judges new items by their text
ladder = ["item-item.v1", "sequence-ease.v1", "hybrid-items.v1"]   # popularity.v1, the same for everybody, is left out
# Only a candidate that meets all of these is released; a bound must hold for the whole confidence interval.
gate = {{ ndcg_at_10 = ">= 0.02", latency_p95_ms = "<= 50", gross_margin = ">= 0.70" }}
# items: the file of items (item,title,text); without it an item is only its id, and new ones cannot be judged.
# options = {{ items = "data/items.csv", attributes = ["genre"], min_weight = 3.5, leave_last = 1, top = 10 }}
"""
CHINESE: Mapping[str, str] = {
    "ndcg_at_10": "nDCG@10",
    "hr_at_10": "前十命中率",
    "coverage": "覆盖率",
    "novelty": "新颖度",
    "Hits by place": "按名次的命中率",
    _BY_PLACE: "用户接下来选择的物品出现在前若干名的频率。",
    "places": "名次",
    "hit rate": "命中率",
    "Hits by length of history": "按历史长度的命中率",
    "HR@10 of users by how many interactions there were to go by.": "按可参考的交互次数统计的前十命中率。",
    "known interactions": "已知交互",
    "test rows": "测试行",
    "Most recommended": "推荐最多的物品",
    _MOST_SHOWN: "最常进入前十的物品，以及知道它们的用户比例。",
    "Items that nobody took yet": "尚无人选择的物品",
    _NEW_ITEMS: "它们仅凭文本被推荐，不计入 nDCG 与命中率：测试中没有针对它们的行。",
    "what": "项目",
    "value": "数值",
    "item": "物品",
    "in answers": "出现率",
    "known to users": "用户知晓率",
}


def _training() -> Training:
    from penstock.tasks.recommendation.train import TRAINING

    return TRAINING


TASK = Task(
    name="recommendation",
    unit="recommendation",
    ladder=("popularity.v1", "item-item.v1", "sequence-ease.v1", "hybrid-items.v1"),
    quality=QUALITY,
    trivial=TRIVIAL,
    prepare=prepare,
    split=records_of,
    inputs=inputs,
    measure=measure,
    parse=parse,
    render=render,
    probes=probes,
    options=RecommendationOptions,
    correction=_no_correction,
    amend=amend,
    amendment_rows=amendment_rows,
    example="bookshop",
    section=SECTION,
    chinese=CHINESE,
    form="user",
    fields=("user", "item", "time"),
    training=_training,
    kinds=KINDS,
    input_schema=INPUT_SCHEMA,
    output_schema=OUTPUT_SCHEMA,
)
