"""Postgres recovers from a power cut with all that was acknowledged, and without fsync it would not."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.power import cut, record_postgres
from faults.shim import why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))  # it needs a C compiler and Linux


@pytest.mark.parametrize("flags", [(), ("fsync=off",)], ids=["as it is", "the control without fsync"])
def test_a_power_cut_of_postgres(tmp_path: Path, flags: tuple[str, ...]) -> None:
    report = cut(record_postgres(tmp_path, answers=80, rounds=1, flags=flags), cuts=4)
    assert report.cuts == 4 and report.acknowledged >= 80
    assert report.lost > 0 if flags else report.sound, report
