"""A gateway process for tests that must kill one: `python tiny_gateway.py DATABASE ORGANISATION BLOBS [--early]`.

Prints its address once it is ready. --ledger: with billing's own funding. The controls: --early swaps in a writer that
acknowledges before it commits; --unsynced has SQLite leave its commits to the page cache.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from penstock.billing.funding import LedgerFunding
from penstock.metering.usage_log import Outcome
from penstock.serving import gateway
from penstock.serving.deps import GatewayDeps
from penstock.serving.server import serve
from penstock.serving.writer import UsageWriter, Use
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import open_store
from penstock.storage.keyring import Keyring
from penstock.workspace.records import Company, GatewaySettings

sys.path.insert(0, str(Path(__file__).parent.parent))

from serving.support import PRODUCTS, QUICK, TestFunding, TinyLoader


class EarlyWriter(UsageWriter):
    """The mistake that the crash test must find: say yes now, write within 50 ms, as a buffering logger would."""

    def record(self, use: Use) -> Future[Outcome]:
        super().record(use)
        answered: Future[Outcome] = Future()
        answered.set_result(Outcome("new", use.event, use.answer.body if use.answer else None))
        return answered

    def _commit_together(self, items: list[Any]) -> None:
        time.sleep(0.05)
        super()._commit_together(items)


def main(database: str, organisation: str, blobs: str, *flags: str) -> None:
    if "--early" in flags:
        gateway.UsageWriter = EarlyWriter  # type: ignore[misc]
    store = open_store(database, organisation, keys=Keyring(Path(blobs).parent / "keyring"))
    if "--unsynced" in flags:
        sa.event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=NORMAL"))
    settings = GatewaySettings(requests_per_minute=10_000_000)
    funding = LedgerFunding(Company(name="Harbour AI")) if "--ledger" in flags else TestFunding()
    deps = GatewayDeps(store, PRODUCTS, TinyLoader(BlobStore(Path(blobs))), funding, settings, timing=QUICK)
    serve(deps, "127.0.0.1", 0, on_ready=lambda address: print(address, flush=True))
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
