"""Apply: what penstock.toml says that is not published yet, from when it would hold, and publishing it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from penstock.console import render
from penstock.console.desk import AtDesk, Desk
from penstock.console.guard import Route, form_of
from penstock.console.pages.parts import back, field
from penstock.core.errors import Conflict, PenstockError
from penstock.core.hashing import digest_of
from penstock.pipeline.apply import apply_workspace, plan_workspace, preview_apply
from penstock.workspace.plan import Change

_FRESH = ("gateway.", "storage.", "office.")
_PRODUCT = re.compile(r"products\.[^.]+")


@dataclass(frozen=True)
class Plan:
    """What would be done. digest: names it, so that what is confirmed is what was shown. lines: the versions that would
    be published, with dates. restart: whether the gateway must be started again to see it all."""

    changes: tuple[Change, ...]
    lines: tuple[str, ...]
    restart: bool
    digest: str
    looked_at: datetime


def show(request: Request, desk: AtDesk) -> Response:
    """The differences, and the form that publishes them."""
    refused: PenstockError | None = desk.complaint
    plan = None
    if refused is None:
        try:
            plan = _plan(desk)
        except PenstockError as error:
            refused = error
    return render.page(request, "apply.html", {"plan": plan, "refused": refused})


def publish(request: Request, desk: AtDesk) -> Response:
    """Publish what was shown. Raises Conflict when the file has changed since."""
    shown = field(form_of(request), "plan")
    if desk.complaint is not None:
        raise desk.complaint
    if _plan(desk).digest != shown:
        raise Conflict("penstock.toml has changed since this was shown", hint="look at what it would do now")
    apply_workspace(desk.house)
    return back("/apply", "applied")


def _plan(desk: Desk) -> Plan:
    changes, lines = plan_workspace(desk.house), preview_apply(desk.house)
    fresh = any(one.key.startswith(_FRESH) or _PRODUCT.fullmatch(one.key) for one in changes)
    now = desk.house.store.clock.now()
    return Plan(changes, lines, fresh, digest_of([*map(str, changes), *lines]), now)


ROUTES = (
    Route("GET", "/apply", show, "operator"),
    Route("POST", "/apply", publish, "operator", page=show, right="govern"),
)
