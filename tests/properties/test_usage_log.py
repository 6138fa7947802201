"""Usage: whatever is sent again, in whatever order and company, each id is counted once and numbers have no gap."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.core.clock import SettableClock
from penstock.core.ids import random_ids
from penstock.metering import usage_log
from penstock.metering.tables import usage_event
from penstock.metering.usage_log import Answer, UsageEvent
from penstock.storage.engine import Store

NOON = datetime(2026, 11, 15, 12, tzinfo=UTC)


def event(id: str, payload: str = "a", source: str = "cus_1", units: int = 1) -> UsageEvent:
    return UsageEvent(source, id, source, "helpdesk", "rel_1", "key_1", NOON, units, payload * 64)


def answer_of(asked: UsageEvent, body: str) -> Answer:
    return Answer(asked.source, asked.id, asked.customer, asked.product, ["hello"], body.encode(), NOON)


sent = st.builds(
    event,
    id=st.sampled_from(["r1", "r2", "r3", "r4", "r5"]),
    payload=st.sampled_from("ab"),
    source=st.sampled_from(["cus_1", "cus_2"]),
    units=st.integers(1, 9),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(sent, max_size=8), max_size=6), rolled_back=st.sets(st.integers(0, 5)))
def test_replays_and_duplicates_in_any_order_count_each_id_once(
    store: Store, batches: list[list[UsageEvent]], rolled_back: set[int]
) -> None:
    own = Store(store.engine, f"{store.organisation}-{random_ids('x')}", store.clock, random_ids, store.keys)
    first: dict[tuple[str, str], UsageEvent] = {}
    bodies: dict[tuple[str, str], bytes] = {}
    for number, batch in enumerate(batches):
        if number in rolled_back:
            with pytest.raises(RuntimeError), own.transaction() as tx:
                usage_log.append(tx, batch)
                raise RuntimeError("power cut before the commit")
            continue
        with own.transaction() as tx:
            answers = [answer_of(e, f"answer {number}.{place}") for place, e in enumerate(batch)]
            outcomes = usage_log.append(tx, batch, answers)
        for asked, given_answer, outcome in zip(batch, answers, outcomes, strict=True):
            told = first.setdefault(asked.identity, asked)
            body = bodies.setdefault(asked.identity, given_answer.body)
            if outcome.kind == "new":
                assert told is asked
            else:
                assert outcome.kind == ("replay" if told.payload_hash == asked.payload_hash else "conflict")
            assert outcome.event == replace(told, seq=outcome.event.seq)
            assert outcome.body == (None if outcome.kind == "conflict" else body)
    with own.read() as tx:
        logged = usage_log.events(tx)
        assert usage_log.watermark(tx) == len(first)
    assert [e.seq for e in logged] == list(range(1, len(first) + 1))
    assert {e.identity: e.units for e in logged} == {key: e.units for key, e in first.items()}


def test_two_writers_number_events_in_the_order_they_become_visible(store: Store) -> None:
    """A reader that follows the watermark never meets a number that appears behind it."""
    seen_behind: list[int] = []
    stop = threading.Event()

    def write(name: str) -> None:
        for i in range(25):
            with store.transaction() as tx:
                usage_log.append(tx, [event(f"{name}-{i}"), event(f"both-{i}")])

    def follow() -> None:
        last = 0
        while not stop.is_set():
            with store.read() as tx:
                page = [e.seq for e in usage_log.events(tx, after_seq=last)]
            seen_behind.extend(seq for seq, wanted in zip(page, range(last + 1, 10**6), strict=False) if seq != wanted)
            last = page[-1] if page else last

    writers = [threading.Thread(target=write, args=(name,)) for name in ("east", "west")]
    reader = threading.Thread(target=follow)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    with store.read() as tx:
        assert [e.seq for e in usage_log.events(tx)] == list(range(1, 76))
    assert seen_behind == []


def test_the_database_itself_refuses_a_second_event_with_the_same_id_or_number(store: Store) -> None:
    with store.transaction() as tx:
        usage_log.append(tx, [event("r1")])
    row = {"organisation": store.organisation, **vars(event("r1")), "seq": 2}
    with pytest.raises(sa.exc.IntegrityError), store.transaction() as tx:
        tx.execute(sa.insert(usage_event), row)
    with pytest.raises(sa.exc.IntegrityError), store.transaction() as tx:
        tx.execute(sa.insert(usage_event), {**row, "id": "r2", "seq": 1})
    with pytest.raises(sa.exc.IntegrityError), store.transaction() as tx:
        tx.execute(sa.insert(usage_event), {**row, "id": "r3", "units": -1})


def test_a_forgotten_answer_leaves_the_event_and_its_id_stays_taken(store: Store, clock: SettableClock) -> None:
    asked = event("r1")
    with store.transaction() as tx:
        usage_log.append(tx, [asked], [answer_of(asked, "{}")])
        assert usage_log.find_answer(tx, "cus_1", "r1") == answer_of(asked, "{}")
        assert usage_log.find_answer(tx, "cus_2", "r1") is None
        assert usage_log.forget_answers(tx, before=NOON.replace(hour=13)) == 1
        assert usage_log.find_answer(tx, "cus_1", "r1") is None
        [outcome] = usage_log.append(tx, [asked], [answer_of(asked, "{}")])
        assert (outcome.kind, outcome.body) == ("replay", None)
