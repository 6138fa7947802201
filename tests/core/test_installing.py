"""What to install is said in a command that works for how this Penstock came here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.core import installing


class Wheel:
    """A distribution that says where it was installed from."""

    def __init__(self, told: dict[str, Any] | None) -> None:
        self.told = told

    def read_text(self, name: str) -> str | None:
        return None if self.told is None else json.dumps(self.told)


def hint(monkeypatch: pytest.MonkeyPatch, told: dict[str, Any] | None) -> str:
    installing._origin.cache_clear()
    monkeypatch.setattr(installing, "__file__", "/site-packages/penstock/core/installing.py")
    monkeypatch.setattr(installing, "distribution", lambda name: Wheel(told))
    monkeypatch.setattr(installing.sys, "executable", "/shop/bin/python")
    said = installing.install_hint("train", "scale")
    installing._origin.cache_clear()
    return said


def test_a_checkout_is_installed_from_itself_with_its_pins() -> None:
    said, root = installing.install_hint("train"), Path(installing.__file__).resolve().parents[2]
    assert said.endswith(f"-e '{root}[train]'") and f"-c {root / 'constraints.txt'}" in said


def test_a_wheel_s_file_a_folder_and_an_index_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    start = "/shop/bin/python -m pip install"
    assert hint(monkeypatch, None) == f"{start} 'penstock[train,scale]'"
    wheel = {"url": "file:///tmp/my%20wheels/penstock-1-py3-none-any.whl", "archive_info": {}}
    assert hint(monkeypatch, wheel) == f"{start} '/tmp/my wheels/penstock-1-py3-none-any.whl[train,scale]'"
    checkout = {"url": "file:///src/penstock", "dir_info": {"editable": True}}
    assert hint(monkeypatch, checkout) == f"{start} -e '/src/penstock[train,scale]'"
    assert hint(monkeypatch, {"url": "https://example.com/p.whl"}) == f"{start} 'penstock[train,scale]'"


def test_nobody_names_a_package_that_may_not_be_published() -> None:
    source = Path(installing.__file__).parents[1]
    named = [file.name for file in source.rglob("*.py") if "pip install" in file.read_text(encoding="utf-8")]
    assert named == ["installing.py"]
