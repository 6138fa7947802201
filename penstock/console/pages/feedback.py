"""Feedback: what was asked, answered and corrected, side by side; one click accepts or rejects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.console import render
from penstock.console.desk import AtDesk
from penstock.console.guard import Route, form_of
from penstock.console.pages.parts import back, field
from penstock.datasets.versions import list_versions
from penstock.metering.usage_log import keys_of
from penstock.monitoring.review import STATES, Verdict, decide, state_counts, undecided_with
from penstock.pipeline.feedback_pages import Said, corrected, said_page, short
from penstock.storage.engine import Transaction

ROWS = 20
_MOST_CHARS = 2_000  # of an input on the page: an image in base64 is none to read


@dataclass(frozen=True)
class Card:
    """One piece of feedback. message, answer: as text; picture: a data address instead of a message that is an image.
    correction: as people read it. version: the number of the
    dataset version that has a row of it. following: the id of the next on the page."""

    said: Said
    message: str
    picture: str
    answer: str
    key: str
    version: int | None
    following: str
    correction: str


def show(request: Request, desk: AtDesk, product: str = "", state: str | None = None, after: str = "") -> Response:
    """A page of feedback, newest first: what waits, unless another state is asked for ("all" for everything)."""
    with desk.house.store.read() as tx:
        counts = state_counts(tx)
        wanted = [product] if product else list(counts)
        totals = {one: sum(counts.get(name, {}).get(one, 0) for name in wanted) for one in STATES}
        chosen = state or ("waiting" if totals["waiting"] else "all")
        states = () if chosen == "all" else (chosen,)
        found = said_page(desk.house, tx, product or None, states=states, limit=ROWS + 1, after=after or None)
        cards = _cards(tx, found[:ROWS])
    facts = {
        "cards": cards,
        "more": len(found) > ROWS,
        "product": product,
        "products": sorted({*desk.house.workspace.products, *counts}),
        "state": chosen,
        "totals": totals,
        "after": after,
    }
    return render.page(request, "feedback.html", facts)


def accept(request: Request, desk: AtDesk) -> Response:
    return _decided(request, desk, "accepted")


def reject(request: Request, desk: AtDesk) -> Response:
    return _decided(request, desk, "rejected")


def reject_all(request: Request, desk: AtDesk) -> Response:
    """Reject every correction of one key's answers that waits."""
    form = form_of(request)
    with desk.house.store.transaction() as tx:
        decide(tx, undecided_with(tx, field(form, "key")), "rejected", form.get("reason", ""))
    return _back(form, "all-rejected")


def _decided(request: Request, desk: AtDesk, verdict: Verdict) -> Response:
    form = form_of(request)
    with desk.house.store.transaction() as tx:
        decide(tx, [field(form, "id")], verdict, form.get("reason", ""))
    return _back(form, verdict)


def _back(form: Mapping[str, str], done: str) -> Response:
    """To the page that the form was on, at the piece that comes next."""
    query = {name: form[name] for name in ("product", "state", "after") if name in form}
    answer = back("/feedback", done, **query)
    answer.headers["location"] += f"#{form['following']}" if form.get("following", "").startswith("fb_") else ""
    return answer


def _cards(tx: Transaction, found: list[Said]) -> list[Card]:
    keys = keys_of(tx, {(one.customer, one.request) for one in found})
    numbers = {one.id: one.number for name in {one.product for one in found} for one in list_versions(tx, name)}
    following = [one.id for one in found[1:]] + [""]
    return [
        Card(
            said=one,
            message=_text(one.message),
            picture=_picture(one.message),
            answer=short(one.answer),
            key=keys.get((one.customer, one.request), ""),
            version=numbers.get(one.used_in or ""),
            following=after,
            correction=corrected(one.correction),
        )
        for one, after in zip(found, following, strict=True)
    ]


def _text(value: Any) -> str:
    if isinstance(value, dict) and len(value) > 1:
        return "\n".join(f"{name}: {json.dumps(part, ensure_ascii=False)}" for name, part in value.items())[
            :_MOST_CHARS
        ]
    return short(value)[:_MOST_CHARS]


def _picture(value: Any) -> str:
    """An image as a data address, told by how the formats begin in base64."""
    if isinstance(value, str):
        for start, kind in (("iVBORw0KGgo", "png"), ("/9j/", "jpeg"), ("UklGR", "webp")):
            if value.startswith(start):
                return f"data:image/{kind};base64,{value}"
    return ""


ROUTES = (
    Route("GET", "/feedback", show, "operator"),
    Route("POST", "/feedback/accept", accept, "operator", page=show, right="train"),
    Route("POST", "/feedback/reject", reject, "operator", page=show, right="train"),
    Route("POST", "/feedback/reject-all", reject_all, "operator", page=show, right="train"),
)
