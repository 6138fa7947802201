"""The bookshop example: its readers come from its script, and cleaning finds what was put in on purpose."""

import runpy
import shutil
from pathlib import Path

from penstock.tasks.recommendation.data.preparing import prepare
from penstock.workspace.loader import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "bookshop"


def test_the_script_writes_the_interactions_that_are_there(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "bookshop")
    written = tmp_path / "bookshop" / "data" / "interactions.csv"
    written.unlink()
    runpy.run_path(str(tmp_path / "bookshop" / "make_interactions.py"), run_name="__main__")
    assert written.read_bytes() == (EXAMPLE / "data" / "interactions.csv").read_bytes()


def test_cleaning_finds_the_program_the_repeats_and_the_withdrawn_books() -> None:
    report = prepare(load(EXAMPLE).products["bookshop"], EXAMPLE).report
    found = {kind: report.found(kind) for kind in ("program", "repeat", "unlisted", "short-history")}
    assert found == {"program": 155, "repeat": 90, "unlisted": 40, "short-history": 12}
    assert report.rows_test == 600
