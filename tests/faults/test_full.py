"""A full or failing disk: commands say so, leave nothing half-done, and do their work when they are given again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from faults.full import COMMANDS, FAULTS, Desk, FullReport, desk
from faults.power import DATABASE, KEYRING, ORGANISATION, Finding, judge_books, new_shop
from faults.shim import Shim, why_not
from serving.crash import GatewayProcess
from serving.support import PATH, wait_for

from penstock.cli.root import run
from penstock.core import whole
from penstock.core.errors import Unavailable
from penstock.core.whole import write_whole
from penstock.metering import usage_log
from penstock.storage.engine import open_store
from penstock.storage.keyring import Keyring

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))  # it needs a C compiler and Linux
SITES = {"customer add": (17,), "invoice pdf": (20,), "backup": (40,)}
"""Of each command, some of the calls that fail; `python -m benchmarks.full_disk` fails them all."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("full").resolve()) as one:
        yield one


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", SITES)
def test_a_command_whose_write_fails_says_so_and_can_be_given_again(opened: Desk, name: str, fault: str) -> None:
    command = next(one for one in COMMANDS if one.name == name)
    report = FullReport(name, fault)
    for site in SITES[name]:
        assert opened.attempt(command, fault, site, report), f"{report.calls} calls only"
    assert report.faults == []
    assert report.sites == len(SITES[name]) == report.told + report.through


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "kept"
    write_whole(target, b"before")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(Unavailable, match="the disk is full"):
        patched.setattr(whole.os, "fsync", full)
        write_whole(target, b"after")
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_is_there_can_be_left_to_whoever_was_first(tmp_path: Path) -> None:
    target = tmp_path / "secret"
    for content in (b"first", b"second"):
        write_whole(target, content, replace=False)
    assert target.read_bytes() == b"first" and target.stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"content"
    write_whole(Path(os.devnull), b"content")
    assert not Path(os.devnull).is_file()


def test_the_command_line_tells_of_a_write_that_names_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("penstock.cli.root.build", failing)
    assert run(["check"]) == 1
    assert "the disk failed (input/output error)" in capsys.readouterr().err


@pytest.mark.parametrize("fault", FAULTS)
def test_a_gateway_whose_disk_fails_bills_nothing_undelivered_and_comes_back(
    tmp_path: Path, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """At each of some calls: no answer without its event, not ready while it lasts, ready when the disk is."""
    folder = tmp_path / "house"
    folder.mkdir()
    company = new_shop(f"sqlite:///{folder / DATABASE}", folder / "blobs")
    shim = Shim(folder, tmp_path)
    delivered, refused = set[str](), 0
    with (
        GatewayProcess(company, "--ledger", environment=shim.environment) as gateway,
        httpx2.Client(base_url=gateway.url, timeout=10, trust_env=False) as http,
    ):

        def ask(request_id: str) -> int:
            headers = {"Authorization": f"Bearer {company.key}", "Idempotency-Key": request_id}
            got = http.post(PATH, json={"inputs": ["where is it"]}, headers=headers)
            if got.status_code == 200:
                delivered.add(request_id)
            return got.status_code

        assert ask("warm") == 200
        for site in (1, 3, 5):
            shim.arm(site, **FAULTS[fault])  # type: ignore[arg-type]
            while not shim.failed:
                status = ask(f"{site}-{len(delivered)}-{refused}")
                assert status in (200, 503)
                refused += status == 503
            if FAULTS[fault].get("lasting"):
                wait_for(lambda: http.get("/readyz").status_code == 503)
            shim.disarm()
            wait_for(lambda: http.get("/readyz").status_code == 200)
            assert ask(f"{site}-after") == 200
    assert refused > 0
    said = capfd.readouterr().err
    assert "usage could not be recorded" in said and ("is full" in said or "disk I/O error" in said)
    found = Finding()
    told = [["answered", request_id, ""] for request_id in delivered]
    judge_books(f"sqlite:///{folder / DATABASE}", Keyring(folder / KEYRING), told, found)
    assert (found.lost, found.double, found.broken, found.stuck, found.refused, found.gaps) == (0,) * 6, found
    with open_store(f"sqlite:///{folder / DATABASE}", ORGANISATION).read() as tx:
        assert {event.id for event in usage_log.events(tx, limit=1000)} == delivered
