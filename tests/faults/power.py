"""Power cuts at every point of a run under load: what a disk would hold is rebuilt, opened, and held against what was
acknowledged before the cut.

One run is recorded through the shim; each cut is then a place in its log and a seed. An acknowledgement is a record of
the same log, written by who got the answer, so it is known what had to be on the disk by then.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from faults.disk import Disk
from faults.postgres import BUSY, Server, new_cluster, running
from faults.seller import PAID_IN
from faults.shim import ACKNOWLEDGED, Shim, records
from serving.crash import Fleet, GatewayProcess
from serving.support import PRODUCTS, Company, make_company

from penstock.billing.catalogue import publish
from penstock.billing.credits import add_credit, credit_balances
from penstock.billing.funding import LedgerFunding, expire_grants
from penstock.billing.tables import usage_grant
from penstock.billing.terms import set_terms
from penstock.billing.verification import verify_all
from penstock.core.clock import ShiftedClock
from penstock.core.errors import PenstockError
from penstock.core.hashing import sha256_of
from penstock.core.money import money
from penstock.metering import usage_log
from penstock.metering.tables import answer
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, Transaction, open_store
from penstock.storage.keyring import Keyring
from penstock.storage.sealed import opened
from penstock.workspace.records import Company as Seller
from penstock.workspace.records import Workspace

HARBOUR = Seller(name="Harbour AI")
ORGANISATION, DATABASE, KEYRING = "house", "penstock.sqlite", "keyring"
LATER = timedelta(minutes=10)  # by then nothing may be held
_SELLER = Path(__file__).with_name("seller.py")


@dataclass
class Finding:
    """What one cut left. Each field but `acknowledged` counts what must not be."""

    acknowledged: int = 0
    lost: int = 0
    double: int = 0
    changed: int = 0
    gaps: int = 0
    broken: int = 0
    stuck: int = 0
    refused: int = 0
    words: list[str] = field(default_factory=list)


_COUNTED = ("lost", "double", "changed", "gaps", "broken", "stuck", "refused")


@dataclass(frozen=True)
class PowerReport:
    """cuts: how many, `at_stake` of them with something unsynced. acknowledged: in all, by the end of the run.

    lost: acknowledged and not there. double: counted twice, or settled and counted differently. changed: there with
    other bytes. broken: problems that `ledger verify` found. stuck: grants still open ten minutes later. refused:
    databases that could not be opened. first: of the first bad cut, where and what."""

    cuts: int
    at_stake: int
    acknowledged: int
    lost: int
    double: int
    changed: int
    gaps: int
    broken: int
    stuck: int
    refused: int
    bad_cuts: int
    first: str
    seconds: float

    @property
    def sound(self) -> bool:
        return self.bad_cuts == 0 and self.cuts > 0

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "sound": self.sound}


@dataclass(frozen=True)
class Recording:
    """One run: the disk `before` it, the `log` of what was done to it, and how to judge what a cut left. scratch: where
    disks are rebuilt; None: the temporary folder."""

    before: Disk
    log: Path
    judge: Callable[[Path, list[list[str]], Finding], None]
    scratch: str | None = None


class Told:
    """Stands where the crash test's journal stands: what clients were told goes into the shim's log."""

    def __init__(self, shim: Shim) -> None:
        self._shim = shim
        self.count = 0

    def add(self, request_id: str, body: bytes) -> None:
        self._shim.acknowledge(f"answered {request_id} {sha256_of(body)}".encode())
        self.count += 1

    def wait_for_more(self, acknowledgements: int, within_s: float = 600.0) -> None:
        wanted, deadline = self.count + acknowledgements, time.monotonic() + within_s
        while self.count < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError("the clients get no answers")
            time.sleep(0.01)


def record_sqlite(place: Path, *, answers: int, rounds: int, clients: int = 8, flags: Sequence[str] = ()) -> Recording:
    """A gateway and an office at work on SQLite in `place`, recorded."""
    folder = place / "house"
    folder.mkdir()
    company = new_shop(f"sqlite:///{folder / DATABASE}", folder / "blobs")
    shim, before = Shim(folder, place, record=True), Disk(folder)
    run_under_load(company, shim, answers=answers, rounds=rounds, clients=clients, flags=flags)
    shim.close()
    return Recording(before, place / "changes.log", judge_sqlite, _scratch())


def judge_sqlite(folder: Path, told: list[list[str]], found: Finding) -> None:
    keys = Keyring(folder / KEYRING)
    judge_books(f"sqlite:///{folder / DATABASE}", keys, told, found, BlobStore(folder / "blobs", keys=keys))


def record_postgres(
    place: Path, *, answers: int, rounds: int, clients: int = 8, flags: Sequence[str] = ()
) -> Recording:
    """The same on Postgres: its server's folder is what the power is cut from. flags with = are the server's."""
    folder, settings = place / "pg", [*BUSY, *(flag for flag in flags if "=" in flag)]
    place.chmod(0o777)
    new_cluster(folder)
    with running(Server(folder)) as server:
        company = new_shop(server.url, place / "blobs")
    shim, before = Shim(folder, place, record=True), Disk(folder)
    with running(Server(folder, settings=settings, environment=shim.environment), signal.SIGQUIT):
        run_under_load(
            company, shim, answers=answers, rounds=rounds, clients=clients, flags=[f for f in flags if "=" not in f]
        )
    shim.close()
    return Recording(before, place / "changes.log", partial(judge_postgres, place / KEYRING), _scratch())


def judge_postgres(keyring: Path, folder: Path, told: list[list[str]], found: Finding) -> None:
    """Recovers by a server's start; the gateway's own files, of which the keyring is read, did not lose their power."""
    server = Server(folder, settings=["fsync=off"])  # of the recovery: its power is not cut
    try:
        with running(server, signal.SIGQUIT):
            judge_books(server.url, Keyring(keyring), told, found)
    except RuntimeError as error:
        found.refused, found.words = 1, [str(error)]


def new_shop(url: str, blobs: Path) -> Company:
    """A new database with a company on air in it; nobody has it open."""
    migrate.upgrade(url)
    store = open_store(url, ORGANISATION)
    company = open_shop(store, BlobStore(blobs))
    store.close()
    return company


def _scratch() -> str | None:
    memory = Path("/dev/shm")
    return str(memory) if os.access(memory, os.W_OK) else None


def open_shop(store: Store, blobs: BlobStore) -> Company:
    """A company on air with a prepaid customer who has plenty."""
    with store.transaction() as tx:
        publish(tx, Workspace(company=HARBOUR, products=PRODUCTS))
    company = make_company(store, blobs, funding=LedgerFunding(HARBOUR))
    with store.transaction() as tx:
        set_terms(tx, company.customer, "prepaid")
        add_credit(tx, company.customer, money("100000.00", "USD"), "bank-1")
    return company


def run_under_load(
    company: Company, shim: Shim, *, answers: int, rounds: int, clients: int, flags: Sequence[str]
) -> None:
    """Clients and an office at work for `answers`, in `rounds`: SIGTERM and SIGKILL end the gateway in turn."""
    told = Told(shim)
    with (
        selling(company, shim),
        GatewayProcess(company, "--ledger", *flags, environment=shim.environment) as gateway,
    ):
        fleet = Fleet(gateway, company.key, told, clients, 0)  # type: ignore[arg-type]
        for number in range(rounds):
            told.wait_for_more(answers // rounds)
            if number < rounds - 1:
                gateway.kill() if number % 2 else gateway.stop()
                gateway.start()
        fleet.stop()


@contextmanager
def selling(company: Company, shim: Shim) -> Iterator[None]:
    """An office in a process of its own; what it says it did is acknowledged."""
    url = company.store.engine.url.render_as_string(hide_password=False)
    words = [sys.executable, str(_SELLER), url, company.store.organisation, str(company.blobs.folder)]
    paths = {"PYTHONPATH": str(_SELLER.parent.parent)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**shim.environment, **paths})

    def listen() -> None:
        for line in process.stdout or ():
            shim.acknowledge(line.strip().encode())

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield
    finally:
        process.kill()
        process.wait()
        listener.join()


def cut(recording: Recording, *, cuts: int, seed: int = 0, within_s: float = 1e9, workers: int = 1) -> PowerReport:
    """Cut the power at `cuts` places of the log: half all over it, half right after an
    acknowledgement; at fewer when `within_s` seconds pass first."""
    began = time.monotonic()
    if workers == 1:
        parts = [_cut(recording, 0, 1, cuts, seed, within_s)]
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            tries = [pool.submit(_cut, recording, one, workers, cuts, seed, within_s) for one in range(workers)]
            parts = [one.result() for one in tries]
    total = {name: sum(getattr(part, name) for part in parts) for name in ("cuts", "at_stake", "bad_cuts", *_COUNTED)}
    first = next((part.first for part in parts if part.first), "")
    acknowledged, seconds = parts[0].acknowledged, round(time.monotonic() - began, 1)
    return PowerReport(**total, acknowledged=acknowledged, first=first, seconds=seconds)


def _cut(recording: Recording, mine: int, workers: int, cuts: int, seed: int, within_s: float) -> PowerReport:
    """Every `workers`-th of the cuts."""
    began, chance, disk = time.monotonic(), random.Random(seed), recording.before
    kinds = [record.kind for record in records(recording.log)]
    length = len(kinds)
    tellings = [place for place, kind in enumerate(kinds, start=1) if kind == ACKNOWLEDGED]
    # every other one right after somebody was told something: the moment at which a lie is found out
    places = [chance.choice(tellings) if number % 2 else chance.randint(1, length) for number in range(cuts)]
    places = sorted(places)[mine::workers]
    total, told, at_stake, done, bad, first = Finding(), list[list[str]](), 0, 0, 0, ""
    with tempfile.TemporaryDirectory(dir=recording.scratch) as room:
        for place, record in enumerate(records(recording.log), start=1):
            if record.kind == ACKNOWLEDGED:
                told.append(record.data.decode().split())
            else:
                disk.follow(record)
            while done < len(places) and places[done] == place and time.monotonic() - began < within_s:
                found, target = Finding(), Path(room) / "disk"
                at_stake += disk.at_stake > 0
                disk.after_cut(target, random.Random(f"{seed}-{mine + done * workers}"))
                recording.judge(target, told, found)
                shutil.rmtree(target)
                done += 1
                if wrong := _add(total, found):
                    bad += 1
                    first = first or f"cut {mine + done * workers} at record {place} of {length}: {wrong}"
    counted = {name: getattr(total, name) for name in _COUNTED}
    return PowerReport(done, at_stake, len(told), **counted, bad_cuts=bad, first=first, seconds=0.0)


def _add(total: Finding, found: Finding) -> str:
    for name in _COUNTED:
        setattr(total, name, getattr(total, name) + getattr(found, name))
    wrong = {name: getattr(found, name) for name in _COUNTED if getattr(found, name)}
    return f"{wrong} {'; '.join(found.words[:3])}" if wrong else ""


def judge_books(url: str, keys: Keyring, told: list[list[str]], found: Finding, blobs: BlobStore | None = None) -> None:
    """Open the books as Penstock does, and count what is not as it was acknowledged. blobs: None: not looked at."""
    store = open_store(url, ORGANISATION, keys=keys, clock=ShiftedClock(LATER))
    try:
        problems = verify_all(store)
        found.broken, found.words = len(problems), [str(problem) for problem in problems]
        with store.read() as tx:
            _judge_use(tx, [words for words in told if words[0] == "answered"], found)
            _judge_sales(tx, [words for words in told if words[0] == "sold"], blobs, found)
        with store.transaction() as tx:
            expire_grants(tx)
        with store.read() as tx:
            still = sa.select(sa.func.count()).where(
                usage_grant.c.organisation == tx.organisation, usage_grant.c.state == "open"
            )
            found.stuck = int(tx.scalar(still))
    except (PenstockError, sa.exc.DBAPIError) as error:
        found.refused, found.words = 1, [str(error)]
    finally:
        store.close()


def _judge_use(tx: Transaction, told: list[list[str]], found: Finding) -> None:
    events = usage_log.events(tx, limit=10_000_000)
    rows = opened(tx, answer, sa.select(answer).where(answer.c.organisation == tx.organisation))
    stored = {row["id"]: bytes(row["body"]) for row in rows}
    used = sa.func.coalesce(sa.func.sum(usage_grant.c.used), 0)
    settled = int(tx.scalar(sa.select(used).where(usage_grant.c.organisation == tx.organisation)))
    logged = {event.id for event in events}
    promised = {request_id: digest for _, request_id, digest in told}
    lost = promised.keys() - logged
    found.acknowledged, found.lost = len(told), len(lost)
    found.double = len(events) - len(logged) + abs(settled - sum(event.units for event in events))
    kept = promised.keys() & logged
    found.changed = sum(sha256_of(stored.get(request_id, b"")) != promised[request_id] for request_id in kept)
    found.gaps = sum(event.seq != place for place, event in enumerate(events, start=1))


def _judge_sales(tx: Transaction, told: list[list[str]], blobs: BlobStore | None, found: Finding) -> None:
    credit = credit_balances(tx, [customer for _, customer, _ in told])
    for _, customer, digest in told:
        found.lost += credit.get(customer) != PAID_IN.amount_minor
        try:
            if blobs is not None:
                blobs.get(digest)
        except PenstockError as error:
            found.lost += 1
            found.words.append(str(error))
