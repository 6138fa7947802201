"""What one customer's load does to another's answers: `python -m benchmarks.neighbours [--database postgres]`.

A neighbour sends one short text after the other, first alone, then beside each scenario, then alone again, to the same
gateway. long texts: 8 connections, each 32 texts of 20,000 characters a request. explained: 4 connections, each 16 such
texts with their reasons. Clients run in processes of their own, so on few cores they compete with the gateway.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.common import penstock, report
from benchmarks.crash import database

CHARACTERS = 20_000
PAUSE_S = 0.02  # between two requests of the neighbour
SCENARIOS = {"long texts": (8, 32, False), "explained": (4, 16, True)}  # connections, texts a request, explain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rung", default="ngram-linear.v1")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, database(options.database, Path(place)) as url:
        os.environ["PENSTOCK_DATABASE"] = url
        folder = Path(place) / "shop"
        product = sell(folder, options.rung)
        keys = [new_customer(folder, name) for name in ("Neighbour", "Hostile")]
        with gateway(folder) as address:
            url = f"{address}/v1/products/{product}/predict"
            told = {"database": options.database, "rung": options.rung, "seconds": options.seconds}
            neighbour(url, keys[0], 2.0)  # warm
            report("neighbours", scenario="undisturbed", **told, **neighbour(url, keys[0], options.seconds))
            for name, (connections, texts, explain) in SCENARIOS.items():
                with load(url, keys[1], connections, texts, explain) as statuses:
                    time.sleep(2.0)  # until its queue stands
                    figures = neighbour(url, keys[0], options.seconds)
                report("neighbours", scenario=name, **told, **figures, load=dict(statuses))
            report("neighbours", scenario="undisturbed again", **told, **neighbour(url, keys[0], options.seconds))


def sell(folder: Path, rung: str) -> str:
    """A workspace with one text product on air; answers its name."""
    penstock(folder.parent, "init", str(folder), "--task", "text-classification")
    settings = (folder / "penstock.toml").read_text()
    (folder / "penstock.toml").write_text(settings.replace(">= 0.75", ">= 0.50"))  # how good it is does not matter here
    product = next(iter(tomllib.loads(settings)["products"]))
    penstock(folder, "apply")
    penstock(folder, "train", product, "--rung", rung)
    penstock(folder, "release", product)
    return str(product)


def new_customer(folder: Path, name: str) -> str:
    """A key of a new customer that pays by invoice."""
    penstock(folder, "customer", "add", name, "--email", f"{name.lower()}@example.com")
    penstock(folder, "customer", "terms", name, "invoice", "--yes")
    made = penstock(folder, "key", "create", name, "--requests-per-minute", "1000000").output
    return str(made["key"])


@contextmanager
def gateway(folder: Path) -> Iterator[str]:
    announce = folder / "address.json"
    words = ["--workspace", str(folder), "serve", "--port", "0", "--announce", str(announce)]
    process = subprocess.Popen([sys.executable, "-m", "penstock", *words], stdout=subprocess.DEVNULL)
    try:
        while not (announce.exists() and announce.read_text()):
            if process.poll() is not None:
                sys.exit(f"the gateway ended with {process.returncode}")
            time.sleep(0.05)
        yield json.loads(announce.read_text())["address"]
    finally:
        process.terminate()
        process.wait(60)


def neighbour(url: str, key: str, seconds: float) -> dict[str, Any]:
    """Latencies of a customer that asks one short text at a time, in milliseconds."""
    connection, path = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60), urlsplit(url).path
    headers = {"Authorization": f"Bearer {key}"}
    taken, statuses, end = [], Counter[int](), time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        connection.request("POST", path, json.dumps({"inputs": ["where is my parcel?"]}), headers)
        answer = connection.getresponse()
        answer.read()
        taken.append((time.perf_counter() - began) * 1000)
        statuses[answer.status] += 1
        time.sleep(PAUSE_S)
    connection.close()
    taken.sort()
    places = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    shown = {name: round(taken[min(len(taken) - 1, int(len(taken) * at))], 1) for name, at in places.items()}
    return {**shown, "requests": len(taken), "answers": dict(statuses)}


@contextmanager
def load(url: str, key: str, connections: int, texts: int, explain: bool) -> Iterator[dict[int, int]]:
    """Clients in a process of their own that send without a pause until the block ends; then, statuses they got."""
    context = multiprocessing.get_context("spawn")
    stop, told = context.Event(), context.SimpleQueue()
    process = context.Process(target=_clients, args=(url, key, connections, texts, explain, stop, told))
    statuses: dict[int, int] = {}
    process.start()
    try:
        yield statuses
    finally:
        stop.set()
        statuses.update(told.get())
        process.join()


def _clients(url: str, key: str, connections: int, texts: int, explain: bool, stop: Event, told: Any) -> None:
    body = json.dumps({"inputs": [long_text(seed) for seed in range(texts)], **({"explain": True} if explain else {})})
    statuses: Counter[int] = Counter()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def send() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while not stop.is_set():
            connection.request("POST", urlsplit(url).path, body, headers)
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
            if answer.status in (429, 503):  # as a client does that reads Retry-After, but sooner
                stop.wait(min(1.0, float(answer.headers.get("Retry-After", "1"))))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put(dict(statuses))


def long_text(seed: int) -> str:
    """CHARACTERS characters of words, other ones for each seed."""
    draw = random.Random(seed)
    words = ["where", "is", "my", "parcel", "order", "refund", "card", "account", "delivery", "reset", "please", "lost"]
    return " ".join(draw.choice(words) + str(draw.randrange(99)) for _ in range(CHARACTERS // 4))[:CHARACTERS]


if __name__ == "__main__":
    main()
