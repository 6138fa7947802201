"""On public data: cleaning counts the defects that the data sets' own descriptions count, and in seconds."""

import time
from pathlib import Path

from penstock.datasets.cleaning import Cleaned, clean
from penstock.datasets.readers import read_rows
from penstock.workspace.records import Cleaning


def cleaned(folder: Path) -> Cleaned:
    return clean(read_rows(folder / "train.csv.gz"), read_rows(folder / "test.csv.gz"), Cleaning(), seed=0)


def test_banking77_has_four_repeats_in_train_and_29_test_texts_but_for_case_and_punctuation(shared_data: Path) -> None:
    started = time.perf_counter()
    report = cleaned(shared_data / "banking77").report
    assert report.found("duplicate", "train") == 4
    assert report.found("test-in-train") == 29  # 7 of them to the letter, but for case and blanks
    assert 90 <= report.found("near-test") <= 110
    assert report.found("conflict") == 0
    assert (report.read_train, report.rows_train) == (10_003, 10_003 - 4 - 29 - report.found("near-test"))
    assert len(report.classes) == 77
    assert report.found("suspect") > 100
    assert time.perf_counter() - started < 20  # about 1.5 s on a quiet machine of two cores


def test_chnsenticorp_has_162_test_texts_and_237_repeats_in_train_six_of_them_contradicting(shared_data: Path) -> None:
    report = cleaned(shared_data / "chnsenticorp").report
    assert report.found("conflict", "train") == 6
    assert report.found("duplicate", "train") + report.found("conflict", "train") == 237
    assert report.found("test-in-train") == 162
    assert report.found("personal-phone") > 0
