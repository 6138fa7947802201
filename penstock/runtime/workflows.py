"""Durable background work: a workflow's steps are recorded, so a killed process goes on at the step it was in.

A thin layer over DBOS. A step may run twice (killed after its work, before its record), so every effect carries
an operation id made from `run_id()`. Knows no domain.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, get_type_hints

import sqlalchemy as sa

from penstock.core.errors import BadInput, Broken, Conflict, NotFound, PenstockError, Unavailable
from penstock.core.hashing import digest_of
from penstock.core.private import only_ours
from penstock.core.whole import disk_trouble
from penstock.runtime import executors, wire
from penstock.runtime.locks import exclusive
from penstock.runtime.progress import Progress
from penstock.runtime.wire import JsonObject
from penstock.storage.engine import open_engine, translated_errors

VERSION = "4"  # raise it when the steps of any workflow change: unfinished runs of another version are left alone
POLL_S = 0.1
CLOSE_WAIT_S = 10.0
_UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]
_ENDED = ["SUCCESS", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

WorkflowFunction = Callable[[JsonObject], Any]
P = ParamSpec("P")
T = TypeVar("T")
Place = TypeVar("Place")
Asked = TypeVar("Asked")


@dataclass(frozen=True)
class Handle:
    """One run of a workflow."""

    id: str
    name: str
    arguments: JsonObject
    begun_at: datetime


def step(name: str, function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Call `function` as a recorded step of the running workflow; its result must be a record or plain JSON values.

    In a resumed run a step that was recorded is not called again: its result, or its error, is answered as recorded,
    read as what the function says it returns. Outside a workflow it is a plain call. Raises Broken for a recorded
    result that is no such record.
    """
    from dbos import DBOS

    owner = _owner.get()
    if owner is not None and owner.closing:
        raise executors.Interrupted  # not recorded: the next start goes on here

    def call() -> Any:
        try:
            return wire.plain(function(*args, **named))
        except PenstockError:
            raise
        except Exception as error:
            raise wire.broken_by(error) from error

    kind: type[T] = get_type_hints(function).get("return", Any)
    return wire.read(kind, DBOS.run_step({"name": name}, call) if run_id() else call())


def workflow(function: Callable[[Place, Asked, Progress], T]) -> Callable[[Place, JsonObject, Progress], Any]:
    """A workflow's function as the database begins it: what is asked comes as JSON and is read as the record that the
    function takes; its result is JSON. Raises Broken naming the field that is missing or wrong."""

    @wraps(function)
    def run(place: Place, arguments: JsonObject, progress: Progress) -> Any:
        _, asked, *_ = get_type_hints(function).values()
        return wire.plain(function(place, wire.read(asked, arguments), progress))

    return run


def run_id() -> str | None:
    """The id of the workflow run that this code is in: stable over resumes, the stem of operation ids."""
    from dbos import DBOS

    found: str | None = DBOS.workflow_id
    return found


class Workflows:
    """The workflows of one executor. Define them, then use it as a context: entering resumes what was unfinished.

        with Workflows(state, url, "office") as workflows: …   # after workflows.define(name, function)

    executor: a short name; only one live process may bear it, since it takes over that name's unfinished runs. command:
    of these only those begun by the same command, where one is given; others wait until theirs comes again.
    One per process at a time. SQLite keeps the runs in `workflows.sqlite` of the state folder, Postgres in schema
    "dbos" of the same database.
    """

    def __init__(self, state: Path, database_url: str, executor: str, *, command: Any = None) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,60}", executor):
            raise BadInput(f"{executor!r} is not an executor name", hint="lower-case letters, digits and dashes")
        self._state = state
        self._url = database_url
        self._lock = state / f"workflows-{executor}.lock"
        self._shown = executor
        # DBOS recovers all unfinished runs of an executor id at launch, whatever was asked for now
        self._executor = executor if command is None else f"{executor}-{digest_of(wire.plain(command))[:8]}"
        self.closing = False
        self._functions: dict[str, WorkflowFunction] = {}
        self._open: ExitStack | None = None
        self._registered: dict[str, Any] = {}
        self._interrupted: set[str] = set()
        self._active = 0
        self._idle = threading.Condition()

    def define(self, name: str, function: WorkflowFunction) -> None:
        """Give workflow `name` its function: arguments (JSON object) in, JSON value out. Before launching."""
        if self._open is not None:
            raise Conflict("workflows must be defined before they are launched", where=name)
        self._functions[name] = function

    def __enter__(self) -> Self:
        self._interrupted.clear()
        with translated_errors(), ExitStack() as stack:
            stack.enter_context(only_ours())  # jobs, their children, checkpoints and caches
            stack.enter_context(exclusive(self._lock, f"work as {self._shown!r}"))
            engine = _open_system_engine(self._state, self._url)
            stack.callback(engine.dispose)
            stack.enter_context(_launched(engine, self._executor, self._register))
            stack.callback(self._interrupt)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.close()
            self._open, self.closing = None, False

    @translated_errors()
    def start(self, name: str, arguments: JsonObject) -> Handle:
        """Begin a run in the background."""
        from dbos import DBOS

        if name not in self._functions:
            raise NotFound(f"no workflow {name!r}", hint=f"known: {', '.join(sorted(self._functions))}")
        started = DBOS.start_workflow(self._registered[name], wire.plain(arguments))
        return self._handle(started.get_status())

    @translated_errors()
    def result(self, handle: Handle) -> Any:
        """Wait for a run and answer its result. Raises the error it ended with, the same class and fields."""
        from dbos import DBOS

        while (status := DBOS.get_workflow_status(handle.id)) is not None and status.status in _UNFINISHED:
            if handle.id in self._interrupted:
                raise Unavailable("the job was stopped before its end", where=handle.id, hint=_RESUME)
            time.sleep(POLL_S)
        if status is None:
            raise NotFound(f"no run {handle.id!r}")
        if status.status == "SUCCESS":
            return status.output
        if status.status == "ERROR":
            ended = status.error or Broken("the job failed without saying why", where=handle.id)
            raise ended if isinstance(ended, PenstockError) else wire.broken_by(ended)
        if status.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
            raise Broken("the job ended its process again and again and was given up", where=handle.id)
        raise Unavailable(f"the job ended as {status.status.lower()}", where=handle.id, hint="start it again")

    @translated_errors()
    def unfinished(self, id: str) -> bool:
        """Whether the run `id`, of whichever executor, is known and has not ended."""
        from dbos import DBOS

        status = DBOS.get_workflow_status(id)
        return status is not None and status.status in _UNFINISHED

    @translated_errors()
    def pending(self, name: str) -> list[Handle]:
        """This executor's unfinished runs of a workflow, oldest first."""
        from dbos import DBOS

        # a run of another version is left alone: whoever waited for it would wait for ever
        found = DBOS.list_workflows(
            name=name,
            status=_UNFINISHED,
            executor_id=self._executor,
            app_version=_app_version(self._executor),
            load_output=False,
        )
        return [self._handle(status) for status in found]

    @translated_errors()
    def ended(self, names: Sequence[str], limit: int) -> list[Handle]:
        """The runs of these workflows that ended last under this executor, the newest first."""
        from dbos import DBOS

        found = DBOS.list_workflows(
            name=list(names),
            status=_ENDED,
            executor_id=self._executor,
            sort_desc=True,
            limit=limit,
            load_output=False,
        )
        return [self._handle(status) for status in found]

    def run_or_resume(self, name: str, arguments: JsonObject, say: Callable[[str], None] = lambda text: None) -> Any:
        """The result of an unfinished run with the same arguments if there is one, else of a new run.

        say: told when an earlier run is continued.
        """
        wanted = digest_of(wire.plain(arguments))
        for handle in self.pending(name):
            if digest_of(handle.arguments) == wanted:
                say(f"continuing job {handle.id}, begun at {handle.begun_at:%Y-%m-%d %H:%M} UTC")
                return self.result(handle)
        return self.result(self.start(name, arguments))

    def _register(self) -> None:
        from dbos import DBOS

        self._registered = {
            name: DBOS.workflow(name=name)(self._watched(function)) for name, function in self._functions.items()
        }

    def _watched(self, function: WorkflowFunction) -> WorkflowFunction:
        def run(arguments: JsonObject) -> Any:
            with self._idle:
                self._active += 1
            _owner.set(self)
            try:
                return wire.plain(function(arguments))
            except executors.Interrupted:
                self._interrupted.add(run_id() or "")
                raise
            finally:
                _owner.set(None)
                with self._idle:
                    self._active -= 1
                    self._idle.notify_all()

        return run

    def _interrupt(self) -> None:
        self.closing = True
        executors.stop_children()
        with self._idle:
            self._idle.wait_for(lambda: self._active == 0, timeout=CLOSE_WAIT_S)

    def _handle(self, status: Any) -> Handle:
        begun = datetime.fromtimestamp(status.created_at / 1000, UTC)
        return Handle(status.workflow_id, status.name, status.input["args"][0], begun)


_owner: ContextVar[Workflows | None] = ContextVar("owner", default=None)
_RESUME = "run the same command again: it goes on where it was"


@contextmanager
def _launched(engine: sa.Engine, executor: str, register: Callable[[], None]) -> Iterator[None]:
    from dbos import DBOS, DBOSConfig, _dbos

    if _dbos._dbos_global_instance is not None:
        raise Conflict("workflows are already launched in this process", hint="close the others first")
    _forbid_pickle()
    _keep_quiet()
    config: DBOSConfig = {
        "name": f"penstock-{executor}",  # also the scope of DBOS's recovery queue: no executor takes another's runs
        "system_database_engine": engine,
        "dbos_system_schema": "dbos",
        "serializer": _json_serializer(),
        "application_version": _app_version(executor),  # DBOS wants it unique among the names on one database
        "executor_id": executor,
        "log_level": "ERROR",
        "enable_otlp": False,
        "notification_listener_polling_interval_sec": 0.1,  # closing waits for it once
    }
    DBOS(config=config)
    try:
        register()
        DBOS.launch()
        yield
    finally:
        DBOS.destroy(destroy_registry=True)
        logging.getLogger("dbos").handlers.clear()  # they hold this launch's stderr, which may be closed at the next


def _app_version(executor: str) -> str:
    return f"{executor}-{VERSION}"


def _json_serializer() -> Any:
    from dbos import Serializer

    class PenstockJson(Serializer):
        """DBOS's portable JSON keeps of an error only its text; this one brings back the same error."""

        def name(self) -> str:
            return "penstock_json"

        def serialize(self, data: Any) -> str:
            return wire.dumps(data)

        def deserialize(self, serialized_data: str) -> Any:
            return wire.loads(serialized_data)

    return PenstockJson()


def _forbid_pickle() -> None:
    # DBOS would unpickle any row that says it is pickled, so whoever can write a row could run code here
    from dbos import _serialization

    vars(_serialization)["pickle"] = _NoPickle


class _NoPickle:
    @staticmethod
    def loads(_data: bytes) -> Any:
        raise Broken("the workflow database holds pickled data, which is never read", hint="find out who wrote it")

    @staticmethod
    def dumps(_data: Any) -> bytes:
        raise Broken("something tried to write pickled data to the workflow database")


def _keep_quiet() -> None:
    # what `result` answers or the launch raises is told there: its traceback on the terminal would be noise
    def unforeseen(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, PenstockError) or (error and record.funcName == "_launch"):
            return False
        if error and (told := _trouble(error)):
            record.msg, record.exc_info = f"{record.msg} {told}", None
        return True

    logger = logging.getLogger("dbos")
    if not any(getattr(known, "__name__", "") == "unforeseen" for known in logger.filters):
        unforeseen.__name__ = "unforeseen"
        logger.addFilter(unforeseen)


def _trouble(error: BaseException) -> PenstockError | None:
    """A disk or a database that does not do what it should, in words; None for any other error."""
    try:
        with translated_errors():
            raise error
    except PenstockError as told:
        return told
    except OSError as failed:
        return disk_trouble(failed)
    except BaseException:  # noqa: BLE001 - a mistake of ours: its traceback is wanted
        return None


def _open_system_engine(state: Path, database_url: str) -> sa.Engine:
    if not database_url.startswith("sqlite"):
        return open_engine(database_url)
    state.mkdir(parents=True, exist_ok=True)
    engine = open_engine(f"sqlite:///{state / 'workflows.sqlite'}", create=True)

    @sa.event.listens_for(engine, "before_cursor_execute", retval=True)
    def _begin_once(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> tuple[str, Any]:
        # DBOS's migration sends its own BEGIN IMMEDIATE inside the transaction that our engine has begun
        inside = statement == "BEGIN IMMEDIATE" and cursor.connection.in_transaction
        return ("SELECT 1" if inside else statement), parameters

    return engine
