"""What else a machine does while something is timed: other processes' share of its cores, and how it slows fixed work.

It looks at processor times only; other work that waits for disks or memory shows in the fixed work.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_BUSY = 0.10  # of all cores: a gateway at rest and an operator's shell take 1 to 3%
MOST_SLOWED = 1.25
_REFERENCE = 20_000  # additions: about a millisecond
_TRIES = 3


@dataclass(frozen=True)
class Load:
    """busy: the share of all cores that others took (other processes, and other machines on the same hardware). slowed:
    how long a fixed piece of work took, in units of its quickest. rounds: of the measurement that this is told of."""

    busy: float = 0.0
    slowed: float = 1.0
    rounds: int = 1

    @property
    def disturbed(self) -> bool:
        """So much that times measured meanwhile may be those of others' work."""
        return self.busy > MOST_BUSY or self.slowed > MOST_SLOWED

    @staticmethod
    def of(loads: Sequence[Load]) -> Load:
        """Of several rounds: the means."""
        count = len(loads)
        busy, slowed = sum(one.busy for one in loads) / count, sum(one.slowed for one in loads) / count
        return Load(busy, slowed, count)


QUIET = Load()


@dataclass
class Watch:
    """Looks at the machine from its making to `end`."""

    _spent: tuple[float, float] = field(default_factory=lambda: _spent())
    _own: float = field(default_factory=time.process_time)
    _before_ms: float = field(default_factory=lambda: reference_ms())

    def end(self) -> Load:
        """The load since then."""
        after_ms = reference_ms()
        busy, total = (now - then for now, then in zip(_spent(), self._spent, strict=True))
        others = busy - (time.process_time() - self._own)
        slowed = max(self._before_ms, after_ms) / min(self._before_ms, after_ms)
        return Load(busy=min(1.0, max(0.0, others / total)) if total > 0 else 0.0, slowed=slowed)


def watching() -> Watch:
    """Look at the machine from now on."""
    return Watch()


def reference_ms() -> float:
    """How long a fixed piece of work takes now, at its quickest of three: the processor's speed, not its queue."""
    times = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        total = 0
        for number in range(_REFERENCE):
            total += number
        times.append(1000 * (time.perf_counter() - began))
    return min(times)


def _spent() -> tuple[float, float]:
    """Core-seconds of this machine so far: busy, and all. What a hypervisor gave to others (steal) is busy."""
    import psutil

    times = psutil.cpu_times()
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)  # counted as user's too
    return total - times.idle - getattr(times, "iowait", 0.0), total
