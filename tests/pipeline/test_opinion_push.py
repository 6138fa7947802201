"""From files and feeds through a real gateway: billed by document, once, and seen as mentions and alerts afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from monitoring.opinion_house import TOML, day_of_documents, opinion_model, save_model, usual_days
from monitoring.opinion_web import serving
from serving.support import Company, Running, go_live, make_company, problem, running

from penstock.client import Client
from penstock.client import opinion as wire
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Unavailable
from penstock.loader import Loader
from penstock.runtime.house import House
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.tasks.opinion.alerts import list_alerts
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.push import pull, replay
from penstock.tasks.opinion.stream import run_once
from penstock.workspace.loader import load


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(datetime.now(UTC))  # parse reads the machine's clock


@pytest.fixture(scope="session", params=["sqlite"])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("sqlite_url")
    migrate.upgrade(url)
    return url


@dataclass(frozen=True)
class Shop:
    house: House
    company: Company
    gateway: Running

    @property
    def billed(self) -> int:
        return sum(event.units for event in self.company.events())


@contextmanager
def on_air(store: Store, blobs: BlobStore, folder: Path) -> Iterator[Shop]:
    folder.mkdir()
    (folder / "penstock.toml").write_text(TOML % "allow_private_webhooks = true")
    workspace = load(folder)
    company = make_company(store, blobs, released=False, products=dict(workspace.products), loader=Loader(blobs))
    go_live(store, save_model(blobs, opinion_model()), "brands")
    with running(company) as gateway:
        yield Shop(House(workspace, store, blobs, ""), company, gateway)


@pytest.fixture
def shop(store: Store, blobs: BlobStore, tmp_path: Path) -> Iterator[Shop]:
    with on_air(store, blobs, tmp_path / "shop") as found:
        yield found


def write(path: Path, documents: list[Document]) -> Path:
    rows = [f'{one.id},{one.time.isoformat()},"{one.text}"' for one in documents]
    path.write_text("id,time,text\n" + "\n".join(rows) + "\n")
    return path


def test_a_replayed_file_is_billed_once_seen_and_alerted(shop: Shop, tmp_path: Path) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    documents = usual_days(today - timedelta(days=42), 41)
    documents += day_of_documents(today - timedelta(days=1), {"Harbour Air": {"negative": 30}}, "s")
    path = write(tmp_path / "news.csv", documents)
    done = replay(shop.house, "brands", path, shop.company.key, shop.gateway.url)
    assert (done.documents, done.mentions, done.repeated) == (len(documents), len(documents), 0)
    again = replay(shop.house, "brands", path, shop.company.key, shop.gateway.url)
    assert again.repeated == len(documents)
    assert shop.billed == len(documents)
    [tended] = run_once(shop.house)
    assert tended.alerts == 2
    [again] = run_once(shop.house)
    assert (again.events, again.alerts) == (0, 0)
    with shop.house.store.read() as tx:
        assert {(one.entity, one.kind) for one in list_alerts(tx, "brands", state="open")} == {
            ("Harbour Air", "volume"),
            ("Harbour Air", "negative"),
        }


def test_a_file_that_has_grown_at_both_ends_bills_only_what_is_new(shop: Shop, tmp_path: Path) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    documents = usual_days(start, 50)
    middle = write(tmp_path / "middle.csv", documents[120:240])
    assert replay(shop.house, "brands", middle, shop.company.key, shop.gateway.url).repeated == 0
    smaller = shop.house.workspace.gateway.model_copy(update={"max_inputs": 70})
    house = replace(shop.house, workspace=shop.house.workspace.model_copy(update={"gateway": smaller}))
    grown = replay(house, "brands", write(tmp_path / "all.csv", documents), shop.company.key, shop.gateway.url)
    assert (grown.documents, grown.repeated) == (300, 120)
    assert shop.billed == 300


def test_a_document_that_a_program_sent_is_not_billed_again_by_a_replay(shop: Shop, tmp_path: Path) -> None:
    one = Document("Tide Bank was lovely", datetime(2026, 3, 1, 9, tzinfo=UTC), "d1")
    with Client(shop.gateway.url, shop.company.key) as client:
        client.ask(wire.documents("brands", [wire.Document(one.text, one.time, one.id)]))
    path = write(tmp_path / "news.csv", [one])
    assert replay(shop.house, "brands", path, shop.company.key, shop.gateway.url).repeated == 1
    assert shop.billed == 1


def test_a_key_of_another_house_replays_nothing(shop: Shop, tmp_path: Path) -> None:
    path = write(tmp_path / "news.csv", usual_days(datetime(2026, 3, 1, tzinfo=UTC), 1))
    with pytest.raises(BadInput, match="not of this house"):
        replay(shop.house, "brands", path, "sk_live_000000000000_x", shop.gateway.url)


def test_nothing_of_a_file_with_a_bad_row_is_sent(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text("time,text\n2026-01-01T00:00:00Z,Tidebank\n2055-01-01T00:00:00Z,Tidebank\n")
    with pytest.raises(BadInput) as refused:
        replay(shop.house, "brands", path, shop.company.key, shop.gateway.url)
    assert refused.value.where == "news.csv:3: time" and shop.billed == 0


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"text": "Tidebank"}, "inputs[1].time"),
        ({"text": "Tidebank", "time": "2055-01-01T00:00:00Z"}, "inputs[1].time"),
        ({"text": "Tidebank", "time": "2026-01-01"}, "inputs[1].time"),
        ({"text": " ", "time": "2026-01-01T00:00:00Z"}, "inputs[1].text"),
        ({"text": "Tidebank", "time": "2026-01-01T00:00:00Z", "id": "good"}, "inputs[1].id"),
        ({"text": "Tidebank", "time": "2026-01-01T00:00:00Z", "mood": "sad"}, "inputs[1].mood"),
    ],
)
def test_a_bad_document_is_answered_422_naming_the_field_and_not_billed(
    shop: Shop, document: dict[str, str], where: str
) -> None:
    good = {"text": "Tidebank", "time": "2026-01-01T00:00:00Z", "id": "good"}
    told = problem(shop.gateway.predict([good, document], product="brands"), 422)
    assert told["where"] == where and shop.billed == 0


def test_a_program_sends_typed_documents_and_reads_typed_answers(shop: Shop) -> None:
    moment = datetime(2026, 3, 1, 9, tzinfo=UTC)
    with Client(shop.gateway.url, shop.company.key) as client:
        sent = [wire.Document("Tide Bank was lovely", moment, id="d1"), wire.Document("rain", moment)]
        [one, other] = client.ask(wire.documents("brands", sent)).outputs
    assert one.document == "d1" and one.mentions == (wire.Mention("Tidebank", ("Tide Bank",), "positive"),)
    assert one.tone == one.label == "positive" and 0 < one.score <= 1
    assert other.mentions == ()
    with pytest.raises(ValueError, match="no zone"):
        wire.inputs([wire.Document("x", datetime(2026, 3, 1))])


FEED = """<rss version="2.0"><channel><title>News</title>
<item><title>Tidebank never again</title><guid>n1</guid><pubDate>Fri, 13 Mar 2026 10:00:00 GMT</pubDate></item>
%s</channel></rss>"""
NEW = "<item><title>Harbour Air moves</title><guid>n2</guid><pubDate>Sat, 14 Mar 2026 10:00:00 GMT</pubDate></item>"


def test_a_feed_is_pulled_and_only_what_is_new_is_billed(shop: Shop) -> None:
    pages = [FEED % "", FEED % NEW]
    with serving(lambda path, headers: (200, {}, pages[0].encode())) as web:
        first = pull(shop.house, "brands", web.url, shop.company.key, shop.gateway.url)
        again = pull(shop.house, "brands", web.url, shop.company.key, shop.gateway.url)
        pages.pop(0)
        more = pull(shop.house, "brands", web.url, shop.company.key, shop.gateway.url)
    assert [(one.sent, one.known) for one in (first, again, more)] == [(1, 0), (0, 1), (1, 1)]
    assert shop.billed == 2
    with pytest.raises(BadInput, match="not a key"):
        pull(shop.house, "brands", web.url, "pk_wrong", shop.gateway.url)


def test_a_gateway_that_is_away_or_a_wrong_product_is_said(shop: Shop, tmp_path: Path) -> None:
    path = write(tmp_path / "news.csv", usual_days(datetime(2026, 1, 1, tzinfo=UTC), 1))
    with pytest.raises(BadInput, match="text-classification"):
        replay(shop.house, "mood", path, shop.company.key, shop.gateway.url)
    with pytest.raises(BadInput):
        replay(shop.house, "brands", path, "sk_live_wrong", shop.gateway.url)


def test_a_gateway_that_is_away_is_said(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.tasks.opinion import push as opinion_push

    one_try = lambda house, key, url: Client(url or "", key, retries=opinion_push.api.Retries(attempts=1))  # noqa: E731
    monkeypatch.setattr(opinion_push, "_client", one_try)
    path = write(tmp_path / "news.csv", usual_days(datetime(2026, 1, 1, tzinfo=UTC), 1))
    with serving() as web:
        gone = web.url
    with pytest.raises(Unavailable, match="not billed again"):
        replay(shop.house, "brands", path, shop.company.key, gone)
