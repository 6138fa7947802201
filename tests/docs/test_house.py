"""The checks of the house examine what they claim to: no room outside the contracts, and a breach is seen."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_every_room_stands_in_the_import_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = {layer.removeprefix("penstock.") for layer in settings["tool"]["importlinter"]["contracts"][0]["layers"]}
    rooms = {room.name for room in (ROOT / "penstock").iterdir() if (room / "__init__.py").exists()}
    assert rooms - layers == {"client"}  # which stands alone, by a contract of its own


def test_an_import_against_the_order_is_refused(tmp_path: Path) -> None:
    """The contracts are run on a small house that breaks them: a check that cannot fail checks nothing."""
    for room, content in {"core": "import house.serving\n", "serving": ""}.items():
        (tmp_path / "house" / room).mkdir(parents=True)
        (tmp_path / "house" / room / "__init__.py").write_text(content)
    (tmp_path / "house" / "__init__.py").write_text("")
    contract = 'name = "order"\ntype = "layers"\nlayers = ["house.serving", "house.core"]\n'
    text = f'[tool.importlinter]\nroot_package = "house"\n[[tool.importlinter.contracts]]\n{contract}'
    (tmp_path / "pyproject.toml").write_text(text)
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 kept, 1 broken" in done.stdout


def test_importing_the_house_loads_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "sklearn", "onnxruntime", "alembic", "typst", "altair", "pyarrow", "dbos")
    code = f"import penstock.cli.root, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_serving_needs_no_training_library() -> None:
    code = "import penstock.app.gateway, sys; print([m for m in ('torch', 'sklearn', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
