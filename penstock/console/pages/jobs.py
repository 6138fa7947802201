"""Work in progress as server-sent events, for the pages that show it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from penstock.console import render
from penstock.console.guard import Route
from penstock.console.live import Live, View, ids_of
from penstock.console.runs import Job


async def follow(request: Request, product: str = "", kind: str = "", seen: str = "") -> Response:
    """The stream: `jobs` (HTML) when anything changed, `ended` (ids), `over` when the session or the office ends.

    product, kind: only jobs on this product, or of this kind. seen: ids of the jobs that the page shows already.
    """
    live: Live = request.app.state.live
    draw = render.macro(request, "parts.html", "running")

    def wanted(job: Job) -> bool:
        return (not product or job.subject == product) and (not kind or job.run.name == kind)

    events = live.open(View(request.state.session, draw, ids_of(seen), wanted))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


ROUTES = (Route("GET", "/jobs/events", follow, "operator"),)
