"""The usage writer: the one thread of a gateway that writes. Everything waiting becomes one transaction.

A future resolves only after COMMIT: an answer that leaves the gateway is in the log. It knows nothing of HTTP.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from penstock.core.acts import Act
from penstock.core.errors import PenstockError, Unavailable
from penstock.metering.usage_log import SEQUENCE, Answer, Outcome, UsageEvent, append
from penstock.serving.funding import Funding
from penstock.storage import counters
from penstock.storage.audit import acting
from penstock.storage.engine import Store, Transaction
from penstock.storage.sealed import active_key, has_active_key

LARGEST_BATCH = 512  # rows a commit: SQLite writes 48k rows/s at 100 a commit and hardly more beyond
PROBE_EVERY_S = 0.5  # how often an idle writer whose last commit failed tries again

CANNOT_RECORD = "usage cannot be recorded at present"  # to customers; why, the log says
T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Use:
    """One answer to be recorded: its event, its stored form, and the (grant, units) its hold was taken from."""

    event: UsageEvent
    answer: Answer | None
    grants: Sequence[tuple[str, int]] = ()


@dataclass
class _Item:
    work: Use | Callable[[Transaction], Any]
    store: Store
    future: Future[Any] = field(default_factory=Future)


class UsageWriter:
    """Commits uses in groups, and other small writes (grants, feedback) one by one, in the order they came."""

    def __init__(self, store: Store, funding: Funding, on_batch: Callable[[int], None] = lambda size: None) -> None:
        self._store = store
        self._funding = funding
        self._on_batch = on_batch
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._gate = threading.Lock()  # nothing is queued behind the end mark
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="usage-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def record(self, use: Use) -> Future[Outcome]:
        """Queue one answer; the future resolves once it is committed (or fails: then nothing was acknowledged)."""
        return self._put(use, self._store)

    def call(self, write: Callable[[Transaction], T], act: Act | None = None) -> Future[T]:
        """Queue a small write of its own transaction; the future resolves once it is committed. act: whose it is, for
        the audit log."""
        return self._put(write, self._store if act is None else acting(self._store, act))

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    @property
    def problem(self) -> str | None:
        """Why nothing can be recorded at present, or None while all is well."""
        if not self._thread.is_alive():
            return "the usage writer is not running"
        return self._problem

    def close(self, timeout_s: float = 20.0) -> bool:
        """Write everything queued, then end. Answers whether that was done within `timeout_s`."""
        with self._gate:
            if not self._closing.is_set():
                self._closing.set()
                self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _put(self, work: Use | Callable[[Transaction], Any], store: Store) -> Future[Any]:
        item = _Item(work, store)
        with self._gate:
            if not self._closing.is_set() and self._thread.is_alive():
                self._queue.put(item)
                return item.future
        item.future.set_exception(_refusal("the gateway is shutting down"))
        return item.future

    def _run(self) -> None:
        going = True
        while going:
            items, going = self._take()
            if not items:
                if self._problem is not None or not self._has_key():
                    self._probe()
                continue
            claimed = [item for item in items if item.future.set_running_or_notify_cancel()]
            uses = [item for item in claimed if isinstance(item.work, Use)]
            if uses:
                self._on_batch(len(uses))
                self._commit_together(uses)
            for item in claimed:
                if not isinstance(item.work, Use):
                    self._commit_alone(item)

    def _take(self) -> tuple[list[_Item], bool]:
        """Everything that waits, at most a batch; False when the end mark was reached."""
        items: list[_Item] = []
        try:
            item = self._queue.get(timeout=PROBE_EVERY_S)
            while True:
                if item is None:
                    return items, False
                items.append(item)
                if len(items) >= LARGEST_BATCH:
                    return items, True
                item = self._queue.get_nowait()
        except queue.Empty:
            return items, True

    def _commit_together(self, items: list[_Item]) -> None:
        try:
            with self._store.transaction() as tx:
                outcomes = _record(tx, self._funding, [item.work for item in items if isinstance(item.work, Use)])
        except Unavailable as error:  # the database itself: trying each row alone would only wait as many times
            self._fail(items, error)
        except Exception as error:  # noqa: BLE001 - one poison row must not take its neighbours with it
            if len(items) == 1:
                self._fail(items, error)
                return
            for item in items:
                self._commit_together([item])
        else:
            self._problem = None
            for item, outcome in zip(items, outcomes, strict=True):
                item.future.set_result(outcome)

    def _commit_alone(self, item: _Item) -> None:
        try:
            with item.store.transaction() as tx:
                result = item.work(tx)  # type: ignore[operator]
        except Unavailable as error:
            self._fail([item], error)
        except PenstockError as error:  # the write's own verdict (credit exhausted, …): the database is well
            item.future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked; the thread must live
            if _is_the_database(error):
                self._fail([item], error)
            else:
                item.future.set_exception(error)
        else:
            self._problem = None
            item.future.set_result(result)

    def _fail(self, items: list[_Item], error: Exception) -> None:
        message = error.message if isinstance(error, PenstockError) else type(error).__name__
        if _is_the_database(error):
            self._problem = f"usage cannot be recorded: {message}"
        cause = error.message if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
        _log.error("usage could not be recorded (%d waiting answers refused): %s", len(items), cause)
        for item in items:
            refusal = _refusal(CANNOT_RECORD)
            refusal.__cause__ = error
            item.future.set_exception(refusal)

    def _has_key(self) -> bool:
        """An idle look for the key that another machine's rotation may have made: unready before a request fails."""
        try:
            with self._store.read() as tx:
                return has_active_key(tx)
        except Exception:  # noqa: BLE001 - the probe says what it is
            return False

    def _probe(self) -> None:
        """An idle look whether the database takes writes again, so that readiness comes back without traffic."""
        try:
            with self._store.transaction() as tx:
                counters.take(tx, SEQUENCE, 0)
                active_key(tx)  # answers are kept sealed, or not at all
        except Exception as error:  # noqa: BLE001 - any failure means: still red
            self._problem = f"usage cannot be recorded: {error}"
            time.sleep(PROBE_EVERY_S)
        else:
            self._problem = None


def _record(tx: Transaction, funding: Funding, uses: list[Use]) -> list[Outcome]:
    outcomes = append(tx, [use.event for use in uses], [use.answer for use in uses if use.answer is not None])
    settled: dict[str, int] = {}
    for use, outcome in zip(uses, outcomes, strict=True):
        if outcome.kind == "new":
            for grant, units in use.grants:
                settled[grant] = settled.get(grant, 0) + units
    if settled:
        funding.settle(tx, list(settled.items()))
    return outcomes


def _is_the_database(error: Exception) -> bool:
    """Whether the database failed, and would fail others too: not what one row broke, a rule or a type of it."""
    if isinstance(error, sa.exc.DBAPIError):
        return not isinstance(error, sa.exc.IntegrityError | sa.exc.DataError)
    return isinstance(error, Unavailable)


def _refusal(message: str) -> Unavailable:
    return Unavailable(message, hint="send the request again with the same Idempotency-Key")
