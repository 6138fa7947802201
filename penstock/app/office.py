"""The office process: console, admin interface and durable background work in one; or the background work alone."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

from penstock.console.office import serve_office
from penstock.jobs.runner import open_workflows
from penstock.runtime.house import open_house


def run_office(folder: Path, *, host: str | None = None, port: int | None = None, announce: Path | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. announce: a file to write {"address", "sign_in"} to, once ready."""
    house = open_house(folder)

    def ready(address: str, sign_in: str) -> None:
        print(f"office ready at {address}\nsign in once with {sign_in}", flush=True)  # noqa: T201 - said once
        if announce is not None:
            announce.write_text(json.dumps({"address": address, "sign_in": sign_in}))

    with open_workflows(house, executor="office") as workflows:
        serve_office(house, workflows, host=host, port=port, on_ready=ready)
    house.close()
    return 0


def run_worker(folder: Path) -> int:
    """Do the work of the executor `worker` until SIGTERM or Ctrl-C; what is unfinished goes on at the next start."""
    house = open_house(folder)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with open_workflows(house, executor="worker"):
        print("worker ready", flush=True)  # noqa: T201 - said once, to whoever started it
        stop.wait()
    house.close()
    return 0
