"""The gateway process: serving, with billing's funding and the customers' other routes wired in."""

from __future__ import annotations

import gc
import json
import logging
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from penstock.app.customer_api import customer_endpoints
from penstock.billing.funding import LedgerFunding
from penstock.loader import Loader
from penstock.pipeline.check import check_words
from penstock.runtime.house import House, open_house
from penstock.runtime.parent import last_call
from penstock.runtime.slots import slot
from penstock.runtime.tls import served_tls
from penstock.serving.deps import GatewayDeps
from penstock.serving.server import serve
from penstock.storage.sealed import check_keys

LEAVING_S = 5.0
SWITCH_S = 0.0005  # a request changes threads some thirty times; each may wait so long for a model written in Python


def run_gateway(folder: Path, *, host: str | None = None, port: int | None = None, announce: Path | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C, then drain. announce: a file to write {"address": …} to, once ready."""
    house = open_house(folder, background=True)
    check_keys(house.store)
    settings, tls = house.workspace.gateway, served_tls(house.workspace, "gateway")
    sys.setswitchinterval(SWITCH_S)

    def ready(address: str) -> None:
        gc.collect()
        gc.freeze()  # what is loaded stays: a collection that walks all of it would stop every request for a while
        print(f"gateway ready at {address}", flush=True)  # noqa: T201 - said once, to whoever started it
        if announce is not None:
            announce.write_text(json.dumps({"address": address}))

    with slot(house.workspace.state / "gateways", lambda: house.store.ids("gw"), partial(_take_over, house)) as name:
        deps = replace(gateway_deps(house), gateway=name)
        serve(deps, host or settings.host, settings.port if port is None else port, on_ready=ready, tls=tls)
        leaving = last_call(LEAVING_S)  # a database that hangs keeps its connections from being closed
    house.close()
    leaving.cancel()
    return 0


def _take_over(house: House, gateway: str) -> None:
    """Give back what a gateway that ended still held: its customers need not wait until it expires."""
    with house.store.transaction() as tx:
        grants = LedgerFunding(house.workspace.company).reclaim(tx, [gateway])
    if grants:
        logging.getLogger(__name__).warning("returned %d grants of a gateway that ended without doing so", grants)


def gateway_deps(house: House) -> GatewayDeps:
    """All that a gateway of this house needs."""
    for name, product in house.workspace.products.items():
        check_words(house.workspace, name, product)
    return GatewayDeps(
        store=house.store,
        products=house.workspace.products,
        loader=Loader(house.blobs),
        funding=LedgerFunding(house.workspace.company),
        settings=house.workspace.gateway,
        endpoints=customer_endpoints(house),
        operator_token=house.secret("metrics") if house.workspace.gateway.metrics == "token" else None,
    )
