"""Signed, expiring tickets: the operator's session, its form token, and sign-in links that work once.

A ticket is `<expiry>.<nonce>.<HMAC-SHA256>`; the server keeps no list of sessions, only the nonces of spent links.
It knows nothing of HTTP.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock.core.errors import Unauthorised

SESSION_LASTS = timedelta(hours=12)
LINK_LASTS = timedelta(hours=1)
_SHAPE = re.compile(r"(?P<expiry>[0-9]{1,12})\.(?P<nonce>[0-9a-f]{32})\.(?P<mac>[0-9a-f]{64})")


@dataclass(frozen=True)
class Session:
    """A signed-in browser, until `expires_at`."""

    nonce: str
    expires_at: datetime


def issue(secret: bytes, now: datetime) -> str:
    """The text of a new session's cookie."""
    return _ticket(secret, "session", now + SESSION_LASTS)


def read(secret: bytes, text: str, now: datetime) -> Session:
    """The session that `text` proves. Raises Unauthorised when it was altered or is over."""
    nonce, expires_at = _checked(secret, "session", text, now)
    return Session(nonce, expires_at)


def csrf_token(secret: bytes, session: Session) -> str:
    """What every form of this session carries; another site cannot know it."""
    return _mac(secret, "form", session.nonce)


def issue_link(secret: bytes, now: datetime) -> str:
    """The ticket of a sign-in link, good for one use within LINK_LASTS."""
    return _ticket(secret, "link", now + LINK_LASTS)


def spend_link(secret: bytes, text: str, now: datetime, spent: Path) -> None:
    """Use a link's ticket up. `spent`: the folder that remembers used ones, so that a restart does not forget.

    Raises Unauthorised when it was altered, is over, or was used before.
    """
    nonce, _ = _checked(secret, "link", text, now)
    spent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in spent.iterdir():
        if now.timestamp() - old.stat().st_mtime > 2 * LINK_LASTS.total_seconds():
            old.unlink(missing_ok=True)
    try:
        (spent / nonce).touch(exist_ok=False)  # fails if it exists: of two at once, one passes
    except FileExistsError:
        raise Unauthorised("this sign-in link was used before", hint=_NEW_LINK) from None


def _ticket(secret: bytes, purpose: str, expires_at: datetime) -> str:
    nonce = secrets.token_hex(16)
    expiry = str(int(expires_at.timestamp()))
    return f"{expiry}.{nonce}.{_mac(secret, purpose, expiry, nonce)}"


def _checked(secret: bytes, purpose: str, text: str, now: datetime) -> tuple[str, datetime]:
    shape = _SHAPE.fullmatch(text)
    if shape is None or not hmac.compare_digest(_mac(secret, purpose, shape["expiry"], shape["nonce"]), shape["mac"]):
        raise Unauthorised(f"this {_NAMES[purpose]} does not hold", hint=_NEW_LINK)
    expires_at = datetime.fromtimestamp(int(shape["expiry"]), UTC)
    if expires_at <= now:
        raise Unauthorised(f"this {_NAMES[purpose]} is over", hint=_NEW_LINK)
    return shape["nonce"], expires_at


def _mac(secret: bytes, *parts: str) -> str:
    return hmac.new(secret, "\n".join(parts).encode(), "sha256").hexdigest()


_NAMES = {"session": "session", "link": "sign-in link"}
_NEW_LINK = "start the office again for a new link, or sign in with the admin token"
