"""What users of git and other tools expect of a command line: -h, Tab, a workspace found from below, no silence."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from analytics.harbour import Harbour, open_harbour

from penstock import app
from penstock.app.up import _watch
from penstock.cli.output import OPTIONS
from penstock.cli.root import run
from penstock.core.clock import SettableClock
from penstock.core.ids import random_ids
from penstock.pipeline.runs import export_tensorboard as run_export_tensorboard
from penstock.storage import migrate
from penstock.storage.engine import Store, open_engine


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harbour]:
    url = f"sqlite:///{tmp_path / 'penstock.sqlite'}"
    migrate.upgrade(url)
    monkeypatch.setenv("PENSTOCK_DATABASE", url)
    store = Store(open_engine(url), "main", SettableClock(datetime(2026, 11, 15, tzinfo=UTC)), random_ids)
    yield open_harbour(tmp_path, store)
    store.close()


def test_the_workspace_is_found_from_below_or_by_its_name(
    harbour: Harbour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert run(["releases", "helpdesk"]) == 0 and OPTIONS.workspace == tmp_path
    monkeypatch.chdir(tmp_path)
    assert run(["releases", "helpdesk"]) == 0 and OPTIONS.workspace == Path()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert run(["releases", "helpdesk"]) == 2
    monkeypatch.setenv("PENSTOCK_WORKSPACE", str(tmp_path))
    assert run(["releases", "helpdesk"]) == 0
    assert run(["releases", "helpdesk", "--workspace", str(elsewhere)]) == 2  # what is typed comes first


@pytest.mark.parametrize("words", [["-h"], ["invoice", "-h"], ["invoice", "list", "-h"]])
def test_help_has_a_short_name_everywhere(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert "Usage: penstock" in capsys.readouterr().out


def test_tab_completes_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert run(["completion", shell]) == 0
        assert "_PENSTOCK_COMPLETE" in capsys.readouterr().out
    assert run(["completion", "tcsh"]) == 2
    for name, value in {"_PENSTOCK_COMPLETE": "complete_bash", "COMP_WORDS": "penstock inv", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert run([]) == 0
    assert capsys.readouterr().out.split() == ["invoice"]


def test_up_says_at_once_what_it_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[bool] = []

    def up(folder: Path, *, browse: bool, **ports: int | None) -> int:
        assert "starting the gateway and the office" in capsys.readouterr().err
        asked.append(browse)
        return 0

    monkeypatch.setattr(app, "run_up", up)
    assert run(["up", "--open"]) == 0 and run(["up"]) == 0
    assert asked == [True, False]


def test_up_names_nothing_as_starting_once_all_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("penstock.app.up.SAY_EVERY_S", 0.0)
    for part in ("gateway", "office"):
        (tmp_path / f"{part}.json").write_text('{"address": "http://127.0.0.1:1"}')
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    try:
        parts = {"gateway": sleeper, "office": sleeper}
        _watch(tmp_path, parts, tmp_path, tmp_path / "all.json", stop, browse=False)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert (tmp_path / "all.json").exists()
    assert "still starting" not in capsys.readouterr().err


def test_a_dry_run_of_apply_says_so_before_what_would_be_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = str(tmp_path / "shop")
    assert run(["init", shop]) == 0
    capsys.readouterr()
    assert run(["--workspace", shop, "apply", "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert 0 <= said.index("publishes nothing") < said.index("in force now")


def test_a_release_without_a_price_is_said_to_the_operator(
    harbour: Harbour, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    harbour.candidate("helpdesk", "ngram-linear.v1", 117)
    monkeypatch.setattr("penstock.billing.versions.priced_products", lambda tx: frozenset())
    assert run(["release", "helpdesk", "-C", str(tmp_path)]) == 0
    assert "no published price" in (told := capsys.readouterr().err) and "penstock apply" in told
    monkeypatch.undo()


def test_an_export_that_lacks_its_package_leaves_no_folder(
    harbour: Harbour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with (
        pytest.raises(Exception, match="tensorboard"),
        run_export_tensorboard.opened(str(tmp_path / "out"), harbour.house.blobs, "helpdesk"),
    ):
        pass
    assert not (tmp_path / "out").exists()
