"""Jobs as they go: one look a second at what runs, shared by every open page, as server-sent events.

An event's data is HTML that the server made in the reader's language, so the page's script needs no words of its own.
Streams are few, end with their session and with the office, and do nothing on the event loop but wait and write.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State

from penstock.console import runs
from penstock.console.runs import Job
from penstock.core.errors import Unavailable
from penstock.identity.sessions import Session, holds
from penstock.storage.engine import Store

MOST_STREAMS = 24
EVERY_S = 1.0
SILENT_S = 15.0  # a comment is sent after so long without news, which finds out that the reader is gone


@dataclass(frozen=True)
class View:
    """What one stream shows. render: jobs as HTML. seen: ids of the runs that the page showed when it was made."""

    session: Session
    render: Callable[[list[Job]], str]
    seen: frozenset[str]
    wanted: Callable[[Job], bool] = lambda job: True


class Live:
    """Hands out streams. Lives on the event loop; `close` may be called from anywhere."""

    def __init__(self, state: State, store: Store) -> None:
        self._state = state
        self._store = store
        self._streams = 0
        self._closing = False
        self._jobs: list[Job] = []
        self._looked = float("-inf")
        self._looking: asyncio.Task[list[Job]] | None = None

    def close(self) -> None:
        """The office stops: every stream ends within a second."""
        self._closing = True

    def open(self, view: View) -> AsyncIterator[str]:
        """The events of one page. Raises Unavailable when too many pages are open."""
        if self._streams >= MOST_STREAMS:
            raise Unavailable("too many pages are following the work", hint="close some; this one can be loaded again")
        return self._events(view)

    async def _events(self, view: View) -> AsyncIterator[str]:
        shown, known, silent = None, set(view.seen), 0.0
        self._streams += 1  # here and not in `open`: a stream that never began has no end
        try:
            while not self._closing and await run_in_threadpool(self._goes_on, view.session):
                jobs = [job for job in await self._now() if view.wanted(job)]
                html = await run_in_threadpool(view.render, jobs)
                present = {job.run.id for job in jobs}
                ended = known - present
                known = present
                silent += EVERY_S
                if html != shown:
                    shown, silent = html, 0.0
                    yield event("jobs", html)
                if ended:
                    silent = 0.0
                    yield event("ended", sorted(ended))
                if silent >= SILENT_S:
                    silent = 0.0
                    yield ": nothing new\n\n"
                await asyncio.sleep(EVERY_S)
            yield event("over", self._closing)
        finally:
            self._streams -= 1

    def _goes_on(self, session: Session) -> bool:
        """Whoever signed out, was removed or whose session was ended elsewhere follows no longer."""
        with self._store.read() as tx:
            return holds(tx, session.id)

    async def _now(self) -> list[Job]:
        """The jobs, looked at once a second at most, however many ask."""
        loop = asyncio.get_running_loop()
        if self._looking is None and loop.time() - self._looked >= EVERY_S / 2:
            self._looking = loop.create_task(run_in_threadpool(runs.jobs, self._state.desk))
        if self._looking is not None:
            looking = self._looking
            try:
                self._jobs = await asyncio.shield(looking)
            finally:
                if looking.done():
                    self._looked, self._looking = loop.time(), None
        return self._jobs


def event(name: str, data: Any) -> str:
    """One server-sent event; its data is JSON, which has no line breaks."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def ids_of(text: str, most: int = 50) -> frozenset[str]:
    """Run ids from a query string, separated by commas."""
    found: Collection[str] = [one for one in text.split(",") if one][:most]
    return frozenset(found)
