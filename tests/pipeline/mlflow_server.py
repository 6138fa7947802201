"""An MLflow tracking server as its REST documentation describes it, strict: what is not documented is refused."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = re.compile(r"[\w.\- /]{1,250}")
STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
PAGE = 2  # so that a few runs need several pages


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class Server:
    """What it holds. password: what it asks for, as user:password. after: it falls silent after so many requests."""

    address: str = ""
    experiments: dict[str, str] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    password: str | None = None
    after: int | None = None

    def answer(self, method: str, path: str, content: dict[str, Any], authorisation: str | None) -> dict[str, Any]:
        if self.password and authorisation != f"Basic {base64.b64encode(self.password.encode()).decode()}":
            raise Refused(401, "UNAUTHENTICATED", "who are you?")
        known: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "GET experiments/get-by-name": self.by_name,
            "POST experiments/create": self.create_experiment,
            "POST runs/create": self.create_run,
            "POST runs/search": self.search,
            "POST runs/log-batch": self.log_batch,
            "POST runs/update": self.update,
        }
        asked = f"{method} {path.removeprefix('/api/2.0/mlflow/')}"
        if not path.startswith("/api/2.0/mlflow/") or asked not in known:
            raise Refused(404, "ENDPOINT_NOT_FOUND", f"no endpoint {asked}")
        self.asked.append(asked.split()[1])
        if self.after is not None and len(self.asked) > self.after:
            raise Refused(503, "TEMPORARILY_UNAVAILABLE", "busy")
        return known[asked](content)

    def by_name(self, content: dict[str, Any]) -> dict[str, Any]:
        _only(content, "experiment_name")
        name = content["experiment_name"]
        if name not in self.experiments:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"no experiment {name}")
        return {"experiment": {"experiment_id": self.experiments[name], "name": name, "lifecycle_stage": "active"}}

    def create_experiment(self, content: dict[str, Any]) -> dict[str, Any]:
        _only(content, "name", "artifact_location", "tags")
        self.experiments[content["name"]] = made = str(len(self.experiments) + 1)
        return {"experiment_id": made}

    def create_run(self, content: dict[str, Any]) -> dict[str, Any]:
        _only(content, "experiment_id", "user_id", "run_name", "start_time", "tags")
        if content["experiment_id"] not in self.experiments.values() or not isinstance(content["start_time"], int):
            raise Refused(400, "INVALID_PARAMETER_VALUE", "no such experiment, or a time that is no integer")
        name = f"{len(self.runs):032x}"
        info = {"run_id": name, "run_name": content["run_name"], "status": "RUNNING", "experiment_id": "1"}
        info["start_time"] = content["start_time"]
        self.runs[name] = {
            "info": info,
            "data": {"tags": _pairs(content["tags"], 5_000)},
            "params": {},
            "metrics": set(),
        }
        return {"run": {"info": info, "data": {"tags": content["tags"]}}}

    def search(self, content: dict[str, Any]) -> dict[str, Any]:
        _only(content, "experiment_ids", "filter", "run_view_type", "max_results", "order_by", "page_token")
        if not re.fullmatch(r"tags\.`[\w.]+` LIKE '[\w%]+'", content["filter"]) or content["max_results"] > 50_000:
            raise Refused(400, "INVALID_PARAMETER_VALUE", "cannot read the filter, or too many results")
        tag = content["filter"].split("`")[1]
        found = [run for run in self.runs.values() if tag in run["data"]["tags"]]
        start = int(content.get("page_token", 0))
        page = [
            {"info": run["info"], "data": {"tags": [{"key": k, "value": v} for k, v in run["data"]["tags"].items()]}}
            for run in found[start : start + PAGE]
        ]
        more = {"next_page_token": str(start + PAGE)} if start + PAGE < len(found) else {}
        return ({"runs": page} if page else {}) | more

    def log_batch(self, content: dict[str, Any]) -> dict[str, Any]:
        _only(content, "run_id", "metrics", "params", "tags")
        run, metrics, parameters = self.run(content), content.get("metrics", []), content.get("params", [])
        if len(metrics) > 1_000 or len(parameters) > 100 or len(metrics) + len(parameters) > 1_000:
            raise Refused(400, "INVALID_PARAMETER_VALUE", "too much at once")
        for point in metrics:
            _only(point, "key", "value", "timestamp", "step")
            right = isinstance(point["timestamp"], int) and isinstance(point["step"], int)
            if not KEY.fullmatch(point["key"]) or not right or not isinstance(point["value"], float):
                raise Refused(400, "INVALID_PARAMETER_VALUE", f"not a metric: {point}")
            run["metrics"].add(tuple(point.values()))
        for name, value in _pairs(parameters, 500).items():
            if run["params"].setdefault(name, value) != value:
                raise Refused(400, "INVALID_PARAMETER_VALUE", f"the parameter {name} was {run['params'][name]}")
        return {}

    def update(self, content: dict[str, Any]) -> dict[str, Any]:
        _only(content, "run_id", "status", "end_time", "run_name")
        if content["status"] not in STATUSES or not isinstance(content["end_time"], int):
            raise Refused(400, "INVALID_PARAMETER_VALUE", "no such status, or a time that is no integer")
        self.run(content)["info"] |= {"status": content["status"], "end_time": content["end_time"]}
        return {"run_info": self.run(content)["info"]}

    def run(self, content: dict[str, Any]) -> dict[str, Any]:
        if content["run_id"] not in self.runs:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", "no such run")
        return self.runs[content["run_id"]]


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of this machine."""
    held = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self.say("GET", parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.say("POST", self.path, json.loads(body))

        def say(self, method: str, path: str, content: dict[str, Any]) -> None:
            try:
                status, told = 200, held.answer(method, path, content, self.headers["Authorization"])
            except Refused as error:
                status, told = error.status, {"error_code": error.code, "message": str(error)}
            answer = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.address = f"http://127.0.0.1:{http.server_address[1]}"
    Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield held
    finally:
        http.shutdown()
        http.server_close()


def _only(content: dict[str, Any], *known: str) -> None:
    if unknown := set(content) - set(known):
        raise Refused(400, "INVALID_PARAMETER_VALUE", f"unknown fields: {unknown}")


def _pairs(pairs: list[dict[str, Any]], longest: int) -> dict[str, str]:
    for pair in pairs:
        _only(pair, "key", "value")
        if not KEY.fullmatch(pair["key"]) or not isinstance(pair["value"], str) or len(pair["value"]) > longest:
            raise Refused(400, "INVALID_PARAMETER_VALUE", f"not a pair: {pair}")
    return {pair["key"]: pair["value"] for pair in pairs}
