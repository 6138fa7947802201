"""A power cut loses nothing that was acknowledged; and the test would notice if it did."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.power import cut, record_sqlite
from faults.shim import why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))  # it needs a C compiler and Linux


def test_a_power_cut_loses_nothing_that_was_acknowledged_on_sqlite(tmp_path: Path) -> None:
    report = cut(record_sqlite(tmp_path, answers=80, rounds=2), cuts=12)
    assert report.acknowledged >= 80 and report.at_stake > 0
    assert report.sound, report


@pytest.mark.parametrize("control", ["--early", "--unsynced"])
def test_controls_that_acknowledge_before_the_disk_has_it_do_lose(tmp_path: Path, control: str) -> None:
    report = cut(record_sqlite(tmp_path, answers=60, rounds=1, flags=[control]), cuts=12)
    assert report.lost > 0 and report.double == report.broken == report.refused == 0, report
