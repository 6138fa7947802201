"""Postgres restarted under load: `python -m benchmarks.restarts [--minutes 5]`. Every 5 to 40 s, in turn without and
with a shutdown of its own. Prints a line of JSON: what was acknowledged, lost, counted twice, still held at the end."""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

SHORTEST_S, LONGEST_S = 5.0, 40.0


def main() -> int:
    from faults.postgres import Server, new_cluster, running
    from serving.crash import restart_run
    from serving.support import make_company, open_grants

    from penstock.storage import migrate
    from penstock.storage.blobs import BlobStore
    from penstock.storage.engine import open_store

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    restarts = max(1, round(options.minutes * 60 / ((SHORTEST_S + LONGEST_S) / 2)))
    ends = itertools.cycle((signal.SIGQUIT, signal.SIGINT))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        new_cluster(place / "pg")
        with running(Server(place / "pg")) as server:

            def restart() -> None:
                server.stop(next(ends))
                server.start()

            migrate.upgrade(server.url)
            store = open_store(server.url, "restarts")
            company = make_company(store, BlobStore(place / "blobs"))
            report = restart_run(
                company,
                place,
                restart,
                restarts=restarts,
                pause_s=(SHORTEST_S, LONGEST_S),
                clients=options.clients,
                seed=options.seed,
            )
            stuck = open_grants(store)
            store.close()
    passed = report.sound and report.acknowledged > 0 == stuck
    print(json.dumps({"benchmark": "restarts", **report.to_json(), "stuck": stuck, "passed": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
