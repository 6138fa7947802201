"""Examines the machine and the workspace: what is right, what is doubtful, what must be mended and how."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from penstock.core.clock import SystemClock
from penstock.core.errors import BadInput, NotFound, PenstockError
from penstock.core.hashing import sha256_of_file
from penstock.core.installing import install_hint, package_hint
from penstock.core.private import OTHERS, loose, tightened
from penstock.loader import Loader
from penstock.pipeline.sealing import missing_keys
from penstock.registry.releases import live_releases
from penstock.runtime.house import House, database_of, drafts_of, open_house
from penstock.runtime.tls import PARTS, certificate_ends, key_file, server_context
from penstock.storage import audit, migrate
from penstock.storage.drafts import abandoned
from penstock.storage.engine import is_sqlite, open_engine, translated_errors
from penstock.storage.integrity import damages, how
from penstock.storage.sqlite import OLDEST_SAFE_SQLITE
from penstock.workspace.loader import load
from penstock.workspace.records import Workspace

LOW_DISK_BYTES = 2_000_000_000
CERTIFICATE_DAYS = 30  # how long before its end a certificate is spoken of
NEWEST_ENTRIES = 1_000  # of the audit log; `penstock audit verify` reads all


@dataclass(frozen=True)
class Finding:
    """One thing looked at. verdict: 'ok', 'doubt' (works, but know this) or 'bad' (mend it first)."""

    what: str
    verdict: Literal["ok", "doubt", "bad"]
    found: str
    remedy: str = ""


def examine(folder: Path) -> list[Finding]:
    """Every finding about this machine and the workspace in `folder`."""
    findings = [*_machine(folder)]
    try:
        workspace = load(folder)
    except PenstockError as error:
        return [*findings, Finding("workspace", "bad", str(error).splitlines()[0], "penstock check shows every error")]
    findings.append(Finding("workspace", "ok", f"products: {', '.join(workspace.products) or 'none'}"))
    findings.append(_files(workspace))  # before the house is opened, which closes its folder
    findings += _left_drafts(workspace)
    return [
        *findings,
        *_database(workspace),
        *_releases(folder),
        *_backbones(workspace),
        *_ports(workspace),
        *_tls(workspace),
    ]


def _machine(folder: Path) -> Iterator[Finding]:
    version = sys.version.split()[0]
    yield Finding(
        "python",
        "ok" if sys.version_info >= (3, 11) else "bad",
        version,
        "" if sys.version_info >= (3, 11) else "3.11 or newer is needed",
    )
    yield Finding("cores", "ok", str(os.cpu_count()))
    place = folder if folder.exists() else Path()
    free = shutil.disk_usage(place).free
    low = free < LOW_DISK_BYTES
    yield Finding("disk", "doubt" if low else "ok", f"{free / 1e9:.1f} GB free", "free some space" if low else "")
    yield _sqlite()
    for extra, module, purpose in (
        ("train", "torch", "training and backbones"),
        ("train", "sklearn", "training"),
        ("postgres", "psycopg", "Postgres"),
    ):
        there = importlib.util.find_spec(module) is not None
        remedy = "" if there else f"{install_hint(extra)}  if this machine is for {purpose}"
        yield Finding(module, "ok" if there else "doubt", "installed" if there else "absent", remedy)


def _sqlite() -> Finding:
    from pysqlite3 import dbapi2

    safe = dbapi2.sqlite_version_info >= OLDEST_SAFE_SQLITE
    why = "versions 3.7.0 to 3.51.2 can corrupt a database in WAL mode"
    remedy = "" if safe else f"{package_hint('pysqlite3>=3.51.3')}: {why}"
    return Finding("sqlite", "ok" if safe else "bad", dbapi2.sqlite_version, remedy)


def _files(workspace: Workspace) -> Finding:
    """What is kept are e-mail addresses, messages and key hashes: its owner's alone."""
    if found := loose(workspace.state):
        told = f"others on this machine may read {found[0].relative_to(workspace.folder)}"
        more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
        return Finding("files", "doubt", told + more, tightened(workspace.state))
    return Finding("files", "ok", "readable by their owner only")


def _left_drafts(workspace: Workspace) -> Iterator[Finding]:
    """What a killed export or backup left: it holds what the finished file would."""
    for left in abandoned(drafts_of(workspace)):
        remedy = f"the next export or backup removes it; or now: rm -r {left}"
        yield Finding("draft", "doubt", f"an export or backup was killed and left {left}", remedy)


def _database(workspace: Workspace) -> Iterator[Finding]:
    url = database_of(workspace)
    shown = sa.make_url(url).render_as_string(hide_password=True)
    try:
        migrate.upgrade(url, create=False)
    except NotFound as error:
        used = workspace.blobs.exists()  # whoever kept models here had a database too
        verdict: Literal["doubt", "bad"] = "bad" if used else "doubt"
        yield Finding("database", verdict, f"{shown}: {'gone' if used else 'not made yet'}", error.hint or "")
        return
    except PenstockError as error:
        yield Finding("database", "bad", error.message, error.hint or "")
        return
    engine = open_engine(url)
    try:
        with translated_errors():
            yield from _opened(engine, shown)
    except PenstockError as error:
        yield Finding("database", "bad", error.message, error.hint or "")
    finally:
        engine.dispose()


def _opened(engine: sa.Engine, shown: str) -> Iterator[Finding]:
    """Whether it is whole, can be written, and keeps what it acknowledged."""
    if damaged := damages(engine):
        remedy = "stop Penstock, keep a copy of the files, restore the newest backup: docs/how-to/back-up.md"
        yield Finding("database", "bad", f"{shown}: {'; '.join(damaged)}", remedy)
        return
    yield Finding("database", "ok", f"{shown}: whole ({how(engine)})")
    with engine.connect() as connection, connection.begin() as trial:
        connection.exec_driver_sql("update alembic_version set version_num = version_num")
        trial.rollback()
    if not is_sqlite(engine):
        with engine.connect() as connection:
            version = connection.exec_driver_sql("show server_version").scalar()
            kept = connection.exec_driver_sql("show fsync").scalar() == "on"
        remedy = "" if kept else "set fsync = on in postgresql.conf: a power cut would lose what was acknowledged"
        yield Finding("postgres", "ok" if kept else "bad", f"{version}, fsync {'on' if kept else 'off'}", remedy)


def _releases(folder: Path) -> Iterator[Finding]:
    """The audit log must be whole, and every live release load: each file of its artifact is there and has its hash."""
    try:
        house = open_house(folder)
    except PenstockError:
        return  # said above
    with house.store.read() as tx:
        live = live_releases(tx)
        log = audit.verify(tx, newest=NEWEST_ENTRIES)
    yield _keys(house)
    whole = "" if not log.problems else "penstock audit verify tells all; find out who can write to the database"
    yield Finding(
        "audit log", "bad" if whole else "ok", "; ".join(log.problems[:3]) or "its newest part is whole", whole
    )
    for release in live:
        what = f"release {release.product}/{release.number}"
        try:
            Loader(house.blobs).load(release.artifact)
            yield Finding(what, "ok", "whole")
        except PenstockError as error:
            yield Finding(what, "bad", f"{error.message} ({error.where})", error.hint or "")
    house.close()


def _keys(house: House) -> Finding:
    """Every key that may seal something is there, and the keyring is its owner's alone."""
    file = house.keys.file
    if missing := missing_keys(house):
        return Finding("sealing keys", "bad", missing, "put the keyring back: docs/how-to/seal-data.md")
    if file is not None and file.stat().st_mode & OTHERS:
        return Finding("sealing keys", "doubt", f"others on this machine may read {file}", f"chmod go-rwx {file}")
    return Finding("sealing keys", "ok", f"all there: {file}")


def _backbones(workspace: Workspace) -> Iterator[Finding]:
    for name, backbone in workspace.backbones.items():
        kind, _, place = backbone.source.partition(":")
        if kind == "package":
            there = importlib.util.find_spec(place.replace("-", "_")) is not None
            remedy = "" if there else package_hint(place)
        elif kind == "path":
            there = (workspace.folder / place / "model.safetensors").is_file()
            remedy = "" if there else "the folder must hold model.safetensors, config.json and tokenizer.json"
        else:
            there, remedy = True, "fetched on first use: needs the network"
        found = backbone.source if there else f"{backbone.source} is not there"
        yield Finding(f"backbone {name}", "ok" if there else "bad", found, remedy)
        if backbone.sha256 is None:
            yield Finding(f"backbone {name}", "doubt", "no sha256", _pin(workspace, name))


def _pin(workspace: Workspace, name: str) -> str:
    """The line that pins a backbone's weights, where they are on this machine."""
    from penstock.training.sources import weights_here

    found = weights_here(workspace.backbones[name], workspace.folder)
    if found is None:
        return "pin it, so that the weights cannot change unseen: once they are fetched, doctor prints the line"
    return f'pin it: sha256 = "{sha256_of_file(found)}"'


def _ports(workspace: Workspace) -> Iterator[Finding]:
    for name, host, port in (
        ("gateway", workspace.gateway.host, workspace.gateway.port),
        ("office", workspace.office.host, workspace.office.port),
    ):
        with socket.socket() as probe:
            probe.settimeout(0.5)
            busy = port != 0 and probe.connect_ex((host, port)) == 0
        remedy = "Penstock may be running already; otherwise choose another port" if busy else ""
        yield Finding(
            f"{name} port", "doubt" if busy else "ok", f"{host}:{port} {'answers' if busy else 'is free'}", remedy
        )


def _tls(workspace: Workspace) -> Iterator[Finding]:
    """Where https is served: the certificate fits its key and goes on, and the key is for nobody else."""
    for part in PARTS:
        try:
            if server_context(workspace, part) is None:
                continue
        except BadInput as error:
            yield Finding(f"{part} certificate", "bad", f"{error.where}: {error.message}", error.hint or "")
            continue
        ends = certificate_ends(workspace, part)
        days = (ends - SystemClock().now()).days
        if days < 0:
            yield Finding(f"{part} certificate", "bad", f"ended {ends:%Y-%m-%d}", _RENEW)
        else:
            late = days < CERTIFICATE_DAYS
            yield Finding(
                f"{part} certificate", "doubt" if late else "ok", f"ends {ends:%Y-%m-%d}", _RENEW if late else ""
            )
        key = key_file(workspace, part)
        if key.stat().st_mode & FOREIGN:
            yield Finding(f"{part} key", "doubt", f"others on this machine may read {key}", f"chmod o-rwx,g-wx {key}")


_RENEW = "renew it, then start Penstock again"
FOREIGN = 0o037  # what strangers may do, and a group beyond reading: one that may read certificates' keys is common
