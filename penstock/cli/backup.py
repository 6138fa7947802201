"""Backup: all of a company in one file, back from it, and the proof that it can come back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show, shown_progress
from penstock.core.errors import BadInput

PASSPHRASE = "PENSTOCK_BACKUP_PASSPHRASE"
KeyFile = Annotated[
    Path | None,
    typer.Option(help=f"The file with the secrets' passphrase (default: {PASSPHRASE}).", show_default=False),
]
WithoutSecrets = Annotated[bool, typer.Option("--without-secrets", help="Leave the secrets out: no passphrase.")]
Database = Annotated[str | None, typer.Option(help="An empty Postgres database, for a backup of one.")]


def register(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)
    app.command()(drill)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file, or a folder to put it into.")],
    key_file: KeyFile = None,
    without_secrets: WithoutSecrets = False,
    without_data: Annotated[
        bool, typer.Option("--without-data", help="Leave out the data files that penstock.toml names.")
    ] = False,
) -> None:
    """Write database, blobs, penstock.toml, its data files and the sealed secrets into one file, while others serve."""
    from penstock.pipeline.backing_up import back_up
    from penstock.runtime.house import open_house

    passphrase = _passphrase(key_file, without_secrets)
    house = open_house(OPTIONS.workspace)
    with shown_progress() as progress:
        made = back_up(house, file, passphrase=passphrase, data=not without_data, progress=progress)
    show(made)
    note(f"everything acknowledged before {made.stands_for.isoformat()} is in it\ntry it: penstock drill {made.file}")
    for name in made.outside:
        note(f"not in it, since it lies outside the workspace: {name}")
    for digest in made.damaged:
        note(f"not in it, since it does not match its hash any more: blob {digest}")
    if made.damaged:
        raise typer.Exit(1)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    to: Annotated[Path, typer.Option(help="The workspace's new folder.")],
    key_file: KeyFile = None,
    without_secrets: WithoutSecrets = False,
    database: Database = None,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Without its Postgres database, which was recovered by other means.")
    ] = False,
) -> None:
    """Make a workspace from a backup, in a new folder. Every sum is checked first; nothing half-done stays."""
    from penstock.pipeline.restoring import restore as restore_backup

    passphrase = _passphrase(key_file, without_secrets, needed=False)
    made = restore_backup(
        file,
        to,
        passphrase=passphrase,
        with_secrets=not without_secrets,
        database=database,
        files_only=files_only,
    )
    usage = made.manifest["usage"]
    show(
        {
            "folder": made.folder,
            "stands_for": made.stands_for,
            "company": made.manifest["company"],
            "usage_events": usage["events"],
            "usage_seq": usage["seq"],
        }
    )
    if not made.opens_by_itself:
        note(
            "the restored file names another database: change [storage] database in it, or set PENSTOCK_DATABASE, "
            "before anything runs there"
        )
    for name in made.manifest["not_in_it"]:
        note(f"was not in the backup: {name}")
    note(f"next: penstock doctor --workspace {made.folder}")


def drill(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    to: Annotated[Path | None, typer.Option(help="Restore here and keep it (default: a folder that goes).")] = None,
    key_file: KeyFile = None,
    without_secrets: WithoutSecrets = False,
    database: Database = None,
) -> None:
    """Restore a backup into a new folder and verify it: rows, ledger, releases, stored answers. Exits 1 on any
    difference."""
    from penstock.pipeline.drill import drill as try_backup

    passphrase = _passphrase(key_file, without_secrets, needed=False)
    with tempfile.TemporaryDirectory(prefix="penstock-drill-") as scratch:
        checks = try_backup(
            file,
            to or Path(scratch) / "workspace",
            passphrase=passphrase,
            with_secrets=not without_secrets,
            database=database,
        )
    facts = [{"what": one.what, "sound": one.sound, "found": one.found} for one in checks]
    show(facts, rows=[{"": "ok" if one.sound else "DIFFERS", "what": one.what, "found": one.found} for one in checks])
    if not all(one.sound for one in checks):
        raise typer.Exit(1)


def _passphrase(key_file: Path | None, without_secrets: bool, *, needed: bool = True) -> str | None:
    if without_secrets:
        return None
    given = key_file.read_text(encoding="utf-8").strip() if key_file is not None else os.environ.get(PASSPHRASE, "")
    if not given and needed:
        raise BadInput(
            "the secrets need a passphrase",
            where=str(key_file) if key_file is not None else PASSPHRASE,
            hint=f"set {PASSPHRASE}, name a file by --key-file, or leave them out by --without-secrets",
        )
    return given or None
