"""An opened workspace: its file, database, blobs and secrets, together. Every command and process begins with one."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from penstock.core.acts import Act, present_act
from penstock.core.clock import Clock, ShiftedClock
from penstock.core.errors import BadInput, Broken, Conflict
from penstock.core.private import private_folder
from penstock.core.whole import write_whole
from penstock.storage import audit, migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.documents import get_document
from penstock.storage.engine import Store, open_store
from penstock.storage.keyring import Keyring
from penstock.storage.sealed import check_keys
from penstock.workspace.loader import load, where
from penstock.workspace.records import Workspace

APPLIED = "workspace"
"""The document that holds the workspace file as it was last applied."""


REHEARSAL = "clock-ahead"
"""The file in a state folder that makes a copy's clock run ahead, by so many seconds."""


@dataclass(frozen=True)
class House:
    """What a package's functions need to work on one company. Close it when done."""

    workspace: Workspace
    store: Store
    blobs: BlobStore
    database_url: str

    @property
    def keys(self) -> Keyring:
        """What seals what customers send and get, in the database and in blobs."""
        return self.store.keys or Keyring(None)

    @property
    def folder(self) -> Path:
        return self.workspace.folder

    @property
    def rehearsal(self) -> bool:
        """Whether this is a copy with a clock of its own: nothing leaves it."""
        return (self.workspace.state / REHEARSAL).exists()

    def secret(self, purpose: str) -> bytes:
        """This workspace's secret for one purpose ('decisions', 'admin'): made on first use, readable by its owner."""
        return _secret(self.workspace.state / "secrets" / purpose)

    def acting(self, act: Act | None) -> House:
        """The same house, in whose transactions `act` is being done; None: nobody acts."""
        store = replace(self.store, journal=None) if act is None else audit.acting(self.store, act)
        return replace(self, store=store)

    def close(self) -> None:
        self.store.close()


def open_house(
    folder: Path,
    *,
    clock: Clock | None = None,
    create: bool = False,
    database: str = "",
    keyring: Path | None = None,
    background: bool = False,
) -> House:
    """Load `folder`/penstock.toml, bring its database to the present schema, and open it.

    create: make the database if there is none, as `init` and `apply` do; any other command that found none would
    show an empty company. database: instead of PENSTOCK_DATABASE, which is instead of the workspace's own; keyring:
    instead of PENSTOCK_KEYRING, likewise. A keyring that lacks keys shows where a value of a customer is read or
    written: see `Store` and check_keys.
    What is changed through the house goes into the audit log as the present act's (core.acts); background: a server's
    own work, which is nobody's act. Raises NotFound without a database, BadInput or Unavailable with the place and the
    remedy.
    """
    workspace = load(folder)
    _make_state(workspace.state)
    url = database or database_of(workspace)
    migrate.upgrade(url, create=create)
    keys = Keyring(keyring or keyring_of(workspace))
    store = open_store(url, workspace.organisation, keys=keys, clock=clock or rehearsal_clock(workspace.state))
    try:
        _refuse_other_books(store, workspace)
        if create:
            check_keys(store)
    except BaseException:
        store.close()
        raise
    act = None if background else present_act()
    blobs = BlobStore(workspace.blobs, keys=keys)
    return House(workspace, store if act is None else audit.acting(store, act), blobs, url)


def drafts_of(workspace: Workspace) -> Path:
    """Where it is noted which drafts lie where, while they are written: see storage.drafts."""
    return workspace.state / "drafts"


def database_of(workspace: Workspace) -> str:
    """The address of the workspace's database: PENSTOCK_DATABASE, else what the file says."""
    return os.environ.get("PENSTOCK_DATABASE") or workspace.database_url


def keyring_of(workspace: Workspace) -> Path:
    """The file with the keys that seal customers' data: PENSTOCK_KEYRING, else what the workspace's file says."""
    return Path(os.environ.get("PENSTOCK_KEYRING") or workspace.keyring)


def rehearsal_clock(state: Path) -> ShiftedClock | None:
    """The clock of a copy that plays a time to come; None in an ordinary workspace."""
    try:
        return ShiftedClock(timedelta(seconds=float((state / REHEARSAL).read_text())))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(f"the copy's clock cannot be read: {error}", where=str(state / REHEARSAL)) from None


def set_rehearsal(state: Path, ahead: timedelta) -> None:
    """Make the workspace of this state folder one whose clock is ahead."""
    (state / REHEARSAL).write_text(f"{ahead.total_seconds()}\n")


def _refuse_other_books(store: Store, workspace: Workspace) -> None:
    """What was sold is kept in one currency, by months of one time zone: in others every figure would be another."""
    with store.read() as tx:
        applied = get_document(tx, APPLIED) or {}
    for field in ("currency", "timezone"):
        kept, now = (applied.get("company") or {}).get(field), getattr(workspace.company, field)
        if kept not in (None, now):
            raise Conflict(
                f"the books are kept in {kept}; {now} would change what was already sold",
                where=where(workspace.folder, "company", field),
                hint=f'set {field} = "{kept}" again, or start a new workspace',
            )


def _make_state(state: Path) -> None:
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        state.mkdir(mode=0o700, exist_ok=True)
        if state.stat().st_mode & 0o077:  # of an earlier version: e-mails, messages and key hashes lie in it
            state.chmod(0o700)
        (state / ".gitignore").write_text("*\n")
    except OSError as error:
        raise BadInput(f"cannot write here: {error.strerror}", where=str(state)) from None


def _secret(path: Path) -> bytes:
    if not path.exists():
        private_folder(path.parent)
        write_whole(path, secrets.token_urlsafe(32).encode(), replace=False)
    if not (secret := path.read_bytes()):
        raise Broken(
            "the secret is empty", where=str(path), hint="restore it from a backup; see docs/how-to/back-up.md"
        )
    return secret
