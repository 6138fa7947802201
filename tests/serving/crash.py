"""Kill -9 at random instants under load; then hold what clients were told against what the database says.

The oracle is a journal outside the system: each client writes an acknowledged id, with its answer's hash, to a file
and fsyncs it before it goes on.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

import httpx2
import sqlalchemy as sa
from serving.support import PRODUCT, Company, credit, give_credit, grant

from penstock.core.hashing import sha256_of
from penstock.metering import usage_log
from penstock.metering.tables import answer
from penstock.storage.engine import Store
from penstock.storage.sealed import opened

CREDIT = 10_000_000
_SCRIPT = Path(__file__).parent / "tiny_gateway.py"


@dataclass(frozen=True)
class CrashReport:
    """lost: acknowledged, not in the log. double: counted or settled more than once. changed: acknowledged with other
    bytes than are stored. gaps: numbers missing in the log. unacknowledged: in the log, the answer never arrived."""

    kills: int
    acknowledged: int
    logged: int
    lost: int
    double: int
    changed: int
    gaps: int
    unacknowledged: int
    seconds: float

    @property
    def sound(self) -> bool:
        return self.lost == self.double == self.changed == self.gaps == 0

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "sound": self.sound}


def crash_run(
    company: Company, folder: Path, *, kills: int, clients: int = 8, seed: int = 0, early: bool = False
) -> CrashReport:
    """Run `clients` against one gateway at a time, killing it `kills` times. The company must be new."""
    began = time.monotonic()
    give_credit(company.store, company.customer, CREDIT)
    chance = random.Random(seed)
    journal = Journal(folder / "journal")
    with GatewayProcess(company, *(["--early"] if early else [])) as gateway:
        fleet = Fleet(gateway, company.key, journal, clients, seed)
        for _ in range(kills):
            journal.wait_for_more(clients)
            time.sleep(chance.uniform(0.0, 0.3))
            gateway.kill()
            gateway.start()
        journal.wait_for_more(clients)
        fleet.stop()
    return _compare(company.store, company.customer, journal, kills, time.monotonic() - began)


class GatewayProcess:
    """A real gateway in a process of its own."""

    def __init__(self, company: Company, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        url = company.store.engine.url.render_as_string(hide_password=False)
        self._command = [sys.executable, str(_SCRIPT), url, company.store.organisation, str(company.blobs.folder)]
        self._command += flags
        self._environment = {**os.environ, **(environment or {})}
        self.url = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, env=self._environment)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError(f"the gateway ended with {self.process.wait()}")

    def kill(self) -> None:
        self._signal_and_wait("kill")

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        return self._signal_and_wait("terminate")

    def _signal_and_wait(self, how: str) -> int:
        assert self.process is not None and self.process.stdout is not None
        getattr(self.process, how)()
        code = self.process.wait(30)
        self.process.stdout.close()
        return code

    def __enter__(self) -> GatewayProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()


@dataclass
class Journal:
    """Acknowledged ids on disk: one line each, written and fsynced before the client goes on."""

    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0

    def add(self, request_id: str, body: bytes) -> None:
        with self.lock, self.path.open("ab", buffering=0) as stream:
            stream.write(f"{request_id} {sha256_of(body)}\n".encode())
            os.fsync(stream.fileno())
            self.count += 1

    def wait_for_more(self, acknowledgements: int, within_s: float = 30.0) -> None:
        wanted, deadline = self.count + acknowledgements, time.monotonic() + within_s
        while self.count < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError("the clients get no answers")
            time.sleep(0.005)

    def read(self) -> dict[str, set[str]]:
        told: dict[str, set[str]] = {}
        for line in self.path.read_text().splitlines():
            request_id, digest = line.split()
            told.setdefault(request_id, set()).add(digest)
        return told


class Fleet:
    """Clients that ask, note what was acknowledged, sometimes ask again for what was not, sometimes for what was."""

    def __init__(self, gateway: GatewayProcess, key: str, journal: Journal, clients: int, seed: int) -> None:
        self._gateway = gateway
        self._key = key
        self._journal = journal
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n, random.Random(seed + n))) for n in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, name: int, chance: random.Random) -> None:
        number, again = 0, False
        headers = {"Authorization": f"Bearer {self._key}"}
        with httpx2.Client(headers=headers, timeout=5, trust_env=False) as http:
            while not self._stop.is_set():
                number += 0 if again else 1
                request_id = f"{name}-{number}"
                acknowledged = self._post(http, request_id)
                again = chance.random() < (0.1 if acknowledged else 0.5)

    def _post(self, http: httpx2.Client, request_id: str) -> bool:
        try:
            sent = {"inputs": [f"where is {request_id}"]}
            url = f"{self._gateway.url}/v1/products/{PRODUCT}/predict"
            got = http.post(url, json=sent, headers={"Idempotency-Key": request_id})
        except httpx2.TransportError:
            self._stop.wait(0.02)
            return False
        if got.status_code != 200:
            return False
        self._journal.add(request_id, got.content)
        return True


def _compare(store: Store, customer: str, journal: Journal, kills: int, seconds: float) -> CrashReport:
    told = journal.read()
    with store.read() as tx:
        events = usage_log.events(tx, limit=10_000_000)
        bodies = opened(tx, answer, sa.select(answer).where(answer.c.organisation == tx.organisation))
        own = grant.c.organisation == tx.organisation
        settled = int(tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(grant.c.used), 0)).where(own)))
        held = sa.func.coalesce(sa.func.sum(sa.case((grant.c.open, grant.c.units), else_=grant.c.used)), 0)
        spent = int(tx.scalar(sa.select(held).where(own)))
        left = int(tx.scalar(sa.select(credit.c.units).where(credit.c.organisation == tx.organisation)))
    stored = {row["id"]: sha256_of(bytes(row["body"])) for row in bodies}
    logged = {event.id for event in events}
    counted_twice = len(events) - len(logged) + abs(settled - sum(event.units for event in events))
    return CrashReport(
        kills=kills,
        acknowledged=len(told),
        logged=len(logged),
        lost=len(told.keys() - logged),
        double=counted_twice + abs(CREDIT - left - spent),
        changed=sum(hashes != {stored.get(id, "")} for id, hashes in told.items() if id in logged),
        gaps=sum(event.seq != place for place, event in enumerate(events, start=1)),
        unacknowledged=len(logged - told.keys()),
        seconds=round(seconds, 1),
    )
