"""Jobs with several workers on Ray: one answer, errors as themselves, a lost worker replaced, nothing left behind, and
never a cluster without a token."""

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from runtime.waiting import eventually, gone

from penstock.core.errors import BadInput, Conflict, PenstockError, QuotaExceeded, Unavailable
from penstock.runtime.executors import Interrupted, stop_children
from penstock.runtime.ray_cluster import Cluster, cluster_from, run_workers

pytest.importorskip("ray", reason="Ray is not installed: pip install 'penstock[scale]'")

pytestmark = pytest.mark.xdist_group("ray")  # a cluster fills two processors: not two of them at once
HERE = Path(__file__).parent

RAY_WAIT_S = 150.0  # a cluster takes half a minute to start where much else runs


def refused(environ: dict[str, str]) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        cluster_from(environ)
    return caught.value


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    """A cluster with a token that all tests of this file join: starting one takes 10 s."""
    token = secrets.token_hex(32)
    with subprocess.Popen(
        [sys.executable, HERE / "ray_house.py", token],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent / "training")])},
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        yield Cluster(process.stdout.readline().strip(), token)
        process.stdin.close()


@pytest.fixture
def joined(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("RAY_ADDRESS", running.address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", running.token)
    return running


def test_workers_compute_together_and_rank_0_answers(joined: Cluster) -> None:
    told: list[tuple[object, ...]] = []
    result = run_workers("ray_jobs", "add", {"numbers": [1, 2], "名": "值"}, lambda *step: told.append(step), workers=2)
    assert result == {"sum": 3.0, "名": "值"}
    assert [step for step in told if step[0] == "adding"] == [("adding", n, 3, "rank 0") for n in (1, 2, 3)]


def test_an_error_of_any_worker_comes_back_as_the_same_error(joined: Cluster) -> None:
    with pytest.raises(QuotaExceeded) as caught:
        run_workers("ray_jobs", "refuse", {}, workers=2)
    error = caught.value
    assert (error.message, error.where, error.hint, error.retry_after_s) == (
        "too many rows",
        "data.csv:7",
        "use fewer",
        2.5,
    )


def test_a_killed_worker_costs_at_most_one_checkpoint_and_changes_nothing(joined: Cluster, tmp_path: Path) -> None:
    told: list[str] = []
    found = run_workers(
        "ray_jobs", "learn", {"folder": str(tmp_path)}, lambda *step: told.append(str(step[3])), workers=2
    )
    assert any("starting again" in note for note in told)
    together, alone = found["together"], found["alone"]
    assert together["notes"] in (["resumed at step 9 of 15"], ["resumed at step 10 of 15"])
    assert together["loss"] == pytest.approx(alone["loss"], abs=1e-4)
    assert together["weights"] == pytest.approx(alone["weights"], abs=1e-4)


def test_after_three_losses_it_gives_up(joined: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"lost 3 times.*") as caught:
        run_workers("ray_jobs", "fall", {"folder": str(tmp_path)}, workers=1)
    assert "goes on from there" in caught.value.hint
    assert (tmp_path / "starts").read_text() == "3"


def test_a_stopped_run_ends_its_workers_and_leaves_the_cluster_it_joined(joined: Cluster, tmp_path: Path) -> None:
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            run_workers("ray_jobs", "linger", {"folder": str(tmp_path)}, workers=1)
        except Interrupted as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert eventually((tmp_path / "pid-0").exists, RAY_WAIT_S)
    assert stop_children() == 1
    thread.join(timeout=10)
    assert [type(error) for error in outcome] == [Interrupted]
    assert eventually(lambda: gone(int((tmp_path / "pid-0").read_text())), RAY_WAIT_S)
    with pytest.raises(Conflict, match=r"too few for 100000 workers"):  # so it still answers
        run_workers("ray_jobs", "add", {}, workers=100_000)


def test_a_wrong_token_is_told_as_such(joined: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with pytest.raises(Unavailable, match="does not accept this token"):
        run_workers("ray_jobs", "add", {}, workers=1)


def test_a_cluster_of_our_own_listens_on_this_machine_only_and_dies_with_its_starter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import psutil

    monkeypatch.setenv("PYTHONPATH", str(HERE))
    code = (
        "import sys; from penstock.runtime.ray_cluster import run_workers; "
        "run_workers('ray_jobs', 'linger', {'folder': sys.argv[1]}, workers=1)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, tmp_path])
    assert eventually((tmp_path / "pid-0").exists, RAY_WAIT_S)
    family = psutil.Process(starter.pid).children(recursive=True)
    hosts = {listening.laddr.ip for each in family for listening in _listening(each)}
    folders = {word for each in family for word in each.cmdline() if word.startswith("/tmp/penstock-ray-")}
    assert len(family) > 4
    assert hosts <= {"127.0.0.1", "::ffff:127.0.0.1"}
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert eventually(lambda: all(gone(each.pid) for each in family), RAY_WAIT_S)
    assert folders and eventually(lambda: not any(Path(folder).exists() for folder in folders), RAY_WAIT_S)


def _listening(process: Any) -> list[Any]:
    return [each for each in process.net_connections(kind="tcp") if each.status == "LISTEN"]


def test_a_cluster_that_answers_without_a_token_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    import grpc

    def open_door(details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    handler = type("Open", (grpc.GenericRpcHandler,), {"service": lambda self, details: open_door(details)})()
    server = grpc.server(ThreadPoolExecutor(1), handlers=(handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    try:
        with pytest.raises(Conflict, match="answers without a token"):
            run_workers("ray_jobs", "add", {}, workers=1)
    finally:
        server.stop(None)


def test_ray_without_authentication_is_refused_before_anything_starts(tmp_path: Path) -> None:
    assert refused({"RAY_AUTH_MODE": "disabled"}).where == "RAY_AUTH_MODE=disabled"
    missing = {"RAY_ADDRESS": "10.0.0.1:6379", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "absent")}
    assert "no such file" in refused(missing).message
    (tmp_path / "empty").write_text("\n")
    assert "no token" in refused({**missing, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "empty")}).message
    assert "cannot join 'ray://10.0.0.1:10001'" in refused({"RAY_ADDRESS": "ray://10.0.0.1:10001"}).message
    with pytest.raises(BadInput, match="0 workers"):
        run_workers("ray_jobs", "add", {}, workers=0)


def test_a_token_comes_from_the_environment_or_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    assert cluster_from({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}) == Cluster("", "secret")
    assert cluster_from({"RAY_ADDRESS": "h:1", "RAY_AUTH_TOKEN": "other"}) == Cluster("h:1", "other")
    first, second = cluster_from({}), cluster_from({})
    assert first.address == "" and len(first.token) == 64 and first != second
    assert first.token not in repr(first)
    assert os.environ.get("RAY_AUTH_TOKEN") != first.token
