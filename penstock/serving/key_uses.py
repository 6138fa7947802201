"""When keys were last used, to the hour: noted in memory at each request, written at most once a key and hour."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime


class KeyUses:
    """What one gateway saw. Used on the event loop only."""

    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}
        self._written: dict[str, datetime] = {}

    def note(self, key: str, now: datetime) -> None:
        """A key was used."""
        self._seen[key] = now

    def due(self) -> Mapping[str, datetime]:
        """What is to be written: the hours of keys that are not known yet."""
        hours = {key: at.replace(minute=0, second=0, microsecond=0) for key, at in self._seen.items()}
        return {key: hour for key, hour in hours.items() if self._written.get(key) != hour}

    def written(self, hours: Mapping[str, datetime]) -> None:
        """These are in the database. Keys that were quiet since are forgotten."""
        self._written |= hours
        self._seen = {key: at for key, at in self._seen.items() if key not in hours}
