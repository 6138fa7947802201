"""Postgres restarted under load: `python -m benchmarks.restarts [--minutes 5]`. Every 5 to 40 s, in turn without and
with a shutdown of its own. Prints a line of JSON: what was acknowledged, lost, counted twice, still held at the end."""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

SHORTEST_S, LONGEST_S = 5.0, 40.0


def main() -> int:
    from faults.postgres import Server, new_cluster, running
    from faults.power import KEYRING, Finding, judge_books, new_shop
    from serving.crash import Fleet, GatewayProcess, Journal

    from penstock.storage.keyring import Keyring

    options = _options()
    restarts = max(1, round(options.minutes * 60 / ((SHORTEST_S + LONGEST_S) / 2)))
    chance, ends, found = random.Random(options.seed), itertools.cycle((signal.SIGQUIT, signal.SIGINT)), Finding()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        new_cluster(place / "pg")
        with running(Server(place / "pg")) as server:
            company, journal = new_shop(server.url, place / "blobs"), Journal(place / "journal")
            with GatewayProcess(company, "--ledger") as gateway:
                fleet = Fleet(gateway, company.key, journal, options.clients, options.seed)
                try:
                    for _ in range(restarts):
                        journal.wait_for_more(options.clients)  # it serves again within 30 s, or this raises
                        time.sleep(chance.uniform(SHORTEST_S, LONGEST_S))
                        server.stop(next(ends))
                        server.start()
                    journal.wait_for_more(options.clients)
                finally:
                    fleet.stop()
            told = [["answered", one, digest] for one, digests in journal.read().items() for digest in digests]
            judge_books(server.url, Keyring(place / KEYRING), told, found)
    counted = asdict(found)
    wrong = sum(value for name, value in counted.items() if name not in ("acknowledged", "words"))
    passed = found.acknowledged > 0 == wrong
    print(json.dumps({"benchmark": "restarts", "restarts": restarts, **counted, "passed": passed}))
    return 0 if passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
