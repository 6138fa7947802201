"""Small workspaces made for each test, and the command line called in this process."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.root import run
from penstock.storage import migrate

SUBJECTS = {
    "refund": ("money back", "refund", "reimburse me", "return the payment"),
    "parcel": ("where is my parcel", "tracking number", "not delivered yet", "courier is late"),
    "login": ("cannot log in", "password reset", "locked out", "wrong code at sign in"),
}
WORDS = ("please", "today", "again", "since monday", "for my order", "thanks", "urgent", "hello", "still", "now")


def rows(per_class: int = 40) -> list[tuple[str, str]]:
    """Distinct short messages that an n-gram model can tell apart."""
    return [
        (f"{phrases[i % 4]} {WORDS[i % 10]} {WORDS[(i * 7 + i // 10) % 10]} {i}", label)
        for label, phrases in SUBJECTS.items()
        for i in range(per_class)
    ]


def write_csv(path: Path, pairs: Sequence[tuple[str, str]], header: tuple[str, str] = ("text", "label")) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(pairs)
    return path


TOML = """
[company]
name = "Test Harbour"
currency = "USD"

[products.router]
task = "text-classification"
data = "data/router.csv"
ladder = ["ngram-linear.v1"]
gate = { accuracy = ">= 0.60" }

[products.router.price]
tiers = [{ up_to = 10, unit_price = "0.10" }, { unit_price = "0.05" }]

[plans.team]
monthly = "20.00"
includes = { router = 5 }

[agreements.referral]
share = "20%"
"""


@dataclass(frozen=True)
class Said:
    """What a command line answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Penstock = Callable[..., Said]


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without a row, as `penstock init` makes it."""
    file = tmp_path_factory.mktemp("new") / "penstock.sqlite"
    migrate.upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def folder(tmp_path: Path, new_database: Path) -> Path:
    """A sound workspace with one product."""
    write_csv(tmp_path / "data" / "router.csv", rows())
    (tmp_path / "penstock.toml").write_text(TOML)
    (tmp_path / ".penstock").mkdir()
    shutil.copy(new_database, tmp_path / ".penstock")
    return tmp_path


@pytest.fixture
def penstock(folder: Path, capsys: pytest.CaptureFixture[str]) -> Penstock:
    """Calls `penstock --workspace FOLDER …` and answers its code and output."""

    def call(*words: str) -> Said:
        capsys.readouterr()
        code = run(["--workspace", str(folder), *words])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


def edit(folder: Path, before: str, after: str) -> None:
    """Change penstock.toml as a person would."""
    text = (folder / "penstock.toml").read_text()
    if before not in text:
        raise ValueError(f"{before!r} is not in the file")
    (folder / "penstock.toml").write_text(text.replace(before, after))
