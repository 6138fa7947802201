"""The audit log over HTTP."""

from __future__ import annotations

from starlette.responses import Response

from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.pipeline.audit import find_entries, verify_log


def audit_list(
    desk: AtDesk,
    who: str | None = None,
    about: str | None = None,
    since: str | None = None,
    until: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> Response:
    """Who changed what, newest first, at most 1,000 entries at once: send the last one's number as ?before= for more.
    about: an id, or a customer's or partner's name; since, until: days or times."""
    with desk.house.store.read() as tx:
        facts = {"who": who, "about": about, "since": since, "until": until}
        return answer(find_entries(tx, desk.house, **facts, before=before, limit=max(1, limit)))


def audit_verify(desk: AtDesk, expect: str | None = None) -> Response:
    """Whether the log is whole; with ?expect=NUMBER:HASH also whether that entry is still the one that was kept."""
    with desk.house.store.read() as tx:
        return answer(verify_log(tx, expect))


ROUTES = (
    Route("GET", "/admin/v1/audit", audit_list, "admin"),
    Route("GET", "/admin/v1/audit/verify", audit_verify, "admin"),
)
