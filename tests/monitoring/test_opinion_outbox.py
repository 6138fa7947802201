"""Alerts leave: signed so that any Standard Webhooks verifier accepts them, mailed, again until they arrive."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from monitoring.opinion_house import day_of_documents, open_shop, usual_days
from monitoring.opinion_web import serving
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from penstock.core.clock import SettableClock
from penstock.runtime.house import House
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.tasks.opinion import outbox as outbox_room
from penstock.tasks.opinion.outbox import BACKOFF, Delivery, deliveries, enqueue
from penstock.tasks.opinion.stream import deliver, detect, options_of, record_directly, webhook_secret
from penstock.tasks.opinion.webhooks import signing_secret
from penstock.workspace.loader import load

# verifiers read the machine's clock: signatures are good for five minutes
YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(datetime.now(UTC))


@pytest.fixture(scope="session", params=["sqlite"])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("sqlite_url")
    migrate.upgrade(url)
    return url


@contextmanager
def alarmed(store: Store, blobs: BlobStore, folder: Path, options: str) -> Iterator[House]:
    """A house with one volume alert of yesterday in its outbox."""
    house, customer = open_shop(store, blobs, folder / "shop", f"allow_private_webhooks = true\n{options}")
    record_directly(house, "brands", customer, usual_days(YESTERDAY - timedelta(days=40), 40))
    storm = day_of_documents(YESTERDAY, {"Harbour Air": {"negative": 6, "neutral": 20, "positive": 6}}, "s")
    record_directly(house, "brands", customer, storm)
    assert [one.kind for one in detect(house, "brands")] == ["volume"]
    yield house


def outbox(house: House) -> list[Delivery]:
    with house.store.read() as tx:
        return deliveries(tx, product="brands")


def test_a_webhook_is_verified_by_the_standards_own_verifier(store: Store, blobs: BlobStore, tmp_path: Path) -> None:
    with serving() as web, alarmed(store, blobs, tmp_path, f'webhooks = ["{web.url}/hook"]') as house:
        assert deliver(house, "brands").delivered == 1
        [(path, headers, body)] = web.asked
        verifier = Webhook(signing_secret(webhook_secret(house, "brands")))
        told = verifier.verify(body, headers)
        assert path == "/hook" and told["type"] == "opinion.alert"
        alert = told["data"]
        assert (alert["entity"], alert["kind"], alert["state"]) == ("Harbour Air", "volume", "open")
        assert alert["observed"] > alert["expected"] and len(alert["documents"]) > 3
        assert {"text", "time", "url", "document"} <= set(alert["documents"][0])
        with pytest.raises(WebhookVerificationError):
            verifier.verify(body.replace(b"Harbour", b"Narbour"), headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(signing_secret(b"another secret")).verify(body, headers)
        assert deliver(house, "brands").delivered == 0 and len(web.asked) == 1


def test_what_fails_is_sent_again_under_the_same_id_until_it_arrives(
    store: Store, blobs: BlobStore, tmp_path: Path, clock: SettableClock
) -> None:
    with (
        serving(lambda path, headers: (503, {}, b"busy")) as web,
        alarmed(store, blobs, tmp_path, f'webhooks = ["{web.url}"]') as house,
    ):
        assert deliver(house, "brands").failed == 1
        assert deliver(house, "brands").failed == 0  # not due yet
        [waiting] = outbox(house)
        assert (waiting.state, waiting.attempts, waiting.next_at) == ("pending", 1, clock.now() + BACKOFF[0])
        assert "503" in waiting.error
        clock.advance(BACKOFF[0])
        web.answer = lambda path, headers: (204, {}, b"")
        assert deliver(house, "brands").delivered == 1
        assert [headers["webhook-id"] for _, headers, _ in web.asked] == [waiting.id] * 2
        assert outbox(house)[0].delivered_at == clock.now()


def test_after_days_in_vain_it_is_given_up(
    store: Store, blobs: BlobStore, tmp_path: Path, clock: SettableClock
) -> None:
    with (
        serving(lambda path, headers: (410, {}, b"")) as web,
        alarmed(store, blobs, tmp_path, f'webhooks = ["{web.url}"]') as house,
    ):
        for pause in (*BACKOFF, timedelta(0)):
            deliver(house, "brands")
            clock.advance(pause)
        deliver(house, "brands")
        [one] = outbox(house)
        assert (one.state, one.attempts, len(web.asked)) == ("given_up", len(BACKOFF) + 1, len(BACKOFF) + 1)


def test_whatever_goes_wrong_counts_as_an_attempt_and_the_others_are_sent(
    store: Store, blobs: BlobStore, tmp_path: Path, clock: SettableClock
) -> None:
    told: list[str] = []

    def send(one: Delivery) -> None:
        if one.target == "https://a.example":
            raise UnicodeEncodeError("ascii", "ü", 0, 1, "a defect of ours")
        told.append(one.target)

    with alarmed(store, blobs, tmp_path, 'webhooks = ["https://a.example", "https://b.example"]') as house:
        sent = outbox_room.deliver(house.store, "brands", send)
        assert (sent.delivered, sent.failed, told) == (1, 1, ["https://b.example"])
        waiting = next(one for one in outbox(house) if one.state == "pending")
        assert (waiting.attempts, waiting.next_at) == (1, clock.now() + BACKOFF[0])
        assert "a defect of ours" in waiting.error


def test_an_alert_and_its_delivery_are_written_together_and_once(
    store: Store, blobs: BlobStore, tmp_path: Path
) -> None:
    with alarmed(
        store, blobs, tmp_path, 'webhooks = ["https://a.example", { url = "https://b.example", customer = "cus_x" }]'
    ) as house:
        [one] = outbox(house)
        assert (one.target, one.state, one.attempts) == ("https://a.example", "pending", 0)
        with house.store.transaction() as tx:
            assert enqueue(tx, one.alert, "brands", "cus_y", {}, options_of(house, "brands")) == 0
            assert enqueue(tx, one.alert, "brands", "cus_x", {}, options_of(house, "brands")) == 1


def test_a_private_address_is_not_called_unless_it_was_allowed(store: Store, blobs: BlobStore, tmp_path: Path) -> None:
    with serving() as web, alarmed(store, blobs, tmp_path, f'webhooks = ["{web.url}"]') as house:
        text = (house.folder / "penstock.toml").read_text().replace("allow_private_webhooks = true", "")
        (house.folder / "penstock.toml").write_text(text)
        careful = House(load(house.folder), house.store, house.blobs, "")
        assert deliver(careful, "brands").failed == 1
        assert web.asked == []


@contextmanager
def mail_server() -> Iterator[tuple[int, list[Any]]]:
    from aiosmtpd.controller import Controller

    letters: list[Any] = []

    class Taken:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            letters.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
            return "250 OK"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(Taken(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port, letters
    finally:
        controller.stop()


def mail_option(port: int) -> str:
    sender = 'sender = "alerts@lookout.example", to = ["press@quay.example", "boss@quay.example"]'
    return f'mail = [{{ host = "127.0.0.1", port = {port}, security = "none", {sender} }}]'


@pytest.mark.parametrize(("locale", "word"), [("en", "more mentions than usual"), ("zh-CN", "提及量异常上升")])
def test_a_mail_says_what_happened_and_quotes_the_documents(
    store: Store, blobs: BlobStore, tmp_path: Path, locale: str, word: str
) -> None:
    with mail_server() as (port, letters), alarmed(store, blobs, tmp_path, mail_option(port)) as house:
        company = house.workspace.company.model_copy(update={"locale": locale})
        spoken = House(house.workspace.model_copy(update={"company": company}), house.store, house.blobs, "")
        assert deliver(spoken, "brands").delivered == 1
    [(receivers, letter)] = letters
    assert receivers == ["press@quay.example", "boss@quay.example"]
    assert letter["Subject"] in (f"Harbour Air: {word}", f"Harbour Air：{word}")
    assert "Harbour Air" in letter.get_content() and letter.get_content().count("\n- ") > 3


def test_a_mail_server_that_is_away_is_tried_again(
    store: Store, blobs: BlobStore, tmp_path: Path, clock: SettableClock
) -> None:
    with mail_server() as (port, _letters):
        pass
    with alarmed(store, blobs, tmp_path, mail_option(port)) as house:
        assert deliver(house, "brands").failed == 1
        assert outbox(house)[0].state == "pending"


def test_a_missing_password_and_removed_receivers_are_told(store: Store, blobs: BlobStore, tmp_path: Path) -> None:
    option = mail_option(25).replace("security", 'password_env = "NO_SUCH_PASSWORD", security')
    with alarmed(store, blobs, tmp_path, option) as house:
        deliver(house, "brands")
        assert "NO_SUCH_PASSWORD" in outbox(house)[0].error


def test_the_payload_is_json_that_others_read(store: Store, blobs: BlobStore, tmp_path: Path) -> None:
    with alarmed(store, blobs, tmp_path, 'webhooks = ["https://a.example"]') as house:
        [one] = outbox(house)
        assert json.loads(json.dumps(one.body, allow_nan=False))["data"]["bucket"] == "day"
