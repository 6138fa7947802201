"""Sessions of browsers: recorded, listed and ended. A cookie is random; only its SHA-256 is kept. Knows no HTTP."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import NotFound, Unauthorised
from penstock.core.hashing import sha256_of
from penstock.identity.operators import ADMIN, Person
from penstock.identity.tables import operator, session
from penstock.storage.engine import Transaction

SESSION_LASTS = timedelta(hours=12)
_COOKIE_BYTES = 32


@dataclass(frozen=True)
class Session:
    """A signed-in browser. who: as whom. address: from where it signed in."""

    id: str
    who: Person
    address: str
    created_at: datetime
    expires_at: datetime


def begin(tx: Transaction, who: Person, address: str) -> tuple[Session, str]:
    """A new session, with the text of its cookie, which is kept nowhere."""
    cookie = secrets.token_urlsafe(_COOKIE_BYTES)
    made = Session(tx.new_id("ses"), who, address, tx.now, tx.now + SESSION_LASTS)
    row: dict[str, Any] = {
        "id": made.id,
        "organisation": tx.organisation,
        "cookie_sha256": sha256_of(cookie.encode()),
        "operator": who.operator,
        "address": address,
        "created_at": made.created_at,
        "expires_at": made.expires_at,
        "ended_at": None,
    }
    tx.execute(sa.insert(session), row)
    return made, cookie


def read_session(tx: Transaction, cookie: str) -> Session:
    """The session that a cookie proves. Raises Unauthorised when there is none, it is over, or its operator is gone."""
    row = tx.first(_sessions(tx).where(session.c.cookie_sha256 == sha256_of(cookie.encode())))
    if row is None:
        raise Unauthorised("you are not signed in, or your session is over")
    return _session(row)


def holds(tx: Transaction, id: str) -> bool:
    """Whether a session goes on."""
    return tx.first(_sessions(tx).where(session.c.id == id)) is not None


def list_sessions(tx: Transaction) -> list[Session]:
    """The sessions that go on, newest first."""
    return [_session(row) for row in tx.all(_sessions(tx).order_by(session.c.created_at.desc(), session.c.id))]


def end_session(tx: Transaction, id: str) -> Session:
    """End a session now. Raises NotFound for one that does not go on."""
    row = tx.first(_sessions(tx).where(session.c.id == id))
    if row is None:
        raise NotFound(f"no session {id!r} goes on", where="session", hint="see `penstock session list`")
    mine = session.c.organisation == tx.organisation
    tx.execute(sa.update(session).where(mine, session.c.id == id).values(ended_at=tx.now))
    return _session(row)


def _sessions(tx: Transaction) -> sa.Select[Any]:
    """Those that go on, with their operators' names and roles as they are now."""
    mine = session.c
    query = sa.select(session, operator.c.name, operator.c.role, operator.c.removed_at).outerjoin(
        operator, (operator.c.id == mine.operator) & (operator.c.organisation == mine.organisation)
    )
    going_on = mine.ended_at.is_(None) & (mine.expires_at > tx.now)
    whole = mine.operator.is_(None) | (operator.c.id.is_not(None) & operator.c.removed_at.is_(None))
    return query.where(mine.organisation == tx.organisation, going_on, whole)


def _session(row: sa.RowMapping) -> Session:
    who = ADMIN if row["operator"] is None else Person(row["name"], row["role"], row["operator"])
    return Session(row["id"], who, row["address"], row["created_at"], row["expires_at"])
