"""What a workspace keeps is its owner's: e-mails, messages and key hashes are for nobody else on the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.runtime.house import open_house

TOML = '[company]\nname = "Harbour AI"\n'


@pytest.mark.parametrize("before", [None, 0o755])
def test_the_state_folder_and_the_database_are_private(tmp_path: Path, before: int | None) -> None:
    (tmp_path / "penstock.toml").write_text(TOML)
    state = tmp_path / ".penstock"
    if before is not None:  # made by an earlier version
        state.mkdir(mode=before)
        state.chmod(before)
        (state / "penstock.sqlite").touch(mode=0o644)
    umask = os.umask(0o022)
    try:
        house = open_house(tmp_path, create=True)
        with house.store.transaction():
            pass
        assert state.stat().st_mode & 0o777 == 0o700
        kept = {file.name: file.stat().st_mode & 0o777 for file in state.glob("penstock.sqlite*")}
        assert kept and set(kept.values()) == {0o600}
        house.close()
    finally:
        os.umask(umask)
