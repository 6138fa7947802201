"""Two workers learn what one learns: the same losses and parameters, through kills, early stops and scarce memory."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import pytest

pytest.importorskip("torch")

Found: TypeAlias = dict[str, dict[str, Any]]


def run(folder: Path, size: int) -> list[Found]:
    """What each worker found."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = Path(__file__).parent / "parallel_jobs.py"
    environ = {**os.environ, "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0"}
    folder.mkdir()
    arguments = [str(port), str(folder)]
    workers = [
        subprocess.Popen([sys.executable, script, str(rank), str(size), *arguments], env=environ)
        for rank in range(size)
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0] * size
    return [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(size)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found, Found]:
    """What one worker alone found, and what each of two found."""
    folder = tmp_path_factory.mktemp("workers")
    return (*run(folder / "one", 1), *run(folder / "two", 2))


def close(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["loss"] == pytest.approx(other["loss"], abs=1e-4) and one["weights"] == pytest.approx(
        other["weights"], abs=1e-4
    )


def test_one_and_two_workers_learn_the_same(found: tuple[Found, Found, Found]) -> None:
    one, first, second = (each["whole"] for each in found)
    assert one["steps"] == 15
    assert close(one, first)
    assert first == second  # to the last bit: they never drift apart
    assert one["loss"][-1] < one["loss"][0] / 2


def test_both_go_on_from_the_checkpoint_as_if_never_interrupted(found: tuple[Found, Found, Found]) -> None:
    for each in found:
        assert each["resumed"]["notes"] == ["resumed at step 8 of 15"]
        assert each["resumed"]["loss"] == each["whole"]["loss"]
        assert each["resumed"]["weights"] == each["whole"]["weights"]


def test_rank_0_decides_for_all_when_to_stop(found: tuple[Found, Found, Found]) -> None:
    _, first, second = (each["stopped"] for each in found)
    assert first["steps"] == second["steps"] == 15  # the first epoch was the best, two more did not better it
    assert first["weights"] == second["weights"] != found[1]["whole"]["weights"]
    assert (
        first["notes"] == second["notes"] == ["the weights after step 5 of 15 stay: no later held-out score was better"]
    )


def test_a_worker_short_of_memory_does_its_share_in_more_parts(found: tuple[Found, Found, Found]) -> None:
    one, first, second = (each["exhausted"] for each in found)
    assert close(one, first) and close(first, second) and close(first, found[0]["whole"])
    assert (len(one["notes"]), len(first["notes"]), len(second["notes"])) == (1, 0, 1)


def test_workers_that_start_from_different_parameters_are_refused(found: tuple[Found, Found, Found]) -> None:
    _, first, second = found
    assert "worker 1 does not start from what worker 0 starts from: another parameters" in first["different"]["refused"]
    assert first["different"] == second["different"]
