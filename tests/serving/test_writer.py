"""The usage writer acknowledges only what is committed, and never dies silently."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from serving.support import TestFunding

from penstock.core.errors import CreditExhausted, Unavailable
from penstock.metering import usage_log
from penstock.metering.usage_log import Answer, UsageEvent
from penstock.serving.writer import LARGEST_BATCH, UsageWriter, Use
from penstock.storage import migrate
from penstock.storage.engine import Store, Transaction, open_engine
from penstock.storage.keyring import Keyring

NOON = datetime(2026, 11, 15, 12, tzinfo=UTC)


def use(id: str, units: int = 1) -> Use:
    event = UsageEvent("cus_1", id, "cus_1", "helpdesk", "rel_1", "key_1", NOON, units, "a" * 64)
    return Use(event, Answer("cus_1", id, "cus_1", "helpdesk", ["hi"], b"{}", NOON), [("grant_1", units)])


class RecordingFunding(TestFunding):
    """Remembers what was settled, in transactions that were committed or not."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__()
        self.settled: list[tuple[str, int]] = []
        self.failing = False

    def settle(self, tx: Transaction, uses: Sequence[tuple[str, int]]) -> None:
        if self.failing:
            raise RuntimeError("a bug in settling")
        self.settled.extend(uses)


class SwitchedStore(Store):
    """A store whose database can be switched off."""

    off = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        if SwitchedStore.off:
            raise Unavailable("the disk is full")
        with super().transaction() as tx:
            yield tx


@pytest.fixture
def funding() -> RecordingFunding:
    return RecordingFunding()


@pytest.fixture
def writer(store: Store, funding: RecordingFunding) -> Iterator[UsageWriter]:
    SwitchedStore.off = False
    switched = SwitchedStore(store.engine, store.organisation, store.clock, store.ids, store.keys)
    started = UsageWriter(switched, funding)
    started.start()
    yield started
    SwitchedStore.off = False
    assert started.close()


def logged(store: Store) -> list[str]:
    with store.read() as tx:
        return [event.id for event in usage_log.events(tx, limit=10_000)]


def test_what_waits_is_committed_together_and_settled_once(
    store: Store, writer: UsageWriter, funding: RecordingFunding
) -> None:
    gate = threading.Event()
    writer.call(lambda tx: gate.wait(5))
    futures = [writer.record(use(f"r{n}")) for n in range(LARGEST_BATCH + 10)]
    again = writer.record(use("r0"))
    gate.set()
    assert {future.result(20).kind for future in futures} == {"new"}
    assert again.result(20).kind == "replay"
    assert logged(store) == [f"r{n}" for n in range(LARGEST_BATCH + 10)]
    assert sum(units for _, units in funding.settled) == LARGEST_BATCH + 10
    assert len(funding.settled) <= 3


def test_when_a_future_resolves_its_row_can_be_read(store: Store, writer: UsageWriter) -> None:
    missing: list[str] = []

    def check(name: str) -> None:
        for n in range(20):
            writer.record(use(f"{name}{n}")).result(20)
            with store.read() as tx:
                if usage_log.find_answer(tx, "cus_1", f"{name}{n}") is None:
                    missing.append(f"{name}{n}")

    threads = [threading.Thread(target=check, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing == [] and len(logged(store)) == 60


def test_one_poison_row_does_not_take_its_neighbours_with_it(store: Store, writer: UsageWriter) -> None:
    gate = threading.Event()
    writer.call(lambda tx: gate.wait(5))
    futures = [writer.record(use(id, units)) for id, units in (("r1", 1), ("poison", -5), ("r2", 1))]
    gate.set()
    assert futures[0].result(20).kind == futures[2].result(20).kind == "new"
    with pytest.raises(Unavailable, match="cannot be recorded"):
        futures[1].result(20)
    assert logged(store) == ["r1", "r2"]
    assert writer.problem is None


def test_a_failure_of_settling_acknowledges_nothing(
    store: Store, writer: UsageWriter, funding: RecordingFunding
) -> None:
    funding.failing = True
    with pytest.raises(Unavailable):
        writer.record(use("r1")).result(20)
    assert logged(store) == []
    funding.failing = False
    assert writer.record(use("r1")).result(20).kind == "new"


def test_a_full_disk_turns_readiness_red_and_it_comes_back_by_itself(store: Store, writer: UsageWriter) -> None:
    SwitchedStore.off = True
    with pytest.raises(Unavailable, match="cannot be recorded at present"):
        writer.record(use("r1")).result(20)
    assert writer.problem is not None and "the disk is full" in writer.problem
    SwitchedStore.off = False
    deadline = time.monotonic() + 5
    while writer.problem is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert writer.problem is None
    assert writer.record(use("r1")).result(20).kind == "new"


def test_a_database_locked_by_another_program_refuses_and_later_goes_on(tmp_path: Path) -> None:
    """Only SQLite has a lock on the whole database. Its ten seconds of patience are shortened here."""
    url = f"sqlite:///{tmp_path / 'penstock.sqlite'}"
    migrate.upgrade(url)
    engine = open_engine(url, pool_size=1)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    store = Store(engine, "main", keys=Keyring(tmp_path / "keyring"))
    other = Store(open_engine(url), "main")
    writer = UsageWriter(store, RecordingFunding())
    writer.start()
    with other.transaction():
        futures = [writer.record(use(f"r{n}")) for n in range(5)]
        for future in futures:
            with pytest.raises(Unavailable, match="cannot be recorded at present"):
                future.result(20)
    assert writer.record(use("r9")).result(20).kind == "new"
    assert logged(other) == ["r9"]
    assert writer.close()
    store.close()
    other.close()


def test_a_refused_write_tells_its_own_reason_and_leaves_the_writer_well(store: Store, writer: UsageWriter) -> None:
    def refuse(tx: Transaction) -> None:
        tx.execute(sa.text("select 1"))
        raise CreditExhausted("the credit is used up")

    with pytest.raises(CreditExhausted):
        writer.call(refuse).result(20)
    assert writer.problem is None


def test_closing_writes_what_waits_and_refuses_what_comes_later(store: Store, funding: RecordingFunding) -> None:
    writer = UsageWriter(store, funding)
    writer.start()
    gate = threading.Event()
    writer.call(lambda tx: gate.wait(5))
    waiting = [writer.record(use(f"r{n}")) for n in range(3)]
    threading.Timer(0.1, gate.set).start()
    assert writer.close()
    assert [future.result(0).kind for future in waiting] == ["new"] * 3
    with pytest.raises(Unavailable):
        writer.record(use("late")).result(0)
    assert writer.problem == "the usage writer is not running"
