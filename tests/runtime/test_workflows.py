"""Durable workflows: a killed process goes on at the step it was in, and an error comes back as itself."""

import base64
import errno
import io
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from penstock.core.errors import BadInput, Broken, Conflict, NotFound, QuotaExceeded, Unavailable
from penstock.runtime.executors import run_child, stop_children
from penstock.runtime.workflows import Handle, Workflows, run_id, step
from penstock.storage import counters
from penstock.storage.engine import Store, open_engine

HERE = Path(__file__).parent


@pytest.fixture
def workflows(tmp_path: Path, database_url: str) -> Iterator[Workflows]:
    yield Workflows(tmp_path, database_url, f"test{os.getpid()}-{abs(hash(tmp_path)) % 10**8}")


def everything_stored(tmp_path: Path, database_url: str) -> str:
    """All text of all tables that DBOS keeps."""
    url = database_url if database_url.startswith("postgres") else f"sqlite:///{tmp_path / 'workflows.sqlite'}"
    engine = open_engine(url)
    with engine.connect() as connection:
        schema = "dbos" if url.startswith("postgres") else None
        tables = sa.inspect(connection).get_table_names(schema=schema)
        metadata = sa.MetaData(schema=schema)
        metadata.reflect(connection, only=tables)
        text = "\n".join(
            str([tuple(row) for row in connection.execute(sa.select(table))]) for table in metadata.sorted_tables
        )
    engine.dispose()
    return text


def test_a_killed_process_resumes_at_the_step_it_was_in(tmp_path: Path, database_url: str, store: Store) -> None:
    log = tmp_path / "log"
    command = [sys.executable, HERE / "workflow_process.py", tmp_path, database_url, store.organisation, log]
    victim = subprocess.Popen(command)
    end = time.monotonic() + 30
    while not (log.exists() and "waiting" in log.read_text()):
        assert victim.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    victim.kill()
    victim.wait()

    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert again.stdout == "{'answer': 41, 'pair': [1, 2]}\n" and again.stderr == ""
    lines = log.read_text().splitlines()
    assert [line for line in lines if not line.startswith("continuing")] == [
        "step 1",
        "step 2",
        "waiting",
        "step 2",
        "step 3",
    ]
    assert [line for line in lines if line.startswith("continuing job")]
    with store.transaction() as tx:
        assert counters.take(tx, "effects") == 2  # one effect before this one, though step 2 began twice

    stored = everything_stored(tmp_path, database_url)
    assert '"rows":4' in stored and "penstock_json" in stored and "py_pickle" not in stored
    assert "gASV" not in stored and "\\x80\\x04" not in stored  # how pickles begin, in base 64 and in bytes


def test_a_finished_job_is_run_anew_and_its_runs_are_told_apart(workflows: Workflows) -> None:
    seen: list[str | None] = []

    def job(arguments: dict[str, Any]) -> dict[str, Any]:
        seen.append(run_id())
        return {"sum": step("add", lambda a, b: a + b, arguments["a"], arguments["b"])}

    workflows.define("job", job)
    with workflows:
        assert workflows.run_or_resume("job", {"a": 1, "b": 2}) == {"sum": 3}
        assert workflows.run_or_resume("job", {"a": 1, "b": 2}) == {"sum": 3}
        assert workflows.pending("job") == []
        with pytest.raises(NotFound, match="no workflow 'dance'"):
            workflows.start("dance", {})
        with pytest.raises(Conflict, match="before they are launched"):
            workflows.define("late", job)
    assert len(set(seen)) == 2 and None not in seen and run_id() is None


def test_the_error_of_a_step_comes_back_as_itself(workflows: Workflows) -> None:
    def refuse() -> None:
        raise QuotaExceeded("too many rows", where="data.csv:7", hint="use fewer", retry_after_s=1.5)

    workflows.define("refused", lambda arguments: step("refuse", refuse))
    workflows.define("stumbled", lambda arguments: step("divide", lambda: 1 / 0))
    workflows.define("unsayable", lambda arguments: step("answer", object))
    with workflows:
        with pytest.raises(QuotaExceeded) as caught:
            workflows.result(workflows.start("refused", {}))
        assert (caught.value.where, caught.value.hint, caught.value.retry_after_s) == ("data.csv:7", "use fewer", 1.5)
        with pytest.raises(Broken, match="ZeroDivisionError"):
            workflows.run_or_resume("stumbled", {})
        with pytest.raises(Broken, match="not JSON serializable"):
            workflows.run_or_resume("unsayable", {})


def test_closing_interrupts_a_child_and_the_next_launch_runs_that_step_again(
    workflows: Workflows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    attempts: list[int] = []

    def train() -> dict[str, Any]:
        attempts.append(1)
        if len(attempts) == 1:
            return run_child("child_jobs", "linger", {"file": str(tmp_path / "pid")})
        return run_child("child_jobs", "double", {"numbers": [len(attempts)]})

    workflows.define("train", lambda arguments: step("train", train)["doubled"])
    with workflows:
        handle = workflows.start("train", {"product": "helpdesk"})
        while not (tmp_path / "pid").exists():
            time.sleep(0.02)
        assert [one.arguments for one in workflows.pending("train")] == [{"product": "helpdesk"}]
        assert workflows.unfinished(workflows.pending("train")[0].id) and not workflows.unfinished("no such run")
        waiter: list[BaseException] = []

        def wait() -> None:
            try:
                workflows.result(handle)
            except Unavailable as error:
                waiter.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.1)
        stop_children()
        thread.join(timeout=5)
        assert "goes on where it was" in str(waiter[0])
    said: list[str] = []
    with workflows:
        assert workflows.run_or_resume("train", {"product": "helpdesk"}, said.append) == [4]
    assert len(attempts) == 2 and said[0].startswith(f"continuing job {handle.id}, begun at ")


def test_what_another_command_left_unfinished_waits_for_that_command(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    executor = f"test{os.getpid()}-{abs(hash(tmp_path)) % 10**8}"
    begun: list[str] = []

    def train(arguments: dict[str, Any]) -> Any:
        begun.append(arguments["rung"])
        if begun == ["dear"]:
            return step("train", run_child, "child_jobs", "linger", {"file": str(tmp_path / "pid")})
        return step("train", run_child, "child_jobs", "double", {"numbers": [len(begun)]})["doubled"]

    def opened(rung: str) -> Workflows:
        made = Workflows(tmp_path, database_url, executor, command=["train", {"rung": rung}])
        made.define("train", train)
        return made

    with opened("dear") as workflows:
        left = workflows.start("train", {"rung": "dear"})
        while not (tmp_path / "pid").exists():
            time.sleep(0.02)
        with pytest.raises(Conflict, match="is at work"), opened("cheap"):
            pass  # still one process at a time
    with opened("cheap") as workflows:
        assert workflows.run_or_resume("train", {"rung": "cheap"}) == [4]
    assert begun == ["dear", "cheap"]
    said: list[str] = []
    with opened("dear") as workflows:
        assert workflows.run_or_resume("train", {"rung": "dear"}, said.append) == [6]
    assert begun == ["dear", "cheap", "dear"] and said[0].startswith(f"continuing job {left.id}")


def test_ctrl_c_ends_the_process_at_once_and_the_job_goes_on_next_time(tmp_path: Path, database_url: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    command = [sys.executable, HERE / "interrupted_process.py", tmp_path, database_url]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not (tmp_path / "pid").exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("stopped\n", 130)
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert again.stdout.splitlines()[-1] == "[2, 4]" and "continuing job" in again.stdout


def test_two_processes_cannot_be_the_same_executor(workflows: Workflows, tmp_path: Path, database_url: str) -> None:
    with workflows, pytest.raises(Conflict, match="is at work"), Workflows(tmp_path, database_url, workflows._executor):
        pass
    with workflows, pytest.raises(Conflict, match="already launched"), Workflows(tmp_path, database_url, "other"):
        pass
    with pytest.raises(BadInput, match="not an executor name"):
        Workflows(tmp_path, database_url, "Büro 1")


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.putenv, ("PENSTOCK_BOMB", "exploded")


def test_a_pickle_smuggled_into_the_database_is_not_read(
    workflows: Workflows, tmp_path: Path, database_url: str
) -> None:
    workflows.define("job", lambda arguments: 1)
    with workflows:
        handle = workflows.start("job", {})
        assert workflows.result(handle) == 1
        url = database_url if database_url.startswith("postgres") else f"sqlite:///{tmp_path / 'workflows.sqlite'}"
        prefix = "dbos." if url.startswith("postgres") else ""
        engine = open_engine(url)
        with engine.begin() as connection:
            connection.execute(
                sa.text(f"update {prefix}workflow_status set serialization = 'py_pickle' where workflow_uuid = :id"),  # noqa: S608
                {"id": handle.id},
            )
            connection.execute(
                sa.text(f"update {prefix}workflow_output set output = :bomb where workflow_uuid = :id"),  # noqa: S608
                {"id": handle.id, "bomb": base64.b64encode(pickle.dumps(Bomb())).decode()},
            )
        engine.dispose()
        from dbos import DBOS

        with pytest.raises(Broken, match="never read"):
            DBOS.retrieve_workflow(handle.id).get_result()


def test_a_database_that_fails_at_the_launch_is_told_in_words_only(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Workflows(tmp_path, "sqlite://", "office"):
        pass
    engine = open_engine(f"sqlite:///{tmp_path / 'workflows.sqlite'}")
    with engine.begin() as connection:
        connection.execute(sa.text("drop table application_versions"))
    engine.dispose()
    with pytest.raises(Unavailable, match="the database answered"), Workflows(tmp_path, "sqlite://", "office"):
        pass
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (sa.exc.OperationalError("commit", {}, Exception("disk I/O error")), "the database answered: disk I/O error"),
    ],
)
def test_a_disk_that_fails_behind_a_job_is_told_in_one_sentence(
    workflows: Workflows, error: Exception, said: str
) -> None:
    logger, terminal = logging.getLogger("dbos"), io.StringIO()
    with workflows:
        logger.addHandler(logging.StreamHandler(terminal))
        for raised in (error, KeyError("a mistake")):
            try:
                raise raised
            except Exception as caught:
                logger.error("Exception encountered when recovering:", exc_info=caught)
    told, _, rest = terminal.getvalue().partition("Traceback")
    assert said in told and "KeyError: 'a mistake'" in rest


def test_a_database_that_fails_at_work_is_told_as_one_of_ours(tmp_path: Path) -> None:
    with Workflows(tmp_path, "sqlite://", "office") as workflows:
        handle = Handle("0", "job", {}, datetime.now(UTC))
        engine = open_engine(f"sqlite:///{tmp_path / 'workflows.sqlite'}")
        with engine.begin() as connection:
            connection.execute(sa.text("alter table workflow_status rename to workflow_lost"))
        engine.dispose()
        for call in (
            lambda: workflows.pending("job"),
            lambda: workflows.ended(["job"], 5),
            lambda: workflows.unfinished("0"),
            lambda: workflows.result(handle),
        ):
            with pytest.raises(Unavailable, match="database"):
                call()
