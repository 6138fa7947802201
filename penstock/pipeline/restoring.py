"""`penstock restore`: a backup becomes a workspace in a new folder, every sum checked, whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput, Broken
from penstock.pipeline.backing_up import DATABASE, DUMP, SECRETS, STATE
from penstock.runtime.house import database_of
from penstock.storage.archive import new_folder, read_manifest, unpack
from penstock.storage.backup import load_postgres
from penstock.storage.migrate import chain
from penstock.storage.sealing import unseal
from penstock.workspace.loader import load

_SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Restored:
    """A restored workspace. stands_for: the moment that it is of. database: its address; opens_by_itself: whether
    commands in the folder find it there, or must be told by PENSTOCK_DATABASE."""

    folder: Path
    stands_for: datetime
    database: str
    opens_by_itself: bool
    manifest: Mapping[str, Any]


def restore(
    file: Path,
    folder: Path,
    *,
    passphrase: str | None,
    with_secrets: bool = True,
    database: str | None = None,
    files_only: bool = False,
) -> Restored:
    """Make `folder` the workspace that `file` is a backup of.

    database: an empty Postgres database, for a backup of one. files_only: leave its database out, for one that was
    recovered by other means. Raises Conflict for a folder or database that is not empty, BadInput for another
    passphrase, Broken when a sum does not hold; then nothing stays.
    """
    manifest = read_manifest(file)
    _refuse_what_cannot_be(manifest, file, passphrase, with_secrets, database, files_only)
    with new_folder(folder) as draft:
        unpack(file, draft)
        if with_secrets and (draft / SECRETS).exists():
            _open_secrets(draft, passphrase or "")
        if not files_only and (draft / DUMP).exists():
            load_postgres(database or "", draft / DUMP)
        for done in (SECRETS, DUMP):
            (draft / done).unlink(missing_ok=True)
        (draft / STATE / ".gitignore").write_text("*\n")
    address = database or f"sqlite:///{(folder / DATABASE).absolute()}"
    found = _same_place(address, database_of(load(folder)))
    return Restored(folder, datetime.fromisoformat(manifest["stands_for"]), address, found, manifest)


def _refuse_what_cannot_be(
    manifest: Mapping[str, Any],
    file: Path,
    passphrase: str | None,
    with_secrets: bool,
    database: str | None,
    files_only: bool,
) -> None:
    if manifest["schema"] not in chain()[1]:
        raise BadInput(
            f"the backup has schema {manifest['schema']}, newer than this Penstock's {chain()[0]}",
            where=str(file),
            hint=f"install Penstock {manifest['penstock']} or newer",
        )
    if manifest["secrets"] and with_secrets and not passphrase:
        raise BadInput(
            "the backup's secrets are sealed",
            where=str(file),
            hint="give the passphrase by PENSTOCK_BACKUP_PASSPHRASE or --key-file; --without-secrets makes new ones: "
            "then sign-ins end, and decisions made before can no longer be proven",
        )
    postgres = manifest["database"] == "postgres"
    if postgres and not files_only and not (database or "").startswith("postgres"):
        raise BadInput(
            "the backup is of a Postgres database", where="--database", hint="name an empty one to restore it into"
        )
    if not postgres and (database is not None or files_only):
        option = "--files-only" if files_only else "--database"
        raise BadInput("a SQLite database is restored into the folder", where=option, hint="leave it out")


def _open_secrets(draft: Path, passphrase: str) -> None:
    secrets = unseal((draft / SECRETS).read_bytes(), passphrase)
    folder = draft / STATE / "secrets"
    folder.mkdir(mode=0o700)
    for name, content in secrets.items():
        if not _SECRET_NAME.fullmatch(name):
            raise Broken(f"the backup names a secret {name!r}")
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)


def _same_place(one: str, other: str) -> bool:
    if one.startswith("sqlite") and other.startswith("sqlite"):
        return Path(one.removeprefix("sqlite:///")).absolute() == Path(other.removeprefix("sqlite:///")).absolute()
    return one == other
