"""What `penstock apply` publishes, tells before, and keeps of the file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict
from penstock.pipeline.apply import apply_workspace, plan_workspace, preview_apply
from penstock.runtime.house import APPLIED, House, open_house
from penstock.storage.blobs import BlobStore
from penstock.storage.documents import get_document
from penstock.storage.engine import Store
from penstock.workspace.loader import load
from penstock.workspace.records import Workspace


def test_the_database_never_holds_its_own_password(store: Store, blobs: BlobStore) -> None:
    address = "postgresql://penstock:hunter2@db.example.com/penstock"
    workspace = Workspace.model_validate({"company": {"name": "Harbour AI"}, "storage": {"database": address}})
    house = House(workspace, store, blobs, address)
    apply_workspace(house)
    with store.read() as tx:
        assert "hunter2" not in json.dumps(get_document(tx, APPLIED))
    assert plan_workspace(house) == ()


def file_with(
    unit_price: str, *, monthly: str = "49.00", currency: str = "USD", timezone: str = "Asia/Shanghai"
) -> str:
    return f"""
[company]
name = "Harbour AI"
currency = "{currency}"
timezone = "{timezone}"
[products.helpdesk]
task = "text-classification"
data = "data/helpdesk.csv"
gate = {{ accuracy = ">= 0.9" }}
price = {{ tiers = [{{ unit_price = "{unit_price}" }}] }}
[plans.team]
monthly = "{monthly}"
"""


def test_a_dry_run_tells_what_apply_then_does_with_its_dates(tmp_path: Path) -> None:
    def opened(text: str) -> House:
        (tmp_path / "penstock.toml").write_text(text)
        return open_house(tmp_path, clock=SettableClock(datetime(2026, 11, 15, tzinfo=UTC)), create=True)

    first = opened(file_with("0.0040"))
    assert apply_workspace(first) == ("products.helpdesk.price v1: in force now", "plans.team v1: in force now")
    dearer = opened(file_with("0.0050", monthly="59.00"))
    told = preview_apply(dearer)
    assert told == preview_apply(dearer), "a dry run leaves nothing behind"
    assert told == (
        "products.helpdesk.price v2: in force for everyone from 2026-12-01 00:00 (Asia/Shanghai); "
        "this month keeps the price it has",
        "plans.team v2: in force now for new subscribers; those of today keep their version",
    )
    assert apply_workspace(dearer) == told
    assert preview_apply(dearer) == ()


@pytest.mark.parametrize(("field", "other"), [("currency", "EUR"), ("timezone", "Europe/Berlin")])
def test_open_books_are_never_shown_in_another_currency_or_by_other_months(
    tmp_path: Path, field: str, other: str
) -> None:
    (tmp_path / "penstock.toml").write_text(file_with("0.0040"))
    apply_workspace(open_house(tmp_path, create=True))
    (tmp_path / "penstock.toml").write_text(file_with("0.0040", **{field: other}))
    with pytest.raises(Conflict, match=f"the books are kept in .*; {other} would change") as refused:
        open_house(tmp_path)  # every command and process begins with it
    assert str(refused.value.where).endswith(f"company.{field}")


@pytest.mark.parametrize(
    ("fee", "currency", "said"),
    [
        ("9.995", "USD", "USD has 2 decimals"),
        ("9.5", "JPY", "JPY has no decimals"),
        ("1" + "0" * 13, "USD", "more than"),
    ],
)
def test_a_fee_that_nobody_could_pay_exactly_is_refused_with_its_line(
    tmp_path: Path, fee: str, currency: str, said: str
) -> None:
    (tmp_path / "penstock.toml").write_text(file_with("0.0040", monthly=fee, currency=currency))
    with pytest.raises(BadInput, match=said) as refused:
        load(tmp_path)
    assert refused.value.where == "penstock.toml:12: plans.team.monthly"
