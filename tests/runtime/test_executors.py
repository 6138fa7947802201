"""Jobs in child processes: their answers, errors and ends reach the parent, and they never outlive it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from runtime.waiting import eventually, gone

from penstock.core.errors import Broken, NotFound, OutOfTime, QuotaExceeded, Unavailable
from penstock.runtime.executors import Interrupted, run_child, stop_children

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))


def test_a_job_answers_with_its_result_and_tells_its_progress() -> None:
    told: list[tuple[object, ...]] = []
    result = run_child("child_jobs", "double", {"numbers": [1, 2], "名": "值"}, lambda *step: told.append(step))
    assert result == {"doubled": [2, 4], "nice": min(19, os.nice(0) + 10)}
    assert told == [("doubling", n, 3, f"row {n - 1}") for n in (1, 2, 3)]


def test_an_error_of_the_job_comes_back_as_the_same_error() -> None:
    with pytest.raises(QuotaExceeded) as caught:
        run_child("child_jobs", "refuse", {})
    error = caught.value
    assert (error.message, error.where, error.hint, error.retry_after_s) == (
        "too many rows",
        "data.csv:7",
        "use fewer",
        2.5,
    )


def test_an_unforeseen_error_says_what_it_was() -> None:
    with pytest.raises(Broken, match="KeyError: 'missing'"):
        run_child("child_jobs", "stumble", {})
    with pytest.raises(NotFound, match="no job 'dance'"):
        run_child("child_jobs", "dance", {})
    with pytest.raises(Broken, match="No module named no_such_module"):
        run_child("no_such_module", "double", {})


def test_a_killed_job_says_so_with_its_last_words() -> None:
    with pytest.raises(Unavailable, match=r"(?s)SIGKILL.*allocating 900 GB.*memory ran out"):
        run_child("child_jobs", "vanish", {})
    with pytest.raises(Broken, match="ended with code 3 and no answer"):
        run_child("child_jobs", "leave", {})


def test_a_job_that_takes_longer_than_its_time_is_ended(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime, match="stopped after 2 s: its time was over"):
        run_child("child_jobs", "linger", {"file": str(tmp_path / "pid")}, seconds=2)
    if (tmp_path / "pid").exists():  # it had begun: nothing of it is left
        assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()
    assert run_child("child_jobs", "double", {"numbers": [1]}, seconds=120)["doubled"] == [2]


def test_a_stopped_job_is_interrupted_not_failed(tmp_path: Path) -> None:
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            run_child("child_jobs", "linger", {"file": str(tmp_path / "pid")})
        except Interrupted as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert eventually((tmp_path / "pid").exists)
    assert stop_children() == 1
    thread.join(timeout=5)
    assert [type(error) for error in outcome] == [Interrupted]
    assert stop_children() == 0


def test_a_failing_progress_display_ends_the_job(tmp_path: Path) -> None:
    def fail(*step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child("child_jobs", "linger", {"file": str(tmp_path / "pid")}, fail)
    assert eventually(lambda: gone(int((tmp_path / "pid").read_text())))


def test_a_job_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys; from penstock.runtime.executors import run_child; "
        "run_child('child_jobs', 'linger', {'file': sys.argv[1]})"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path / "pid"])
    assert eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    child = int((tmp_path / "pid").read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert eventually(lambda: gone(child))
