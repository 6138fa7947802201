"""A candidate is compared with the live model on the same rows, measured in the same way: else it is measured anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from evaluation.measured import small_report

from penstock.evaluation.report import Report
from penstock.pipeline.artifacts import put_report
from penstock.pipeline.climb import measuring
from penstock.pipeline.records import Incumbent
from penstock.runtime.progress import no_progress
from penstock.storage.blobs import BlobStore


@dataclass(frozen=True)
class Kept:
    """As much of a house as the comparison reads."""

    blobs: BlobStore
    workspace: Any = None


@pytest.mark.parametrize(("change", "again"), [({}, False), ({"seed": 7}, True), ({"rows_digest": "other"}, True)])
def test_the_old_report_stands_only_for_the_same_rows_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], again: bool
) -> None:
    house, own = Kept(BlobStore(tmp_path / "blobs")), small_report()
    old = put_report(house.blobs, replace(own, **change))
    measured: list[Report] = []

    def measure(*_: Any) -> Report:
        measured.append(own)
        return own

    monkeypatch.setattr(measuring, "measure", measure)
    monkeypatch.setattr(measuring, "Loader", lambda blobs: type("Loads", (), {"load": lambda self, artifact: None})())
    workspace = type("Sold", (), {"products": {"desk": None}})()
    there = replace(house, workspace=workspace)
    incumbent = Incumbent(candidate="c", report=old, artifact="a")
    found = measuring.incumbent_report(there, workspace.products["desk"], incumbent, [], no_progress, own)
    assert bool(measured) is again
    assert (found == old) is not again
