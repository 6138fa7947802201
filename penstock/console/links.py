"""Sign-in links, and the token of a session's forms. Links live in the memory of the running office: they are in no
file, hold once, and end with the run. It knows nothing of HTTP.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from datetime import datetime, timedelta

from penstock.core.clock import Clock
from penstock.core.errors import Unauthorised
from penstock.core.hashing import sha256_of
from penstock.identity.operators import Person
from penstock.identity.sessions import Session

LINK_LASTS = timedelta(hours=1)
_MOST = 1_000


class Links:
    """The links of one run that nobody used yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, tuple[Person, datetime]] = {}
        self._lock = threading.Lock()

    def issue(self, who: Person) -> str:
        """The ticket of a link that signs a browser in as `who`, once within LINK_LASTS."""
        ticket = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._open) >= _MOST:
                del self._open[next(iter(self._open))]
            self._open[sha256_of(ticket.encode())] = (who, self._clock.now() + LINK_LASTS)
        return ticket

    def spend(self, ticket: str) -> Person:
        """Use a ticket up, and say as whom it signs in. Raises Unauthorised."""
        with self._lock:
            who, until = self._open.pop(sha256_of(ticket.encode()), (None, None))
        if who is None or until is None:
            raise Unauthorised("this sign-in link was used before, or belongs to an office that has ended")
        if until <= self._clock.now():
            raise Unauthorised("this sign-in link is over")
        return who


def csrf_token(secret: bytes, session: Session) -> str:
    """What every form of this session carries; another site cannot know it."""
    return hmac.new(secret, f"form\n{session.id}".encode(), "sha256").hexdigest()
