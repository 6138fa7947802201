"""The audit log: who changed what, when and from where; and whether the log is whole."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from penstock.console import render
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.pipeline.audit import change_words, find_entries, verify_log

SHOWN = 50


def show(
    request: Request,
    desk: AtDesk,
    who: str = "",
    about: str = "",
    since: str = "",
    until: str = "",
    before: int | None = None,
    check: bool = False,
) -> Response:
    """The newest entries, of one actor, about one thing, of some days; with ?check=true the verdict on the log."""
    asked = {"who": who.strip(), "about": about.strip(), "since": since.strip(), "until": until.strip()}
    wanted = {name: value for name, value in asked.items() if value}
    with desk.house.store.read() as tx:
        found = find_entries(tx, desk.house, before=before, limit=SHOWN + 1, **wanted)
        verified = verify_log(tx) if check else None
    rows = [(one, change_words(one.changes)) for one in found[:SHOWN]]
    facts = {"rows": rows, "older": len(found) > SHOWN, "asked": asked, "wanted": wanted, "verified": verified}
    return render.page(request, "audit.html", {**facts, "before": before})


ROUTES = (Route("GET", "/audit", show, "operator"),)
