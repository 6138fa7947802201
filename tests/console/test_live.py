"""Work in progress is told to every open page until it ends, and only to whoever is signed in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from analytics.harbour import Harbour
from console.conftest import Browser, Runs
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.console import live as live_room
from penstock.console.live import Live, View
from penstock.core.errors import GateRefused, Unavailable
from penstock.identity.operators import ADMIN
from penstock.identity.sessions import Session, begin, end_session
from penstock.runtime.board import Board


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_room, "EVERY_S", 0.01)


@pytest.fixture(autouse=True)
def session(harbour: Harbour) -> Session:
    with harbour.store.transaction() as tx:
        made, _ = begin(tx, ADMIN, "127.0.0.1")
    return made


def view(session: Session, *seen: str) -> View:
    return View(session, lambda jobs: " ".join(job.run.id for job in jobs), frozenset(seen))


def told(events: list[str]) -> list[tuple[str, Any]]:
    lines = [event.splitlines()[:2] for event in events if event.startswith("event")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in lines]


async def some(events: AsyncIterator[str], most: int) -> list[str]:
    found = []
    async for event in events:
        found.append(event)
        if len(found) == most:
            break
    return found


def test_a_job_is_shown_while_it_runs_and_its_end_is_told(session: Session, office: FastAPI, runs: Runs) -> None:
    live = Live(office.state, office.state.desk.house.store)
    runs.start("train", {"product": "helpdesk"})

    async def watch() -> list[str]:
        events = live.open(view(session, "run-0"))
        first = await some(events, 2)
        runs.ended_as["run-1"] = {}
        return first + await some(events, 2)

    assert told(asyncio.run(watch())) == [("jobs", "run-1"), ("ended", ["run-0"]), ("jobs", ""), ("ended", ["run-1"])]


@pytest.mark.parametrize("how", ["time", "sign out", "office stops"])
def test_a_stream_ends_with_its_session_and_with_the_office(
    office: FastAPI, harbour: Harbour, session: Session, how: str
) -> None:
    live = Live(office.state, harbour.store)

    async def watch() -> list[str]:
        events = live.open(view(session))
        await some(events, 1)
        if how == "time":
            harbour.clock.set(session.expires_at)
        elif how == "sign out":
            with harbour.store.transaction() as tx:
                end_session(tx, session.id)
        else:
            live.close()
        return [event async for event in events]

    assert told(asyncio.run(watch()))[-1] == ("over", how == "office stops")


def test_streams_are_few_and_one_that_ends_makes_room(
    session: Session, office: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_room, "MOST_STREAMS", 1)
    live = Live(office.state, office.state.desk.house.store)

    async def watch() -> None:
        first: Any = live.open(view(session))
        await anext(first)
        with pytest.raises(Unavailable):
            live.open(view(session))
        await first.aclose()
        live.open(view(session))

    asyncio.run(watch())


def test_many_pages_look_once_a_second(
    session: Session, office: FastAPI, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_room, "EVERY_S", 0.2)
    looks: list[str] = []
    real = runs.pending
    monkeypatch.setattr(runs, "pending", lambda name: looks.append(name) or real(name))
    live = Live(office.state, office.state.desk.house.store)

    async def watch() -> None:
        await asyncio.gather(*(some(live.open(view(session)), 1) for _ in range(10)))

    asyncio.run(watch())
    assert looks.count("train") == 1


def test_a_stranger_follows_nothing(stranger: TestClient) -> None:
    assert stranger.get("/jobs/events").headers["location"] == "/sign-in"


def test_the_page_shows_the_stage_and_the_time_left(browser: Browser, office: FastAPI, runs: Runs) -> None:
    seconds = iter([0.0, 10.0, 10.0])
    board = Board(monotonic=lambda: next(seconds), run=lambda: "run-1")
    object.__setattr__(office.state.desk, "board", board)
    runs.start("train", {"product": "helpdesk"})
    board.tell("helpdesk: train", 0, 100)
    board.tell("helpdesk: train", 25, 100, "epoch 1")
    page = browser.get("/products/helpdesk").text
    assert 'value="25"' in page and "about 30 s left" in page and "epoch 1" in page
    assert 'data-live="/jobs/events?product=helpdesk&amp;seen=run-1"' in page
    assert '<noscript><meta http-equiv="refresh"' in page


def test_a_job_that_failed_says_why_until_a_newer_one_ends(browser: Browser, runs: Runs) -> None:
    runs.start("train", {"product": "helpdesk"})
    runs.ended_as["run-1"] = GateRefused("no rung passed", hint="add data")
    page = browser.get("/products/helpdesk").text
    assert "no rung passed" in page and "add data" in page
    assert "no rung passed" not in browser.get("/products/kefu").text
    runs.start("train", {"product": "helpdesk"})
    runs.ended_as["run-2"] = {}
    assert "no rung passed" not in browser.get("/products/helpdesk").text


def test_a_board_keeps_the_last_stage_of_each_run() -> None:
    clock = iter(range(0, 1000, 5))
    run = ["a"]
    board = Board(monotonic=lambda: float(next(clock)), run=lambda: run[0])
    board.tell("train", 0, 0)
    stage = board.stage("a")
    assert stage is not None and stage.share is None and stage.left_s is None
    for number in range(150):
        run[0] = f"run-{number}"
        board.tell("train", 1, 2)
    assert board.stage("a") is None and board.stage("run-149") is not None and board.stage("unknown") is None
