"""kill -9 loses nothing that was acknowledged and counts nothing twice; and the test would notice if it did."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx2
from serving.crash import GatewayProcess, crash_run
from serving.support import PRODUCT, Company, go_live, open_grants, tiny_artifact


def test_killed_under_load_nothing_acknowledged_is_lost_and_nothing_is_counted_twice(
    company: Company, tmp_path: Path
) -> None:
    report = crash_run(company, tmp_path, kills=3)
    assert report.acknowledged > 50
    assert report.sound, report


def test_the_control_that_acknowledges_before_it_commits_does_lose(company: Company, tmp_path: Path) -> None:
    report = crash_run(company, tmp_path, kills=3, early=True)
    assert report.lost > 0, report


def test_a_term_signal_answers_what_is_under_way_and_ends_with_zero(company: Company) -> None:
    go_live(company.store, tiny_artifact(company.blobs, seconds=0.1))
    answers: list[httpx2.Response] = []
    with GatewayProcess(company) as gateway:
        url = f"{gateway.url}/v1/products/{PRODUCT}/predict"

        def ask() -> None:
            sent = {"Authorization": f"Bearer {company.key}"}
            answers.append(httpx2.post(url, json={"inputs": ["a"] * 6}, headers=sent, timeout=10))

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.2)
        assert gateway.stop() == 0
        asking.join()
    assert [got.status_code for got in answers] == [200]
    assert [event.units for event in company.events()] == [6]
    assert open_grants(company.store) == 0
