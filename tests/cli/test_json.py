"""--json prints typed values under stable keys, and errors as JSON, whatever the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from analytics.harbour import Harbour, busy_harbour
from cli.walk import ELSEWHERE, GROUPS_ELSEWHERE, JSON_PAGE, in_page, keys_of, leaves, lines

from penstock.billing.invoices import get_invoice
from penstock.channels.commissions import settle
from penstock.channels.partners import get_partner
from penstock.channels.payouts import payable, payout
from penstock.cli.json_rule import faults
from penstock.cli.root import run
from penstock.core.clock import SettableClock
from penstock.core.hashing import sha256_of
from penstock.core.ids import random_ids
from penstock.storage import migrate
from penstock.storage.audit import Entry, Wanted, entries
from penstock.storage.engine import Store, open_engine
from penstock.storage.schema import metadata


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harbour]:
    url = f"sqlite:///{tmp_path / 'penstock.sqlite'}"
    migrate.upgrade(url)
    monkeypatch.setenv("PENSTOCK_DATABASE", url)
    store = Store(open_engine(url), "main", SettableClock(datetime(2026, 10, 1, tzinfo=UTC)), random_ids)
    yield busy_harbour(tmp_path, store)
    store.close()


def test_every_command_prints_typed_values_and_stable_keys(
    harbour: Harbour, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, page = harbour.house.folder, JSON_PAGE.read_text(encoding="utf-8")
    wrong: list[str] = []
    for name, words in lines(harbour, folder).items():
        capsys.readouterr()
        try:
            code = run([*name.split(), *words, "--json", "--no-input", "--workspace", str(folder)])
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
            continue
        told = capsys.readouterr()
        if code and name not in ("doctor", "apply", "drill"):  # this machine may lack something; no real model is live
            wrong.append(f"{name}: exit {code}: {told.err}")
        if told.out:
            found = json.loads(told.out)
            wrong += [f"{name}: {one}" for one in faults(found)]
            wrong += [f"{name}: {key} is not in json.md" for key, _ in keys_of(found) if not in_page(page, name, key)]
        wrong += [f"{name}: stderr says {line!r}" for line in told.err.splitlines() if line[:1] != "{"]
    assert not wrong, "\n".join(wrong)


def test_every_command_that_changes_something_is_in_the_audit_log(
    harbour: Harbour, capsys: pytest.CaptureFixture[str]
) -> None:
    """What changes is seen in the tables themselves, so a new command that goes round the log is found."""
    folder, silent = harbour.house.folder, []
    changed = 0
    for name, words in lines(harbour, folder).items():
        rows, last = _content(harbour.store), _last_entry(harbour.store)
        run([*name.split(), *words, "--json", "--no-input", "--workspace", str(folder)])
        capsys.readouterr()
        if _content(harbour.store) != rows:
            changed += 1
            entry = _last_entry(harbour.store)
            if entry == last or entry is None or entry.act != name or not entry.origin.startswith("command line on "):
                silent.append(name)
    assert changed >= 18 and silent == []


def _content(store: Store) -> dict[str, str]:
    """A digest of each table that the log is about."""
    with store.read() as tx:
        return {
            name: sha256_of(repr(sorted(map(repr, tx.connection.execute(sa.select(table)).all()))).encode())
            for name, table in metadata.tables.items()
            if "unaudited" not in table.info
        }


def _last_entry(store: Store) -> Entry | None:
    with store.read() as tx:
        return next(iter(entries(tx, Wanted(), 1)), None)


def test_people_read_times_in_the_company_s_zone(harbour: Harbour, capsys: pytest.CaptureFixture[str]) -> None:
    number = harbour.invoices[harbour.blue]
    with harbour.store.read() as tx:
        due = get_invoice(tx, number).due_at.astimezone(ZoneInfo("Asia/Shanghai"))
    capsys.readouterr()
    assert run(["invoice", "show", number, "--workspace", str(harbour.house.folder)]) == 0
    assert f"{due:%Y-%m-%d %H:%M} +08:00" in capsys.readouterr().out


def test_the_walk_knows_every_command(harbour: Harbour) -> None:
    walked = {*lines(harbour, harbour.house.folder), *ELSEWHERE}
    new = [name for name in leaves() if name not in walked and name.split()[0] not in GROUPS_ELSEWHERE]
    assert not new, f"add them to tests/cli/walk.py: {', '.join(new)}"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nosuch"], 2, ("usage", "nosuch")),
        (["candidates", "a", "b", "c"], 2, ("usage", "unexpected")),
        (["report"], 2, ("usage", "CANDIDATE")),
        (["report", "--nosuch", "x"], 2, ("usage", "--nosuch")),
        (["runs", "list", "--limit", "many"], 2, ("usage", "--limit")),
        (["invoice"], 2, ("usage", "needs a command")),
        ([], 2, ("usage", "needs a command")),
        (["invoice", "show", "none"], 2, ("not_found", "none")),
        (["check", "--workspace"], 2, ("bad_input", "needs a folder")),
    ],
)
def test_errors_are_json_too(
    harbour: Harbour, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: tuple[str, str]
) -> None:
    capsys.readouterr()
    assert run(["--json", "-C", str(harbour.house.folder), *words]) == code
    told = capsys.readouterr()
    error = json.loads(told.err)["error"]
    assert told.out == "" and list(error) == ["code", "message", "where", "hint"]
    assert error["code"] == said[0] and said[1] in json.dumps(error)


def test_a_payout_names_the_partner_and_the_currency(harbour: Harbour, capsys: pytest.CaptureFixture[str]) -> None:
    harbour.clock.set(datetime(2027, 3, 1, tzinfo=UTC))
    with harbour.store.transaction() as tx:
        settle(tx)
        due = payable(tx, harbour.partner)
        payout(tx, get_partner(tx, harbour.partner), "bank 1")
    assert due.amount_minor > 0
    capsys.readouterr()
    assert run(["payout", "Reed & Co", "--operation", "bank 1", "-C", str(harbour.house.folder)]) == 0
    shown = capsys.readouterr().out
    assert "Reed & Co" in shown and str(due) in shown and harbour.partner not in shown
    assert run(["payout", "Reed & Co", "--operation", "bank 1", "--json", "-C", str(harbour.house.folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["partner_name"] == "Reed & Co" and told["currency"] == due.currency == told["amount"]["currency"]


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"p95 ms": 1}, 1),
        ({"95%": 1, "": 2}, 2),
        ([{"interval": "0.80 to 0.95"}], 1),
        ({"share": "20%"}, 1),
        ({"amount_minor": 5}, 1),
        ({"amount_minor": 5, "currency": "USD"}, 0),
        ({"day": "2026-11-15", "at": "2026-11-15T08:00:00Z", "low": 0.8, "rows": []}, 0),
        ({"probabilities": {"very good": 0.3}}, 0),
    ],
)
def test_the_rule_finds_the_screen_s_words(value: object, wrong: int) -> None:
    assert len(list(faults(value))) == wrong
