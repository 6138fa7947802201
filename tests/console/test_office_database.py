"""An office whose database is taken from under it says that it is not well, and is again once the file is back."""

from __future__ import annotations

from pathlib import Path

from analytics.harbour import Harbour
from fastapi.testclient import TestClient


def test_a_renamed_database_is_noticed_by_the_office(stranger: TestClient, harbour: Harbour, tmp_path: Path) -> None:
    assert stranger.get("/healthz").status_code == 200
    file = tmp_path / "penstock.sqlite"
    moved = file.rename(tmp_path / "moved.sqlite")
    assert stranger.get("/healthz").status_code == 503
    assert not file.exists()
    moved.rename(file)
    assert stranger.get("/healthz").status_code == 200
