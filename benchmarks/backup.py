"""What a backup costs those who are served, and what it holds: `python -m benchmarks.backup [--database postgres]`.

A gateway under `--clients` connections; stretches without a backup and stretches with one in it, in turn. The clients
keep a journal of what was acknowledged when; the last backup is restored and compared with it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.common import penstock, report
from benchmarks.crash import database
from benchmarks.neighbours import gateway, new_customer, sell
from penstock.metering import usage_log
from penstock.metering.usage_log import Answer, UsageEvent
from penstock.runtime.house import open_house

PAUSE_S = 0.02  # of each connection between two requests
PAGE = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--events", type=int, default=100_000, help="in the usage log before")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, database(options.database, Path(place)) as url:
        os.environ["PENSTOCK_DATABASE"] = url
        folder = Path(place) / "shop"
        product = sell(folder, "ngram-linear.v1")
        key = new_customer(folder, "Maple")
        fill(folder, product, options.events)
        with gateway(folder) as address:
            predict = f"{address}/v1/products/{product}/predict"
            stretch(predict, key, options.clients, 3.0)  # warm
            journal: list[tuple[float, float, str]] = []
            pairs, sizes = [], []
            for _ in range(options.pairs):
                quiet = stretch(predict, key, options.clients, options.seconds)
                with backup(folder, Path(place), sizes):
                    busy = stretch(predict, key, options.clients, options.seconds)
                journal += quiet + busy
                pairs.append((quantiles(quiet), quantiles(busy)))
        told = {name: getattr(options, name) for name in ("database", "events", "clients", "seconds")}
        for name in ("p50_ms", "p99_ms"):
            without, during = ([one[side][name] for one in pairs] for side in (0, 1))
            ratio = statistics.median(busy / quiet for quiet, busy in zip(without, during, strict=True))
            report("backup", figure=name, **told, without=without, during=during, median_ratio=round(ratio, 3))
        report("backup", figure="backups", **told, **_sizes(sizes))
        report("backup", figure="restored", **told, **restored(Path(place), options.database, url, journal))


def fill(folder: Path, product: str, events: int) -> None:
    """Put `events` of another customer into the usage log, with answers of a usual size."""
    house, body = open_house(folder), b'{"outputs": []}' + b" " * 600
    for first in range(0, events, PAGE):
        with house.store.transaction() as tx:
            ids = [f"old-{number}" for number in range(first, min(events, first + PAGE))]
            made = [UsageEvent("old", one, "old", product, "rel", "key", tx.now, 1, "0" * 64) for one in ids]
            answers = [Answer("old", one, "old", product, ["where is my parcel?"], body, tx.now) for one in ids]
            usage_log.append(tx, made, answers)
    house.close()


@contextmanager
def backup(folder: Path, place: Path, made: list[dict[str, Any]]) -> Iterator[None]:
    """One backup, begun a second after the block. Only the newest is kept."""

    def begin() -> None:
        time.sleep(1.0)
        (place / "shop.backup").unlink(missing_ok=True)
        ran = penstock(folder, "backup", str(place / "shop.backup"), "--without-secrets")
        made.append({**ran.output, "seconds": ran.seconds})

    thread = threading.Thread(target=begin)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def stretch(url: str, key: str, clients: int, seconds: float) -> list[tuple[float, float, str]]:
    """(when it was acknowledged, how long it took, request id) of every answer, from clients in another process."""
    context = multiprocessing.get_context("spawn")
    stop, told = context.Event(), context.SimpleQueue()
    process = context.Process(target=_clients, args=(url, key, clients, stop, told))
    process.start()
    time.sleep(seconds)
    stop.set()
    found: list[tuple[float, float, str]] = told.get()
    process.join()
    return found


def _clients(url: str, key: str, clients: int, stop: Event, told: Any) -> None:
    answers: list[tuple[float, float, str]] = []
    began_at = time.time_ns()

    def send(client: int) -> None:
        connection, number = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60), 0
        while not stop.is_set():
            number += 1
            name = f"{began_at}-{client}-{number}"
            began = time.perf_counter()
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": name}
            connection.request(
                "POST", urlsplit(url).path, json.dumps({"inputs": [f"where is parcel {number}?"]}), headers
            )
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"the gateway answered {answer.status}")
            answers.append((time.time(), (time.perf_counter() - began) * 1000, name))
            time.sleep(PAUSE_S)

    threads = [threading.Thread(target=send, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put(answers)


def quantiles(answers: list[tuple[float, float, str]]) -> dict[str, float]:
    taken = sorted(one[1] for one in answers)
    return {name: round(taken[int(len(taken) * at)], 2) for name, at in (("p50_ms", 0.5), ("p99_ms", 0.99))}


def _sizes(made: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = statistics.median(one["seconds"] for one in made)
    return {"backups": len(made), "median_s": round(seconds, 2), "megabytes": round(made[-1]["bytes"] / 1e6, 1)}


def restored(place: Path, kind: str, url: str, journal: list[tuple[float, float, str]]) -> dict[str, Any]:
    """What was acknowledged before the backup's moment and is not in it; and what a drill says."""
    words = ["drill", str(place / "shop.backup"), "--without-secrets", "--to", str(place / "back")]
    target = f"sqlite:///{place / 'back' / '.penstock' / 'penstock.sqlite'}"
    if kind == "postgres":
        target = _another(url)
        words += ["--database", target]
    command = [sys.executable, "-m", "penstock", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    manifest = _manifest(place / "shop.backup")
    moment = datetime.fromisoformat(manifest["stands_for"]).timestamp()
    before = {name for at, _, name in journal if at < moment}
    house = open_house(place / "back", database=target)
    there: set[str] = set()
    with house.store.read() as tx:
        last = 0
        while page := usage_log.events(tx, after_seq=last, limit=PAGE):
            there.update(event.id for event in page)
            last = page[-1].seq
    house.close()
    return {"acknowledged_before": len(before), "lost": len(before - there), "drill_exit": done.returncode}


def _manifest(file: Path) -> dict[str, Any]:
    from penstock.storage.archive import read_manifest

    return read_manifest(file)


def _another(url: str) -> str:
    import sqlalchemy as sa

    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("create database restored")
    engine.dispose()
    return sa.make_url(url).set(database="restored").render_as_string(hide_password=False)


if __name__ == "__main__":
    main()
