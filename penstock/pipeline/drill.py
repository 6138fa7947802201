"""`penstock drill`: a backup is restored into a new folder and asked whether it is the company: its rows, its books,
its releases, and the answers that it gave."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.billing.verification import verify_all
from penstock.core.errors import PenstockError
from penstock.loader import Loader
from penstock.metering.usage_log import Answer, latest_answers
from penstock.pipeline.backing_up import KEYRING, STATE, heads
from penstock.pipeline.restoring import Restored, restore
from penstock.pipeline.sealing import missing_keys
from penstock.pipeline.trying import try_inputs
from penstock.registry import amendments
from penstock.registry.amendments import Live
from penstock.registry.candidates import get_candidate
from penstock.registry.decisions import get_decision, verify
from penstock.runtime.house import House, open_house
from penstock.serving.releases import check_model
from penstock.storage import audit
from penstock.storage.backup import row_counts, snapshot
from penstock.storage.engine import open_engine

STORED_ANSWERS = 5  # of each live release, the last ones
LARGEST_GAP = 1e-4  # between scores: another processor may round the last digits otherwise


@dataclass(frozen=True)
class Check:
    """One thing that was compared with the backup's word, or with itself."""

    what: str
    sound: bool
    found: str


def drill(
    file: Path, folder: Path, *, passphrase: str | None, with_secrets: bool = True, database: str | None = None
) -> list[Check]:
    """Restore `file` into the new folder and examine it. Raises what `restore` raises."""
    restored = restore(file, folder, passphrase=passphrase, with_secrets=with_secrets, database=database)
    parts = len(restored.manifest["parts"])
    checks = [Check("sums", True, f"{parts} parts, each as it was written")]
    if lost := restored.manifest["damaged_blobs"]:
        checks.append(Check("blobs", False, f"{len(lost)} were damaged already and are not in it: {', '.join(lost)}"))
    checks.append(_rows(restored))  # before the house opens it: a newer schema may move rows
    keyring = folder / STATE / "secrets" / KEYRING  # the backup's own, not one that happens to be on this machine
    house = open_house(folder, database=restored.database, keyring=keyring if keyring.exists() else None)
    try:
        checks += [
            _heads(house, restored),
            _books(house),
            _acts(house),
            _keys(house),
            *_releases(house, signed=with_secrets),
        ]
    finally:
        house.close()
    return checks


def _rows(restored: Restored) -> Check:
    engine = open_engine(restored.database)
    with snapshot(engine) as connection:
        found = row_counts(connection)
    engine.dispose()
    told = restored.manifest["rows"]
    other = [
        f"{table}: {found.get(table, 'absent')}, not {told.get(table, 'there')}"
        for table in sorted(told.keys() | found.keys())
        if told.get(table) != found.get(table)
    ]
    return Check("rows", not other, "; ".join(other) or f"{sum(found.values()):,} in {len(found)} tables")


def _heads(house: House, restored: Restored) -> Check:
    with house.store.read() as tx:
        found = heads(tx)
    told = restored.manifest
    other = [f"{name}: {value}, not {told[name]}" for name, value in found.items() if value != told.get(name, value)]
    usage = found["usage"]
    if usage["events"] != usage["seq"]:
        other.append(f"the usage log has {usage['events']} events, numbered up to {usage['seq']}")
    sums = f"{usage['events']:,} usage events, {usage['units']:,} units, {len(found['balances'])} balances"
    return Check("usage and balances", not other, "; ".join(other) or sums)


def _books(house: House) -> Check:
    problems = verify_all(house.store)
    return Check("database and ledger", not problems, "; ".join(map(str, problems)) or "whole; every sum is zero")


def _acts(house: House) -> Check:
    with house.store.read() as tx:
        found = audit.verify(tx)
    return Check(
        "audit log", not found.problems, "; ".join(found.problems) or f"{found.entries:,} entries, each in place"
    )


def _keys(house: House) -> Check:
    missing = missing_keys(house)
    return Check("keys", not missing, missing or f"{len(house.keys.ids())}, every one that seals something")


def _releases(house: House, *, signed: bool) -> Iterator[Check]:
    with house.store.read() as tx:
        served = amendments.live(tx)
    if not served:
        yield Check("releases", True, "none is live")
    for one in served:
        yield from _release(house, one, signed=signed)


def _release(house: House, one: Live, *, signed: bool) -> Iterator[Check]:
    release = one.release
    what = f"release {release.product}/{release.number}"
    try:
        with house.store.read() as tx:
            same = get_candidate(tx, release.candidate).served == release.artifact
            proven = not signed or verify(tx, get_decision(tx, release.decision), house.secret("decisions"))
            kept = latest_answers(tx, release.id, STORED_ANSWERS)
        model = Loader(house.blobs).load(release.artifact)
        yield Check(what, same and proven, _told(release.artifact, same, proven, signed))
        since = one.amendment.created_at if one.amendment is not None else None
        asked = [answer for answer in kept if since is None or answer.created_at > since]
        if asked:
            yield _answers(house, what, release.id, asked)
        elif release.product in house.workspace.products:
            from penstock import installed

            probes = installed.of(house.workspace.products[release.product]).probes(model)
            check_model(model, probes)
            yield Check(f"{what} answers", True, f"no answer of it is kept; its {len(probes)} probes are answered")
    except PenstockError as error:
        yield Check(what, False, str(error).replace("\n", " "))


def _told(artifact: str, same: bool, proven: bool, signed: bool) -> str:
    if not same:
        return "its artifact is not its candidate's"
    if not proven:
        return "its decision's signature does not hold"
    return f"{artifact[:12]}… loads, every hash holds" + (", decision proven" if signed else "")


def _answers(house: House, what: str, release: str, kept: list[Answer]) -> Check:
    other = []
    for answer in kept:
        before = json.loads(answer.body)["outputs"]
        now = json.loads(json.dumps(try_inputs(house, release, answer.inputs).outputs))
        if not _same(before, now):
            other.append(answer.id)
    told = f"{len(other)} of {len(kept)} differ: {', '.join(other)}"
    return Check(f"{what} answers", not other, told if other else f"the last {len(kept)} requests answered the same")


def _same(before: Any, now: Any) -> bool:
    """Whether an answer is the stored one. What a stored one says beside (an explanation that was asked for) is not
    asked for again."""
    if isinstance(before, dict) and isinstance(now, dict):
        return all(key in before and _same(before[key], value) for key, value in now.items())
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_same, before, now))
    if isinstance(before, float) and isinstance(now, int | float):
        return math.isclose(before, now, rel_tol=LARGEST_GAP, abs_tol=LARGEST_GAP)
    return bool(before == now)
