"""The child's side of `executors.run_child`: a module that knows the jobs calls `run_job(jobs)` when run with -m.

The protocol is one line of JSON each: arguments in on stdin; progress, then a result or an error, out on what
was stdout. Whatever else the job prints goes to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from penstock.core.errors import NotFound, Unavailable
from penstock.runtime import wire
from penstock.runtime.progress import Progress
from penstock.runtime.wire import JsonObject

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

Job: TypeAlias = Callable[[JsonObject, Progress], Any]
"""A job as a process runs it: JSON in; a record, or JSON values, out."""


class Run(Protocol):
    """Runs a job of a module somewhere, and answers in JSON: `executors.run_child`, `ray_cluster.run_workers`."""

    def __call__(self, module: str, job: str, arguments: JsonObject, on_progress: Progress, /) -> JsonObject: ...


@dataclass(frozen=True)
class JobKind(Generic[Asked, Answer]):
    """A job of a module, by the records that it takes and answers: who asks and who works agree on these."""

    # run with -m; its JOBS has the job
    module: str
    # among the module's JOBS
    name: str
    # the kind of record it takes
    asked: type[Asked]
    # the kind of record it answers
    answer: type[Answer]

    def by(self, run: Run, asked: Asked, progress: Progress) -> Answer:
        """The answer of whoever runs it. Raises what the job raises, and Broken for an answer of another kind."""
        return wire.read(self.answer, run(self.module, self.name, wire.plain(asked), progress))

    def served(self, function: Callable[[Asked, Progress], Answer | None]) -> Job:
        """The function as a process runs it; None is what nobody reads: of a worker that is not the first."""
        return lambda arguments, progress: function(wire.read(self.asked, arguments), progress)


NICENESS = 10
_PR_SET_PDEATHSIG = 1


def run_job(jobs: Mapping[str, Job], argv: list[str] | None = None) -> None:
    """Run the job named on the command line and answer its result. Ends the process with 0, or 1 after an error."""
    name, parent = (sys.argv[1:] if argv is None else argv)[:2]
    out = _private_stdout()
    die_with(int(parent))
    os.nice(NICENESS)
    arguments = wire.loads(sys.stdin.readline())
    threading.Thread(target=_watch_parent, daemon=True).start()

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        _send(out, {"progress": [stage, done, total, note]})

    try:
        if name not in jobs:
            raise NotFound(f"no job {name!r}", hint=f"known jobs: {', '.join(sorted(jobs))}")
        _send(out, {"result": jobs[name](arguments, progress)})
    except MemoryError as error:
        _fail(out, Unavailable("the job ran out of memory", hint=MEMORY_HINT), error)
    except Exception as error:  # noqa: BLE001 - the border of the process: every error is carried across
        _fail(out, error, error)
    os._exit(0)  # not sys.exit: stray non-daemon threads of libraries must not keep a finished job alive


MEMORY_HINT = "most often memory ran out: use fewer rows or a lighter rung, or a machine with more memory"


def _private_stdout() -> int:
    out = os.dup(1)
    os.dup2(2, 1)
    return out


def _send(out: int, message: JsonObject) -> None:
    line = (wire.dumps(message) + "\n").encode()
    while line:
        line = line[os.write(out, line) :]


def _fail(out: int, told: Exception, cause: Exception) -> None:
    import traceback

    traceback.print_exception(cause, file=sys.stderr)
    sys.stderr.flush()
    _send(out, {"error": wire.error_to_json(told)})
    os._exit(1)


def die_with(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(1)


def _watch_parent() -> None:
    # the parent keeps our stdin open and writes nothing more: end of file means that it is gone
    while os.read(0, 4096):
        pass
    os._exit(1)
