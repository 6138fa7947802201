"""The `opinion` commands: what they print, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from monitoring.opinion_house import TOML, day_of_documents, opinion_model, save_model, usual_days
from serving.support import go_live

from penstock.cli.output import OPTIONS
from penstock.core.acts import Act, acts_are
from penstock.core.errors import BadInput, NotFound
from penstock.identity.customers import add_customer
from penstock.runtime.house import open_house
from penstock.tasks.opinion import commands as opinion
from penstock.tasks.opinion.stream import record_directly, run_once

Run = Callable[..., Any]
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A workspace with one open alert; calls `penstock opinion …` with --json and answers what it said."""
    (tmp_path / "penstock.toml").write_text(TOML % "")
    house = open_house(tmp_path, create=True)
    go_live(house.store, save_model(house.blobs, opinion_model()), "brands")
    with house.store.transaction() as tx:
        customer = add_customer(tx, name="Quay PR", email="pr@quay.example").id
    record_directly(house, "brands", customer, usual_days(TODAY - timedelta(days=41), 40))
    storm = day_of_documents(TODAY - timedelta(days=1), {"Harbour Air": {"neutral": 30}}, "s")
    record_directly(house, "brands", customer, storm)
    run_once(house)
    house.close()
    monkeypatch.setattr(OPTIONS, "workspace", tmp_path)
    monkeypatch.setattr(OPTIONS, "json", True)

    def call(*words: str) -> Any:
        app = typer.Typer()
        app.callback()(lambda: None)
        opinion.register(app)
        capsys.readouterr()
        app(args=["opinion", *words], standalone_mode=False)
        out = capsys.readouterr().out
        return json.loads(out) if out.startswith(("[", "{")) else out

    return call


def test_an_alert_is_listed_acknowledged_and_resolved(run: Run) -> None:
    [alert] = run("alerts", "brands")
    assert (alert["entity"], alert["kind"], alert["state"]) == ("Harbour Air", "volume", "open")
    with acts_are(lambda: Act("mai", "owner", "here", "penstock opinion ack")):
        assert run("ack", alert["id"])["acknowledged_by"] == "mai"
    assert run("alerts", "brands", "--state", "open") == []
    assert len(run("alerts", "brands", "--customer", "Quay PR")) == 1
    assert run("resolve", alert["id"])["state"] == "resolved"
    with pytest.raises(BadInput, match="state"):
        run("alerts", "brands", "--state", "gone")
    with pytest.raises(NotFound):
        run("ack", "alert_unknown")


def test_series_tell_what_was_seen_beside_what_was_expected(run: Run) -> None:
    rows = run("series", "brands", "--entity", "Harbour Air", "--days", "7")
    assert [row["mentions"] for row in rows] == [4, 4, 4, 4, 4, 4, 30]
    assert rows[-1]["expected"] == pytest.approx(4, abs=0.5) and rows[-1]["customer"] == "Quay PR"
    assert len(run("series", "brands", "--days", "0")) > 60


def test_a_report_is_written_in_both_forms(run: Run, tmp_path: Path) -> None:
    month = f"{TODAY - timedelta(days=1):%Y-%m}"
    html, pdf = tmp_path / "r.html", tmp_path / "r.pdf"
    told = run("report", "brands", "--period", month, "--html", str(html), "--pdf", str(pdf), "--customer", "Quay PR")
    assert told["title"] == "Brand watch" and told["entities"][0]["name"] == "Harbour Air"
    assert "<!doctype html>" in html.read_text() and pdf.read_bytes().startswith(b"%PDF")
    with pytest.raises(BadInput, match="month"):
        run("report", "brands", "--period", "last")


def test_an_entity_is_muted_until_a_date(run: Run) -> None:
    run("mute", "brands", "Tidebank", "--until", "2099-01-01", "--reason", "campaign")
    with pytest.raises(NotFound, match="Nobody"):
        run("mute", "brands", "Nobody", "--until", "2099-01-01")
    with pytest.raises(BadInput, match="date"):
        run("mute", "brands", "Tidebank", "--until", "soon")


def test_the_secret_for_receivers_is_told_and_stays_the_same(run: Run) -> None:
    assert run("secret", "brands").startswith("whsec_")
    assert run("secret", "brands") == run("secret", "brands")


def test_tending_again_does_nothing_and_other_products_are_refused(run: Run) -> None:
    assert run("tend", "brands") == {
        "product": "brands",
        "events": 0,
        "alerts": 0,
        "sent": {"delivered": 0, "failed": 0, "given_up": 0},
    }
    for command in ("alerts", "series", "tend", "secret"):
        with pytest.raises(BadInput, match="text-classification"):
            run(command, "mood")
