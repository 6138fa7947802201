"""What a gateway is built from: its settings, its time limits, and all that it needs of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.serving.admission import REFRESH_EVERY_S, STALE_AFTER_S
from penstock.serving.endpoints import Endpoint
from penstock.serving.funding import Funding
from penstock.serving.releases import Loads
from penstock.storage.engine import Store
from penstock.workspace.records import GatewaySettings, Product


@dataclass(frozen=True)
class Timing:
    """Time limits, in seconds."""

    deadline_s: float = 20.0
    refresh_every_s: float = REFRESH_EVERY_S
    stale_after_s: float = STALE_AFTER_S
    tend_every_s: float = 1.0
    drain_s: float = 20.0
    close_s: float = 4.0  # for each part that is closed at the end


@dataclass(frozen=True)
class GatewayDeps:
    """All that a gateway needs of the rest. `gateway` names the process in its grants; empty: a new name.
    operator_token: what /metrics asks for, and /readyz before it tells details; None: they ask nobody."""

    store: Store
    products: Mapping[str, Product]
    loader: Loads
    funding: Funding
    settings: GatewaySettings = field(default_factory=GatewaySettings)
    endpoints: tuple[Endpoint, ...] = ()
    gateway: str = ""
    operator_token: bytes | None = None
    timing: Timing = field(default_factory=Timing)
