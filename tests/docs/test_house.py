"""The checks of the house examine what they claim to: no package outside the contracts, and a breach is seen."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import installed

ROOT = Path(__file__).parent.parent.parent


def test_every_package_stands_in_the_import_contract() -> None:
    layers = {layer.removeprefix("penstock.") for layer in _contract("Packages import")["layers"]}
    found = {one.stem for one in (ROOT / "penstock").iterdir() if (one / "__init__.py").exists() or one.suffix == ".py"}
    assert found - layers - {"__init__", "__main__"} == {"client"}  # which stands alone, by a contract of its own


def test_every_task_stands_in_the_contracts() -> None:
    tasks = {one.name for one in (ROOT / "penstock/tasks").iterdir() if (one / "__init__.py").exists()}
    assert {name.split(".")[2] for name in _contract("Tasks never import each other")["modules"]} == tasks
    assert {name.split(".")[2] for name in _contract("A task's model")["source_modules"]} == tasks


def _contract(name: str) -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return next(one for one in contracts if one["name"].startswith(name))


# A contract's kind, what it says of a small house, and two packages of which the first breaks it.
BREACHES = {
    "layers": ('layers = ["house.serving", "house.core"]', {"core": "import house.serving\n", "serving": ""}),
    "independence": ('modules = ["house.text", "house.images"]', {"text": "import house.images\n", "images": ""}),
    "forbidden": (
        'source_modules = ["house.serving"]\nforbidden_modules = ["house.training"]',
        {"serving": "import house.training\n", "training": ""},
    ),
}


@pytest.mark.parametrize("kind", BREACHES)
def test_a_breach_of_each_kind_of_contract_is_refused(tmp_path: Path, kind: str) -> None:
    """The contracts are run on a small house that breaks them: a check that cannot fail checks nothing."""
    said, packages = BREACHES[kind]
    for package, content in packages.items():
        (tmp_path / "house" / package).mkdir(parents=True)
        (tmp_path / "house" / package / "__init__.py").write_text(content)
    (tmp_path / "house" / "__init__.py").write_text("")
    contract = f'name = "order"\ntype = "{kind}"\n{said}\n'
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


def test_a_gateway_that_knows_every_task_loads_no_training_code() -> None:
    code = (
        "import penstock.app.gateway, sys; from penstock import installed; installed.kinds(); installed.backbones();"
        "heavy = {'torch', 'sklearn', 'scipy', 'lightgbm'};"
        "training = [m for m in sys.modules if m.startswith('penstock.tasks.') and m.split('.')[3:4] == ['train']];"
        "print(len(installed.tasks()), [m for m in sys.modules if m in heavy], training)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "7 [] []"


def test_no_package_below_the_tasks_names_one() -> None:
    """A task is found by its entry point: nothing else knows it, or a rung, by its name."""
    names = {*installed.names(), *installed.rungs(), *installed.compressions()} - {"recommendation"}  # a common word
    below = [one for one in (ROOT / "penstock").rglob("*.py") if one.relative_to(ROOT).parts[1] not in ABOVE]
    found = {str(one.relative_to(ROOT / "penstock")) for one in below if names & set(_strings(one))}
    assert found == {"cli/start.py", "pipeline/climb/explore.py", "pipeline/climb/refusals.py"}


def _strings(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


ABOVE = ("tasks", "demo", "client")
"""The tasks themselves; the story of a demonstration; the client, whose classes are each for a task's wire."""
