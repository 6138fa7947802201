"""A gateway under hostile requests: `python -m benchmarks.hostile [--requests 10000] [--seed 0] [--database postgres]`.

Attacks drawn from the grammar of tests/serving/hostile.py are sent from a process of its own, 32 connections at once,
while this one asks /healthz every 20 ms on a connection that stays. Wanted: no 5xx, less than 50 MB more resident
memory than after the first requests, /healthz within 50 ms in 99 of 100.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.common import ROOT, report
from benchmarks.crash import database
from benchmarks.neighbours import gateway, neighbour, new_customer, sell

EVERY_S = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rung", default="ngram-linear.v1")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, database(options.database, Path(place)) as url:
        os.environ["PENSTOCK_DATABASE"] = url
        folder = Path(place) / "shop"
        product = sell(folder, options.rung)
        key = new_customer(folder, "Hostile")
        with gateway(folder) as address:
            neighbour(f"{address}/v1/products/{product}/predict", key, 2.0)
            [process] = [one for one in psutil.Process().children() if "serve" in one.cmdline()]
            quiet_until = time.monotonic() + 5.0
            quiet = probe(address, lambda: time.monotonic() > quiet_until)
            before_mb = process.memory_info().rss / 1e6
            figures = under_attack(address, product, key, options.seed, options.requests, process)
            figures["rss_growth_mb"] = round(process.memory_info().rss / 1e6 - before_mb, 1)
            figures["rss_before_mb"] = round(before_mb, 1)
    report("hostile", database=options.database, quiet_healthz=quiet, **figures)
    return 0 if not figures["failed"] and figures["rss_growth_mb"] < 50 and figures["healthz"]["p99_ms"] < 50 else 1


def under_attack(
    address: str, product: str, key: str, seed: int, count: int, process: psutil.Process
) -> dict[str, Any]:
    """Statuses, failures, the probe's figures and the largest resident set while the attacks go on."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    port = urlsplit(address).port
    attacker = context.Process(target=_attack, args=(port, seed, count, product, key, told))
    peak, began = [0.0], time.monotonic()
    attacker.start()

    def over() -> bool:
        peak[0] = max(peak[0], process.memory_info().rss / 1e6)
        return not told.empty()

    healthz = probe(address, over)
    statuses, failed, refused = told.get()
    attacker.join()
    seconds = round(time.monotonic() - began, 1)
    facts = {"requests": count, "seconds": seconds, "statuses": statuses, "failed": failed, "refused": refused}
    return {**facts, "healthz": healthz, "rss_peak_mb": round(peak[0], 1)}


def probe(address: str, over: Any) -> dict[str, Any]:
    """Latencies of /healthz in milliseconds until `over`."""
    connection, taken = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60), []
    while not over():
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            sys.exit(f"/healthz answered {answer.status}")
        time.sleep(EVERY_S)
    connection.close()
    taken.sort()
    places = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    shown = {name: round(taken[min(len(taken) - 1, int(len(taken) * at))], 1) for name, at in places.items()}
    return {**shown, "asked": len(taken)}


def _attack(port: int, seed: int, count: int, product: str, key: str, told: Any) -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from serving.hostile import assault, attacks

    result = asyncio.run(assault(port, attacks(seed, count, product, key)))
    told.put((dict(result.statuses), result.failed[:10], result.refused_connections))


if __name__ == "__main__":
    sys.exit(main())
