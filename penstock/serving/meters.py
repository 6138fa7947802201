"""What a gateway's /metrics shows, read from its running parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.serving import metrics

if TYPE_CHECKING:
    from penstock.serving.gateway import Gateway


class Meters:
    """Counters that the gateway fills, and gauges that ask it."""

    def __init__(self, gateway: Gateway) -> None:
        self.requests = metrics.Counter("penstock_requests_total", "Requests answered.", ("product", "status"))
        self.latency = metrics.Histogram(
            "penstock_request_seconds", "Time from the request's head to its answer.", metrics.LATENCY_S, ("product",)
        )
        self.batch = metrics.Histogram("penstock_writer_batch_rows", "Usage events per commit.", metrics.BATCH)

        def one(read: Callable[[], float]) -> Callable[[], dict[tuple[str, ...], float]]:
            return lambda: {(): read()}

        def age() -> float:
            return gateway.watcher.age_s if gateway.watcher is not None else 0.0

        self.all: tuple[metrics.Counter | metrics.Gauge | metrics.Histogram, ...] = (
            self.requests,
            self.latency,
            self.batch,
            metrics.Gauge("penstock_queue_inputs", "Unanswered; explained: x 25.", one(lambda: gateway.engine.queued)),
            metrics.Gauge("penstock_writer_waiting", "Writes waiting.", one(lambda: gateway.writer.waiting)),
            metrics.Gauge("penstock_keys_age_seconds", "Age of the keys in memory.", one(age)),
            metrics.Gauge("penstock_held_units", "Units held, unused.", one(lambda: gateway.grants.held_units)),
            metrics.Gauge("penstock_ready", "1 when requests are welcome.", one(lambda: not gateway.problems())),
            metrics.Gauge(
                "penstock_release_number",
                "The release being served.",
                lambda: {(name, s.release.id): s.release.number for name, s in gateway.releases.live.items()},
                ("product", "release"),
            ),
            metrics.Gauge(
                "penstock_release_broken",
                "1 when the live release cannot be served.",
                lambda: {(name,): 1 for name in gateway.releases.problems},
                ("product",),
            ),
        )
