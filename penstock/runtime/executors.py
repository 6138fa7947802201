"""Runs a job in a child process of its own: niced, killed with its parent, answering in JSON.

Knows neither the jobs nor their packages: a module named by its path does (see child.py).
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import IO

from penstock.core.errors import Broken, OutOfTime, Unavailable
from penstock.runtime import wire
from penstock.runtime.child import MEMORY_HINT
from penstock.runtime.progress import Progress, no_progress
from penstock.runtime.wire import JsonObject

STDERR_TAIL_LINES = 15
# Threads of a niced process that wait by spinning wait for long, and take the gateway's time: OpenBLAS took 8.7 s for a
# head on two threads, 2.2 s on one; on a busy machine 40 steps of a small network took 81 s, 15 s with waiters asleep.
PATIENT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


class Interrupted(BaseException):
    """The child was stopped from here. Not an Exception: a workflow step ended by it is not recorded as failed,
    so the next start runs that step again."""


_running: dict[int, subprocess.Popen[bytes]] = {}  # by pid; what stop_children ends
_stopped: set[int] = set()
_lock = threading.Lock()


def run_child(
    module: str,
    job: str,
    arguments: JsonObject,
    on_progress: Progress = no_progress,
    *,
    seconds: float = math.inf,
) -> JsonObject:
    """Run `python -m MODULE JOB` and answer its result, telling `on_progress` on the way.

    module: one that calls `child.run_job(jobs)`, e.g. "penstock.pipeline.climb.worker". seconds: after which it is
    killed. Raises the error the job raised (same class, same fields), OutOfTime after `seconds`, Unavailable when the
    process was killed otherwise, Broken when it ended without an answer, Interrupted after `stop_children`.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, job, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**PATIENT_THREADS, **os.environ},
        process_group=0,  # Ctrl-C reaches us only; and the whole family can be killed at once
    )
    with _lock:
        _running[process.pid] = process
    late = threading.Event()
    timer = threading.Timer(seconds, _end, (process, late)) if math.isfinite(seconds) else None
    if timer is not None:
        timer.start()
    try:
        return _converse(process, job, arguments, on_progress)
    except (Unavailable, Broken) as error:
        if late.is_set():
            raise OutOfTime(f"stopped after {seconds:,.0f} s: its time was over") from error
        raise
    finally:
        if timer is not None:
            timer.cancel()
        _kill(process)
        with _lock:
            _running.pop(process.pid, None)
            _stopped.discard(process.pid)


def stop_children() -> int:
    """Kill every child of this process's `run_child` calls; each raises Interrupted. Answers how many there were."""
    with _lock:
        _stopped.update(_running)
        processes = list(_running.values())
    for process in processes:
        _kill_group(process)
    return len(processes)


def _converse(process: subprocess.Popen[bytes], job: str, arguments: JsonObject, on_progress: Progress) -> JsonObject:
    stdin, stdout, stderr = _pipes(process)
    tail: deque[str] = deque(maxlen=STDERR_TAIL_LINES)
    reader = threading.Thread(target=_collect, args=(stderr, tail), daemon=True)
    reader.start()
    with suppress(BrokenPipeError):  # it died at once: what follows says how
        stdin.write((wire.dumps(arguments) + "\n").encode())
        stdin.flush()
    for line in stdout:
        message = wire.loads(line.decode())
        if "progress" in message:
            on_progress(*message["progress"])
        elif "result" in message:
            result: JsonObject = message["result"]
            return result
        else:
            raise wire.error_from_json(message["error"])
    code = process.wait()
    reader.join(timeout=1.0)
    with _lock:
        if process.pid in _stopped:
            raise Interrupted
    raise _crash(job, code, "\n".join(tail))


def _crash(job: str, code: int, tail: str) -> Broken | Unavailable:
    wrote = f"\nits last lines:\n{tail}" if tail else ""
    if code < 0:
        name = signal.Signals(-code).name
        hint = MEMORY_HINT if name == "SIGKILL" else "run it again; if it fails again, report it"
        return Unavailable(f"the process of job {job!r} was ended by {name}{wrote}", hint=hint)
    return Broken(f"the process of job {job!r} ended with code {code} and no answer{wrote}")


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise Broken("a child process was started without pipes")
    return process.stdin, process.stdout, process.stderr


def _collect(stream: IO[bytes], tail: deque[str]) -> None:
    for line in stream:
        tail.append(line.decode(errors="replace").rstrip())


def _end(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    _kill_group(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    _kill_group(process)
    process.wait()
    for pipe in _pipes(process)[:2]:
        with suppress(BrokenPipeError):
            pipe.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
