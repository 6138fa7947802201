"""A run as a run of an MLflow tracking server, by its public REST interface (2.0); no mlflow is imported.

Only the address named is called, directly and without following redirects. The tag `penstock.run` says which run it
is; one that is there and finished is not sent again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from penstock.core.errors import BadInput, PenstockError, Unavailable
from penstock.pipeline.runs.listing import flat, scalars
from penstock.registry.runs import Run, curves_of
from penstock.storage.blobs import BlobStore

TAG = "penstock.run"
TIMEOUT_S = 30.0
# what one request may hold, as the interface's documentation says
MOST_POINTS, MOST_PARAMETERS, MOST_SEARCHED = 1_000, 100, 1_000
MOST_CHARS = 500  # of a parameter; newer servers take more, older ones refuse
_STATUS = {"done": "FINISHED", "failed": "FAILED"}


@dataclass(frozen=True)
class _Server:
    """An open connection. there: MLflow's id of each run with our tag, and whether it is finished."""

    http: Any
    shown: str
    experiment: str = ""
    there: dict[str, tuple[str, bool]] = field(default_factory=dict)


@contextmanager
def opened(to: str, blobs: BlobStore, product: str) -> Iterator[Callable[[Run], bool]]:
    """A function that sends a run into the experiment `penstock/PRODUCT`, and answers False when it is there.

    Raises BadInput for an address that is none or that refuses, Unavailable when it does not answer.
    """
    import httpx2

    _check_address(to)
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    with httpx2.Client(
        base_url=to,
        timeout=TIMEOUT_S,
        follow_redirects=False,
        trust_env=False,  # a proxy from the environment would be another place than the one named
        headers={"Authorization": f"Bearer {token}"} if token else {},
        auth=(user, password) if user and password and not token else None,
    ) as http:
        server = _Server(http, shown(to))
        experiment = _experiment(server, f"penstock/{product}")
        server = _Server(http, shown(to), experiment, _there(server, experiment))
        yield lambda run: _put(server, blobs, run)


def shown(to: str) -> str:
    """The address without a password that may be in it."""
    parts = urlsplit(to)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _check_address(to: str) -> None:
    try:
        parts = urlsplit(to)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits:
        raise BadInput(
            "MLflow is reached by an address: name the tracking server, not a folder",
            where="--to",
            hint="for a server on this machine: --to http://127.0.0.1:5000",
        )


def _experiment(server: _Server, name: str) -> str:
    """The id of the experiment of that name, made when there is none."""
    found = _ask(server, "GET", "experiments/get-by-name", {"experiment_name": name}, absent={})
    if not found:
        made = _ask(server, "POST", "experiments/create", {"name": name})
        return str(_part(server, made, "experiment_id"))
    experiment = _part(server, found, "experiment")
    if experiment.get("lifecycle_stage") == "deleted":
        hint = "restore it, or delete it for good with `mlflow gc`"
        raise BadInput(f"the experiment {name!r} was deleted in MLflow", where=server.shown, hint=hint)
    return str(_part(server, experiment, "experiment_id"))


def _there(server: _Server, experiment: str) -> dict[str, tuple[str, bool]]:
    """Which of our runs the experiment holds already, a page at a time."""
    found: dict[str, tuple[str, bool]] = {}
    page: str | None = None
    while True:
        asked = {"experiment_ids": [experiment], "filter": f"tags.`{TAG}` LIKE 'run%'", "max_results": MOST_SEARCHED}
        answer = _ask(server, "POST", "runs/search", asked | ({"page_token": page} if page else {}))
        for run in answer.get("runs", []):
            tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
            finished = run["info"].get("status") in _STATUS.values()
            found[tags.get(TAG, "")] = (run["info"]["run_id"], finished)
        page = answer.get("next_page_token")
        if not page:
            return found


def _put(server: _Server, blobs: BlobStore, run: Run) -> bool:
    """A run that an interrupted export began is completed: the same points again are the same points to MLflow."""
    theirs, finished = server.there.get(run.id, (None, False))
    if finished:
        return False
    ended_ms = int(run.created_at.timestamp() * 1000)
    if theirs is None:
        made = _ask(
            server,
            "POST",
            "runs/create",
            {
                "experiment_id": server.experiment,
                "run_name": f"{run.product}/{run.number} {run.rung}",
                "start_time": ended_ms - int(run.seconds * 1000),
                "tags": _pairs({TAG: run.id, **_tags(run)}),
            },
        )
        theirs = str(_part(server, _part(server, _part(server, made, "run"), "info"), "run_id"))
    points = [
        {"key": name, "value": value, "timestamp": int(at_s * 1000), "step": step}
        for name, at_s, step, value in scalars(run, curves_of(blobs, run))
    ]
    parameters = _pairs({name: _cut(value) for name, value in flat(run.parameters).items()})
    for some in _parts(parameters, MOST_PARAMETERS):
        _ask(server, "POST", "runs/log-batch", {"run_id": theirs, "params": some})
    for some in _parts(points, MOST_POINTS):
        _ask(server, "POST", "runs/log-batch", {"run_id": theirs, "metrics": some})
    _ask(server, "POST", "runs/update", {"run_id": theirs, "status": _STATUS[run.state], "end_time": ended_ms})
    return True


def _tags(run: Run) -> dict[str, str]:
    told = {
        "number": str(run.number),
        "kind": run.kind,
        "rung": run.rung,
        "candidate": run.candidate or "",
        "dataset_version": run.dataset_version,
        "code": run.code,
        "seed": str(run.seed),
        "cost": f"{run.cost:f}",
        "machine": json.dumps(dict(run.machine), ensure_ascii=False),
        "error": run.error[:MOST_CHARS],
    }
    return {f"penstock.{name}": value for name, value in told.items() if value}


def _ask(
    server: _Server, method: str, path: str, content: Mapping[str, Any], *, absent: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One call. absent: the answer where what is asked for does not exist."""
    import httpx2

    sent: dict[str, Any] = {"params": content} if method == "GET" else {"json": content}
    try:
        answer = server.http.request(method, f"api/2.0/mlflow/{path}", **sent)
    except httpx2.HTTPError as error:
        hint = "check that the tracking server runs and its address is right; what was sent is kept: run it again"
        raise Unavailable(f"MLflow does not answer: {error}", where=server.shown, hint=hint) from error
    try:
        told = answer.json()
    except ValueError:
        told = None
    if answer.status_code == 200 and isinstance(told, dict):
        return told
    code = told.get("error_code") if isinstance(told, dict) else None
    if absent is not None and code == "RESOURCE_DOES_NOT_EXIST":
        return absent
    raise _refused(server, path, answer.status_code, told)


def _refused(server: _Server, path: str, status: int, told: Any) -> PenstockError:
    if status in (401, 403):
        hint = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        return BadInput("MLflow does not let us in", where=server.shown, hint=hint)
    if not isinstance(told, dict) or "error_code" not in told:
        if status >= 500:
            return Unavailable(f"MLflow answered {status} to {path}", where=server.shown, hint="run it again later")
        hint = "name the root of an MLflow tracking server, e.g. http://127.0.0.1:5000"
        return BadInput(f"this is no MLflow tracking server: it answered {status}", where=server.shown, hint=hint)
    said = f"{told['error_code']}: {str(told.get('message', ''))[:MOST_CHARS]}"
    kind = Unavailable if status >= 500 or status == 429 else BadInput
    return kind(f"MLflow refused {path}: {said}", where=server.shown)


def _part(server: _Server, answer: Mapping[str, Any], name: str) -> Any:
    if name not in answer:
        raise BadInput(f"this is no MLflow tracking server: its answer has no {name!r}", where=server.shown)
    return answer[name]


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in values.items()]


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _cut(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1]}…"
