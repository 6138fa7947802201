"""What sealing costs: `python -m benchmarks.sealing [--database postgres]`.

One gateway with a model that costs next to nothing, clients in another process without a pause; stretches in which
answers are kept sealed and stretches in which they are kept plain, in turn. Then everything is sealed under a new key
with 1, 10 and 100 times as many answers.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from benchmarks.common import report
from benchmarks.crash import database
from penstock.metering import usage_log
from penstock.metering.tables import answer
from penstock.metering.usage_log import Answer, UsageEvent
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, Transaction, open_store
from penstock.storage.keyring import Keyring
from penstock.storage.resealing import reseal_page, switch
from penstock.storage.sealed import Envelope, seal_rows, sealed_columns
from penstock.workspace.records import GatewaySettings

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

PAGE = 1_000


def main() -> None:
    from serving.support import make_company, running

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rows", type=int, default=1_000, help="once, ten and a hundred times")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, database(options.database, Path(place)) as url:
        store = open_store(url, "sealing", keys=Keyring(Path(place) / "keyring"))
        company = make_company(
            store, BlobStore(Path(place) / "blobs"), settings=GatewaySettings(requests_per_minute=10_000_000)
        )
        told = {name: getattr(options, name) for name in ("database", "clients", "seconds")}
        with running(company) as gateway:
            runs: dict[str, list[dict[str, float]]] = {"plain": [], "sealed": []}
            stretch(gateway.url, company.key, options.clients, 2.0)  # warm
            for _ in range(options.pairs):
                for name, keep in (("plain", plain_rows), ("sealed", seal_rows)):
                    usage_log.seal_rows = keep
                    runs[name].append(stretch(gateway.url, company.key, options.clients, options.seconds))
        for figure in ("p50_ms", "p99_ms", "answers_per_s", "cpu_ms_per_answer"):
            plain, sealed = ([one[figure] for one in runs[name]] for name in ("plain", "sealed"))
            ratio = statistics.median(b / a for a, b in zip(plain, sealed, strict=True))
            report("sealing", figure=figure, **told, plain=plain, sealed=sealed, median_ratio=round(ratio, 3))
        for batch in (1, 20):
            report("sealing", figure="append", database=options.database, batch=batch, **appended(store, batch))
        store.close()
        for times in (1, 10, 100):
            report("sealing", figure="reseal", database=options.database, **resealed(url, times * options.rows, place))


def plain_rows(tx: Transaction, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As rows were kept before there were keys."""
    names = [column.name for column in sealed_columns(table)]
    return [{**row, **{name: Envelope(row[name]) for name in names}} for row in rows]


def stretch(url: str, key: str, clients: int, seconds: float) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    told: Any = context.SimpleQueue()
    process = context.Process(target=_clients, args=(url, key, clients, seconds, told))
    process.start()
    told.get()  # they are about to begin
    before = time.process_time()
    took = sorted(told.get())
    cpu = time.process_time() - before
    process.join()
    return {
        "p50_ms": round(took[len(took) // 2] * 1e3, 2),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1e3, 2),
        "answers_per_s": round(len(took) / seconds),
        "cpu_ms_per_answer": round(cpu / len(took) * 1e3, 3),
    }


def _clients(url: str, key: str, clients: int, seconds: float, told: Any) -> None:
    from serving.support import PATH

    took: list[float] = []
    told.put(True)
    end = time.perf_counter() + seconds

    def send(name: int) -> None:
        connection, number = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60), 0
        while (began := time.perf_counter()) < end:
            number += 1
            body = json.dumps({"inputs": [f"where is parcel {name} {number}? it was sent a week ago " * 4]})
            connection.request("POST", PATH, body, {"Authorization": f"Bearer {key}"})
            got = connection.getresponse()
            got.read()
            if got.status != 200:
                raise SystemExit(f"status {got.status}")
            took.append(time.perf_counter() - began)

    threads = [threading.Thread(target=send, args=(name,)) for name in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put(took)


def appended(store: Store, batch: int, pairs: int = 7, commits: int = 60) -> dict[str, Any]:
    """Processor time of one answer in the usage writer's transaction, in microseconds: plain and sealed in turn."""
    spent: dict[str, list[float]] = {"plain": [], "sealed": []}
    body, asked = b'{"outputs": []}' + b" " * 300, ["where is my parcel? it was sent a week ago " * 4]
    for pair in range(pairs):
        for name, keep in (("plain", plain_rows), ("sealed", seal_rows)):
            usage_log.seal_rows = keep
            began = time.process_time()
            for commit in range(commits):
                ids = [f"{name}-{batch}-{pair}-{commit}-{number}" for number in range(batch)]
                with store.transaction() as tx:
                    made = [UsageEvent("cus", one, "cus", "p", "rel", "key", tx.now, 1, "0" * 64) for one in ids]
                    usage_log.append(tx, made, [Answer("cus", one, "cus", "p", asked, body, tx.now) for one in ids])
            spent[name].append((time.process_time() - began) / commits / batch * 1e6)
    plain, sealed = (statistics.median(spent[name]) for name in ("plain", "sealed"))
    return {"plain_us": round(plain), "sealed_us": round(sealed), "added_us": round(sealed - plain)}


def resealed(url: str, rows: int, place: str) -> dict[str, Any]:
    """Fill an organisation of its own, make a new key, seal all anew."""
    keys = Keyring(Path(place) / f"keyring-{rows}")
    store = open_store(url, f"rows-{rows}", keys=keys)
    fill(store, rows)
    with store.transaction() as tx:
        switch(tx, keys.add())
    began, cpu, after, sealed, longest = time.perf_counter(), time.process_time(), None, 0, 0.0
    while True:
        page = time.perf_counter()
        with store.transaction() as tx:
            after, done = reseal_page(tx, answer, after)
        longest, sealed = max(longest, time.perf_counter() - page), sealed + done
        if after is None:
            break
    spent = time.perf_counter() - began
    store.close()
    return {
        "rows": sealed,
        "seconds": round(spent, 2),
        "rows_per_s": round(sealed / spent),
        "cpu_s": round(time.process_time() - cpu, 2),
        "longest_page_ms": round(longest * 1e3, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def fill(store: Store, rows: int) -> None:
    body = b'{"outputs": []}' + b" " * 600
    for first in range(0, rows, PAGE):
        with store.transaction() as tx:
            ids = [f"old-{number:09d}" for number in range(first, min(rows, first + PAGE))]
            made = [UsageEvent("old", one, "old", "p", "rel", "key", tx.now, 1, "0" * 64) for one in ids]
            answers = [Answer("old", one, "old", "p", ["where is my parcel?"], body, tx.now) for one in ids]
            usage_log.append(tx, made, answers)


if __name__ == "__main__":
    main()
