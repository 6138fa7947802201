"""Who may come in, and how fast: keys in memory, refreshed by generation, closed when stale; a bucket per key.

It reads identity's keys and the registry's live releases; it knows nothing of requests, models or money.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock.core.errors import PenstockError, RateLimited, Unauthorised, Unavailable
from penstock.identity import keys
from penstock.identity.keys import Key
from penstock.registry.amendments import Live, live
from penstock.serving.limits import KeyLimit, key_limits
from penstock.storage import counters
from penstock.storage.engine import Store

STALE_AFTER_S = 3.0
REFRESH_EVERY_S = 0.25
SKEW = timedelta(seconds=2)  # between this machine's clock and the database's: beyond it, the log says so
_MONEY_TOPICS = ("prices", "terms")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """What the gateway knows of the database, as of `read_at` (time.monotonic() before the read). ahead: how far this
    machine's clock is ahead of the database's."""

    keys: Mapping[str, Key]
    limits: Mapping[str, KeyLimit]
    live: tuple[Live, ...]
    generations: Mapping[str, int]
    read_at: float
    ahead: timedelta


class Watcher:
    """A thread that looks for changes a few times a second, by one cheap read."""

    def __init__(
        self,
        store: Store,
        *,
        on_releases: Callable[[tuple[Live, ...]], None],
        on_money: Callable[[], None],
        refresh_every_s: float = REFRESH_EVERY_S,
        stale_after_s: float = STALE_AFTER_S,
    ) -> None:
        self._store = store
        self._on_releases = on_releases
        self._on_money = on_money
        self._refresh_every_s = refresh_every_s
        self._stale_after_s = stale_after_s
        self._snapshot: Snapshot | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Read once, so that the gateway starts with its keys (errors go to the caller), then keep looking."""
        self._refresh()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    @property
    def age_s(self) -> float:
        """How old the snapshot is: the longest that a revoked key can have been let in."""
        return math.inf if self._snapshot is None else time.monotonic() - self._snapshot.read_at

    @property
    def stale(self) -> bool:
        return self.age_s > self._stale_after_s

    def now(self) -> datetime:
        """The time as the database has it: use that is dated by a wrong clock would fall into another month."""
        ahead = timedelta(0) if self._snapshot is None else self._snapshot.ahead
        return self._store.clock.now() - ahead

    def limit_of(self, key: str) -> KeyLimit:
        """The key's own limits, if it has any."""
        limits = {} if self._snapshot is None else self._snapshot.limits
        return limits.get(key) or KeyLimit(key)

    def authenticate(self, header: str | None, now: datetime) -> Key:
        """The key that an Authorization header proves. Raises Unauthorised; Unavailable when the keys are stale."""
        snapshot = self._snapshot
        if snapshot is None or self.stale:
            raise Unavailable("the keys cannot be checked at present", hint="try again in a few seconds")
        scheme, _, text = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise Unauthorised("no API key", hint="send it as the header  Authorization: Bearer sk_live_…")
        return keys.verify(snapshot.keys, text.strip(), now)

    def _run(self) -> None:
        while not self._stop.wait(self._refresh_every_s):
            try:
                self._refresh()
            except PenstockError as error:
                _log.warning("keys could not be refreshed: %s", error.message)
            except Exception:  # noqa: BLE001 - logged; without a refresh the gateway closes by itself
                _log.exception("keys could not be refreshed")

    def _refresh(self) -> None:
        before, read_at = self._snapshot, time.monotonic()
        with self._store.read() as tx:
            present = counters.generations(tx)
            ahead = self._store.clock.now() - tx.shared_now
            if before is not None and present == before.generations:
                found = Snapshot(before.keys, before.limits, before.live, present, read_at, ahead)
            else:
                active = {key.id: key for key in keys.active_keys(tx)}
                found = Snapshot(active, key_limits(tx), live(tx), present, read_at, ahead)
        self._snapshot = found
        _tell_skew(None if before is None else before.ahead, ahead)
        if before is None or before.live != found.live:
            self._on_releases(found.live)
        if before is not None and any(before.generations.get(t) != present.get(t) for t in _MONEY_TOPICS):
            self._on_money()


def _tell_skew(before: timedelta | None, ahead: timedelta) -> None:
    if abs(ahead) > SKEW and (before is None or abs(before) <= SKEW):
        seconds = ahead.total_seconds()
        way = "ahead of" if seconds > 0 else "behind"
        _log.warning("this machine's clock is %.0f s %s the database's, whose time is used", abs(seconds), way)


@dataclass(frozen=True)
class Pace:
    """A key's rate limit after one request: its quota a minute, what remains, seconds until it is full again."""

    quota: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """draft-ietf-httpapi-ratelimit-headers-10: two structured fields, one policy."""
        return {
            "RateLimit-Policy": f'"requests";q={self.quota};w=60',
            "RateLimit": f'"requests";r={self.remaining};t={self.reset_s}',
        }


class Buckets:
    """A token bucket per key: a minute's requests at most at once, refilled evenly. Used on the event loop only."""

    def __init__(self, default_per_minute: int) -> None:
        self._default = default_per_minute
        self._levels: dict[str, tuple[float, float]] = {}  # key id -> (tokens, as of)

    def take(self, key: Key, now: float) -> Pace:
        """Take one request's token at `now` (time.monotonic()). Raises RateLimited when there is none."""
        quota = key.requests_per_minute or self._default
        rate = quota / 60
        tokens, as_of = self._levels.get(key.id, (float(quota), now))
        tokens = min(float(quota), tokens + (now - as_of) * rate)
        if tokens < 1:
            self._levels[key.id] = (tokens, now)
            raise RateLimited(
                f"this key may send {quota} requests a minute",
                where=f"key {key.id}",
                hint="wait as long as Retry-After says",
                retry_after_s=(1 - tokens) / rate,
            )
        self._levels[key.id] = (tokens - 1, now)
        return Pace(quota, int(tokens - 1), math.ceil((quota - tokens + 1) / rate))

    def pace(self, key: Key, now: float) -> Pace:
        """The present state, taking nothing: for the headers of a refusal."""
        quota = key.requests_per_minute or self._default
        tokens, as_of = self._levels.get(key.id, (float(quota), now))
        tokens = min(float(quota), tokens + (now - as_of) * quota / 60)
        return Pace(quota, int(tokens), math.ceil((quota - tokens) * 60 / quota))

    def forget_full(self, now: float) -> None:
        """Drop keys that have been quiet for a minute: their buckets are full again."""
        self._levels = {key: level for key, level in self._levels.items() if now - level[1] < 60}
