"""A disk that is full or fails, at each of the calls that a command makes: the first, the second, … until none fails.

After each: the command said clearly what is wrong or did all of its work; the books hold; the same command, given
again, does what is missing or says that it is done; and its effect is there once.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from billing.shop import use_in
from faults.shim import Shim
from scenarios.conftest import TOML, rows, write_csv

from penstock.billing.verification import verify_all
from penstock.core.clock import SettableClock
from penstock.identity.customers import add_customer
from penstock.pipeline.apply import apply_workspace
from penstock.runtime.house import open_house
from penstock.storage import migrate
from penstock.storage.engine import open_store

DATABASE = Path(".penstock") / "penstock.sqlite"


@dataclass(frozen=True)
class Command:
    """words: of the command line; {place} is a folder outside the workspace. before: what is done first, by name of a
    stage. effect: a query whose answer is 1 once the command is done; or a file, `{place}/…`. lists: what else may be
    said of a command that is given again."""

    name: str
    words: tuple[str, ...]
    stage: str = "sold"
    effect: str = ""
    done: str = ""


COMMANDS = (
    Command("apply", ("apply",), "new", "select count(*) from price_version"),
    Command("train", ("train", "router"), "applied", "select count(*) from candidate"),
    Command("release", ("release", "router"), "trained", "select count(*) from release where state = 'live'"),
    Command(
        "customer add",
        ("customer", "add", "Oak", "--email", "a@oak.example"),
        effect="select count(*) from customer where name = 'Oak'",
        done="there is already a customer",
    ),
    Command("key create", ("key", "create", "Maple")),
    Command(
        "credit add",
        ("credit", "add", "Maple", "5.00", "--operation", "bank-7"),
        effect="select count(*) from ledger_operation where operation like '%bank-7%'",
    ),
    Command("bill close", ("bill", "close", "--period", "{month}"), effect="select count(*) from invoice"),
    Command(
        "backup", ("backup", "{place}/kept.backup", "--without-secrets"), effect="{place}/kept.backup", done="already"
    ),
    Command(
        "restore",
        ("restore", "{backup}", "--to", "{place}/again", "--without-secrets"),
        effect="{place}/again/penstock.toml",
        done="not empty",
    ),
    Command(
        "customer export",
        ("customer", "export", "Maple", "--to", "{place}/maple.zip"),
        effect="{place}/maple.zip",
        done="already",
    ),
    Command("data add", ("data", "add", "router", "{more}"), done="already"),
    Command("invoice pdf", ("invoice", "pdf", "{invoice}", "{place}/one.pdf"), "closed", "{place}/one.pdf"),
    Command("customer erase", ("customer", "erase", "Birch", "--yes"), "closed", done="erased"),
)

FAULTS = {
    "full": {"error": errno.ENOSPC, "lasting": True, "partial": True},
    "failing": {"error": errno.EIO},
}
"""full: from that call on nothing can be written, and the first write is cut short. failing: one call fails, once."""


@dataclass
class FullReport:
    """sites: calls that were made to fail, of `calls` an undisturbed run makes. told: runs that said so. through: runs
    that did their work all the same. faults: what was wrong, a line each."""

    command: str
    fault: str
    calls: int = 0
    sites: int = 0
    told: int = 0
    through: int = 0
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "faults": self.faults[:5], "wrong": len(self.faults)}


class Desk:
    """Runs command lines in a process under the shim, on copies of prepared workspaces. Use as a context."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._room = place / "room"  # what the shim watches
        self._room.mkdir()
        self.shim = Shim(self._room, place)
        words = [sys.executable, str(Path(__file__).with_name("driver.py"))]
        environment = {**os.environ, **self.shim.environment, "PENSTOCK_CACHE": str(place / "cache"), "COLUMNS": "160"}
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=place
        )
        self._answer()
        self._said = {"month": f"{datetime.now(UTC).replace(day=1) - timedelta(days=10):%Y-%m}"}
        self._prepare()

    def attempt(self, command: Command, fault: str, site: int, report: FullReport) -> bool:
        """Let the command's call number `site` fail; False when there is no such call any more."""
        shutil.rmtree(self._room / "house", ignore_errors=True)
        shutil.rmtree(self._room / "out", ignore_errors=True)
        shutil.copytree(self._place / command.stage, self._room / "house")
        (self._room / "out").mkdir()
        self.shim.arm(site, **FAULTS[fault])  # type: ignore[arg-type]
        code, said = self.run(command.words)
        calls, failed = self.shim.disarm()
        report.calls = max(report.calls, calls)
        if not failed:
            if code:
                report.faults.append(f"undisturbed: exit {code}: {said[-400:]}")
            return False
        report.sites += 1
        report.told += code != 0
        report.through += code == 0
        wrong = [*_unclear(code, said), *self._left(command, code)]
        if code:
            again, said_again = self.run(command.words)
            if again and not (command.done and command.done in said_again):
                wrong.append(f"given again: exit {again}: {said_again[-300:]}")
        wrong += self._wrong(command)
        report.faults += [f"{command.name}, {fault} at {site}: {one}" for one in wrong]
        return True

    def run(self, words: Sequence[str], folder: Path | None = None) -> tuple[int, str]:
        """Exit code, and what was said on both streams."""
        out, err = self._place / "out.txt", self._place / "err.txt"
        places = {**self._said, "place": str(self._room / "out")}
        told = ["--workspace", str(folder or self._room / "house"), *(word.format(**places) for word in words)]
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"words": told, "out": str(out), "err": str(err)}) + "\n")
        self._process.stdin.flush()
        code = int(self._answer())
        return code, err.read_text(errors="replace") + out.read_text(errors="replace")

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self.shim.close()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("the driver ended")
        return line.strip()

    def _left(self, command: Command, code: int) -> list[str]:
        """Drafts that nobody will take up, and what half a command made for people."""
        found = [str(path.relative_to(self._room)) for path in self._room.rglob("*") if ".part-" in path.name]
        wrong = [f"left behind: {name}" for name in found]
        made = Path(command.effect.format(place=self._room / "out")) if command.effect.startswith("{place}") else None
        if made is not None and code and made.exists() and command.name == "invoice pdf":
            wrong.append(f"made, but exit {code}")
        return wrong

    def _wrong(self, command: Command) -> list[str]:
        file = self._room / "house" / DATABASE
        store = open_store(f"sqlite:///{file}", "default")
        wrong = [f"the books: {problem}" for problem in verify_all(store)]
        store.close()
        if command.effect.startswith("{place}"):
            if not Path(command.effect.format(place=self._room / "out")).is_file():
                wrong.append("the file is not there")
        elif command.effect:
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
                (count,) = database.execute(command.effect).fetchone()
            if count != 1:
                wrong.append(f"its effect is there {count} times")
        return wrong

    def _prepare(self) -> None:
        """The stages, each a folder: new, applied, trained, sold, closed."""
        new = self._place / "new"
        write_csv(new / "data" / "router.csv", rows())
        (new / "penstock.toml").write_text(TOML)
        (new / ".penstock").mkdir(mode=0o700)
        migrate.upgrade(f"sqlite:///{new / DATABASE}")
        self._said["more"] = str(write_csv(self._place / "more.csv", rows(50)[-10:]))
        applied = self._stage("new", "applied")
        house = open_house(applied, clock=SettableClock(datetime.now(UTC).replace(day=1) - timedelta(days=10)))
        apply_workspace(house)
        with house.store.transaction() as tx:
            maple = add_customer(tx, name="Maple", email="a@maple.example").id
            add_customer(tx, name="Birch", email="a@birch.example")
            use_in(tx, maple, 30, "router", None, "req-1")
        house.close()
        self._stage("applied", "trained", ("train", "router"))
        self._stage("trained", "sold", ("release", "router"))
        closed = self._stage("sold", "closed", ("bill", "close", "--period", "{month}"))
        with sqlite3.connect(f"file:{closed / DATABASE}?mode=ro", uri=True) as database:
            (self._said["invoice"],) = database.execute("select number from invoice").fetchone()
        self._said["backup"] = str(self._place / "first.backup")
        self._done(("backup", "{backup}", "--without-secrets"), self._place / "sold")

    def _stage(self, before: str, name: str, *commands: tuple[str, ...]) -> Path:
        shutil.copytree(self._place / before, self._place / name)
        for words in commands:
            self._done(words, self._place / name)
        return self._place / name

    def _done(self, words: tuple[str, ...], folder: Path) -> None:
        code, said = self.run(words, folder)
        if code:
            raise RuntimeError(f"{' '.join(words)}: exit {code}: {said}")


@contextmanager
def desk(place: Path) -> Iterator[Desk]:
    opened = Desk(place)
    try:
        yield opened
    finally:
        opened.close()


def every_site(opened: Desk, command: Command, fault: str, *, step: int = 1, first: int = 1) -> FullReport:
    """Fail every `step`-th call of the command, until a run makes no such call."""
    report, site = FullReport(command.name, fault), first
    while opened.attempt(command, fault, site, report):
        site += step
    return report


def _unclear(code: int, said: str) -> list[str]:
    """A failure says what is wrong, in words and not in code."""
    if "Traceback" in said:
        return [f"a traceback: {said.strip().splitlines()[-1][:200]}"]
    if code and not any(word in said for word in ("disk", "Input/output error", "No space left")):
        return [f"exit {code} does not say why: {said[-300:]}"]
    return []
