"""A gateway under steady load for hours: `python -m benchmarks.soak [--minutes 120] [--database postgres]`.

First the rate it can answer is measured with clients that send without a pause; then the same mix of requests comes at
70 % of that rate, each due at its own instant whether or not the one before was answered. The mix: short texts, batches
of texts of 20,000 characters, explained ones, clients that leave before the answer. Its memory is sampled every ten
seconds. Wanted: its resident memory grows by less than 1 MB a minute after the first tenth of the time, nothing but
200, 429 and 503 is answered, and every acknowledged answer is in the usage log.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.common import penstock, report
from benchmarks.crash import database
from benchmarks.neighbours import gateway, long_text, new_customer, sell
from penstock.metering import usage_log
from penstock.runtime.house import open_house

SENDERS = 16
EVERY_S = 10.0
LOAD = 0.7
CALIBRATION_S = 60.0
PAGE = 5_000
TEXTS = [long_text(seed) for seed in range(8)]
KINDS = {  # name: (weight, texts, explain)
    "short": (900, ["where is my parcel?"], False),
    "long": (60, TEXTS, False),
    "explained": (20, TEXTS[:1], True),
    "leaving": (20, TEXTS[:4], False),
}


@dataclass
class Counts:
    """statuses: of all requests that were answered. acknowledged: ids of answers with 200, read whole. short_ms: of
    short texts, (when, latency from the instant the request was due). failed: connections broken before the answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    short_ms: list[tuple[float, float]] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True)
class Sample:
    """minute: since the load began. rss_mb: resident memory of the gateway. files: its open descriptors."""

    minute: float
    rss_mb: float
    files: int
    threads: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--rung", default="ngram-linear.v1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, database(options.database, Path(place)) as url:
        os.environ["PENSTOCK_DATABASE"] = url
        folder = Path(place) / "shop"
        product = sell(folder, options.rung)
        keys = {kind: new_customer(folder, kind.title()) for kind in KINDS}
        with gateway(folder) as address:
            predict = f"{address}/v1/products/{product}/predict"
            [process] = [one for one in psutil.Process().children() if "serve" in one.cmdline()]
            calibration, _ = under_load(predict, keys, process, CALIBRATION_S, rate=None)
            rate = LOAD * sum(calibration.statuses.values()) / CALIBRATION_S
            print(f"70 % of what it can answer: {rate:.1f} requests a second", file=sys.stderr, flush=True)
            counts, samples = under_load(predict, keys, process, options.minutes * 60, rate=rate)
            acknowledged = {*calibration.acknowledged, *counts.acknowledged}
        lost, logged = missing(folder, acknowledged)
        verified = penstock(folder, "ledger", "verify").output
    later = [one for one in samples if one.minute >= options.minutes / 10]
    slope = statistics.linear_regression([one.minute for one in later], [one.rss_mb for one in later]).slope
    report(
        "soak",
        database=options.database,
        minutes=options.minutes,
        rate_per_s=round(rate, 1),
        statuses=dict(counts.statuses),
        failed=counts.failed,
        acknowledged=len(acknowledged),
        logged=logged,
        lost=lost,
        ledger=verified,
        rss_mb={f"{one.minute:.0f} min": round(one.rss_mb, 1) for one in samples[:: max(1, len(samples) // 12)]},
        rss_slope_mb_per_min=round(slope, 3),
        files=[later[0].files, later[-1].files],
        threads=[later[0].threads, later[-1].threads],
        short_p50_ms=_quarters(counts.short_ms, 0.5),
        short_p99_ms=_quarters(counts.short_ms, 0.99),
    )
    return 0 if slope < 1 and not lost and set(counts.statuses) <= {200, 429, 503} else 1


def under_load(
    url: str, keys: dict[str, str], process: psutil.Process, seconds: float, rate: float | None
) -> tuple[Counts, list[Sample]]:
    """Send for `seconds`, `rate` requests a second (None: without a pause); samples of the gateway meanwhile."""
    context = multiprocessing.get_context("spawn")
    stop, told, samples = context.Event(), context.SimpleQueue(), []
    clients = context.Process(target=_clients, args=(url, keys, rate, stop, told))
    clients.start()
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        time.sleep(min(EVERY_S, seconds - passed))
        samples.append(_sample(process, (time.monotonic() - began) / 60))
        print(f"{samples[-1]}", file=sys.stderr, flush=True)
    stop.set()
    counts: Counts = told.get()
    clients.join()
    return counts, samples


def _sample(process: psutil.Process, minute: float) -> Sample:
    with process.oneshot():
        return Sample(minute, process.memory_info().rss / 1e6, process.num_fds(), process.num_threads())


def _clients(url: str, keys: dict[str, str], rate: float | None, stop: Event, told: Any) -> None:
    counts, lock, began = Counts(), threading.Lock(), time.monotonic()
    due_next = [0]
    bodies = {
        kind: json.dumps({"inputs": texts, **({"explain": True} if explain else {})})
        for kind, (_, texts, explain) in KINDS.items()
    }
    names, weights = list(KINDS), [KINDS[kind][0] for kind in KINDS]

    def send(sender: int) -> None:
        draw = random.Random(sender)
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while not stop.is_set():
            with lock:
                number = due_next[0]
                due_next[0] += 1
            due = began + number / rate if rate else time.monotonic()
            if stop.wait(max(0.0, due - time.monotonic())):
                return
            kind = draw.choices(names, weights)[0]
            name = f"soak-{began}-{number}"
            headers = {"Authorization": f"Bearer {keys[kind]}", "Idempotency-Key": name}
            headers["Content-Type"] = "application/json"
            try:
                connection.request("POST", urlsplit(url).path, bodies[kind], headers)
                if kind == "leaving":
                    connection.close()
                    continue
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                with lock:
                    counts.failed += 1
                continue
            now = time.monotonic()
            with lock:
                counts.statuses[answer.status] += 1
                if answer.status == 200:
                    counts.acknowledged.append(name)
                if kind == "short":
                    counts.short_ms.append((now - began, (now - due) * 1000))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put(counts)


def missing(folder: Path, acknowledged: set[str]) -> tuple[int, int]:
    """How many acknowledged answers the usage log lacks, and how many events it has."""
    house, left, logged, last = open_house(folder), set(acknowledged), 0, 0
    with house.store.read() as tx:
        while page := usage_log.events(tx, after_seq=last, limit=PAGE):
            left.difference_update(event.id for event in page)
            logged, last = logged + len(page), page[-1].seq
    house.close()
    return len(left), logged


def _quarters(taken: list[tuple[float, float]], at: float) -> list[float]:
    """A quantile of the latencies in each quarter of the time."""
    end, found = max(when for when, _ in taken), []
    for quarter in range(4):
        part = sorted(ms for when, ms in taken if quarter * end / 4 <= when <= (quarter + 1) * end / 4)
        found.append(round(part[int(len(part) * at)], 1))
    return found


if __name__ == "__main__":
    sys.exit(main())
