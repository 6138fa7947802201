"""The documentation keeps its promises: commands exist, links lead somewhere, the reference is the program's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from penstock.cli.root import build
from tests.docs.render import TARGET, render

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "penstock").rglob("README.md")])


def test_the_command_reference_is_the_command_tree() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run: python tests/docs/render.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_page_exists(page: Path) -> None:
    tree = typer.main.get_command(build())
    for line in re.findall(r"(?:^|`)penstock ((?:[a-z][a-z-]* ?)+)", page.read_text(encoding="utf-8"), re.MULTILINE):
        words = line.split()
        known = getattr(tree, "commands", {})
        assert words[0] in known, f"{page.name}: penstock {line}"
        below = getattr(known[words[0]], "commands", None)
        if below is not None and len(words) > 1:
            assert words[1] in below, f"{page.name}: penstock {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_room_says_what_it_owns() -> None:
    packages = [package for package in (ROOT / "penstock").iterdir() if (package / "__init__.py").exists()]
    assert len(packages) > 15
    assert [package.name for package in packages if not (package / "README.md").exists()] == []


def test_nothing_names_a_machine_or_a_registry() -> None:
    hosts = "py" + r"pi\.org|python" + r"hosted|registry\.npm"
    paths = r"(?:^|[^\w.])/(?:ro" + "ot|wo" + "rk|ho" + "me)/"
    found = []
    for file in ROOT.rglob("*"):
        hidden = {part for part in file.relative_to(ROOT).parts if part.startswith(".") and part != ".ci"}
        if hidden or file.suffix not in {".py", ".md", ".toml", ".txt", ".html", ".yml"} or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        found += [f"{file.relative_to(ROOT)}: {m}" for m in re.findall(f"{hosts}|{paths}", text, re.MULTILINE)]
    assert found == []
