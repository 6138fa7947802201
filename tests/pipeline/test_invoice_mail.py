"""Invoices go out by mail, once, with their PDF, in the buyer's language; a copy of a workspace mails nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from analytics.harbour import Harbour, busy_harbour
from monitoring.test_opinion_outbox import mail_server

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict, Unavailable
from penstock.core.ids import random_ids
from penstock.pipeline.invoice_mail import send_invoice, send_month
from penstock.pipeline.money import close, preview_month
from penstock.pipeline.rehearsal import rehearse
from penstock.runtime.house import House, open_house
from penstock.storage import migrate
from penstock.storage.engine import Store, open_engine
from penstock.workspace.records import MailServer


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    url = f"sqlite:///{tmp_path / '.penstock' / 'penstock.sqlite'}"
    (tmp_path / ".penstock").mkdir()
    migrate.upgrade(url)
    store = Store(open_engine(url), "main", SettableClock(datetime(2026, 10, 1, tzinfo=UTC)), random_ids)
    yield busy_harbour(tmp_path, store)
    store.close()


def with_mail(house: House, port: int) -> House:
    server = MailServer(host="127.0.0.1", port=port, security="none", sender="billing@harbour.example")
    return replace(house, workspace=house.workspace.model_copy(update={"mail": server}))


def test_an_invoice_is_mailed_once_with_its_pdf(harbour: Harbour) -> None:
    number = harbour.invoices[harbour.blue]
    with pytest.raises(BadInput, match="no mail server is set"):
        send_invoice(harbour.house, number)
    with mail_server() as (port, letters):
        house = with_mail(harbour.house, port)
        assert send_invoice(house, number).recipient == letters[0][0][0]
        with pytest.raises(Conflict, match="was sent to"):
            send_invoice(house, number)
        send_invoice(house, number, to="boss@blue.example", again=True)
    (first, second) = (letter for _, letter in letters)
    assert first["Subject"] == f"Invoice {number} from Harbour AI" and first["From"].endswith(
        "<billing@harbour.example>"
    )
    assert "is due by" in first.get_body().get_content() and first["Message-ID"] != second["Message-ID"]
    [attached] = first.iter_attachments()
    assert attached.get_filename() == f"invoice-{number}.pdf" and attached.get_content().startswith(b"%PDF")
    assert letters[1][0] == ["boss@blue.example"]


def test_a_month_is_mailed_and_again_sends_nothing(harbour: Harbour) -> None:
    with mail_server() as (port, letters):
        house = with_mail(harbour.house, port)
        sent = send_month(house, "2026-10").sent
        assert {one.invoice for one in sent} == set(harbour.invoices.values()) and len(letters) == len(sent)
        assert send_month(house, "2026-10").sent == () and len(letters) == len(sent)
    chinese = [letter["Subject"] for _, letter in letters if "账单" in letter["Subject"]]
    assert len(chinese) == 1


def test_a_server_that_is_away_leaves_nothing_recorded(harbour: Harbour) -> None:
    with mail_server() as (port, letters):
        pass
    number = harbour.invoices[harbour.blue]
    with pytest.raises(Unavailable, match="the mail was not taken"):
        send_invoice(with_mail(harbour.house, port), number)
    with mail_server() as (port, letters):
        send_invoice(with_mail(harbour.house, port), number)
        assert len(letters) == 1


def test_a_month_is_played_ahead_in_a_copy_and_the_books_stay(
    harbour: Harbour, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    clock = harbour.store.clock
    assert rehearse(harbour.house.workspace, copy, "2026-12-01", clock) == datetime(2026, 11, 30, 16, tzinfo=UTC)
    assert rehearse(harbour.house.workspace, copy, "2026-12-02T08:00", clock) == datetime(2026, 12, 2, 0, tzinfo=UTC)
    with pytest.raises(BadInput, match="not set back"):
        rehearse(harbour.house.workspace, copy, "2026-11-20", clock)
    now = datetime.now(UTC)
    there = open_house(copy)
    ahead = datetime(2026, 12, 2, tzinfo=UTC) - clock.now()
    assert timedelta(0) <= there.store.clock.now() - (now + ahead) < timedelta(minutes=1)
    there = replace(there, store=replace(there.store, clock=SettableClock(datetime(2026, 12, 2, tzinfo=UTC))))
    closed = close(there, {"period": "2026-11"})
    assert closed["invoices"]
    with mail_server() as (port, letters), pytest.raises(Conflict, match="nothing is mailed"):
        send_invoice(with_mail(there, port), closed["invoices"][0])
    assert letters == []
    there.close()
    drafts = list(preview_month(harbour.house, "2026-11"))
    assert drafts and all(getattr(one, "number", "draft") == "draft" for one in drafts)


def test_only_a_folder_of_its_own_is_filled(harbour: Harbour, tmp_path_factory: pytest.TempPathFactory) -> None:
    full = tmp_path_factory.mktemp("full")
    (full / "mine.txt").touch()
    clock = harbour.store.clock
    with pytest.raises(Conflict, match="not empty"):
        rehearse(harbour.house.workspace, full, "2026-12-01", clock)
    with pytest.raises(BadInput, match="inside the workspace"):
        rehearse(harbour.house.workspace, harbour.house.folder / "copy", "2026-12-01", clock)
    with pytest.raises(BadInput, match="past"):
        rehearse(harbour.house.workspace, full / "x", "2026-01-01", clock)
    with pytest.raises(BadInput, match="is not a time"):
        rehearse(harbour.house.workspace, full / "x", "soon", clock)
