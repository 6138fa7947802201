"""Jobs that the tests run on Ray's workers: `module.JOBS`."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from penstock.core.errors import QuotaExceeded
from penstock.runtime.progress import Progress


def add(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The sum of everyone's number, computed together; rank 0 answers."""
    import torch
    import torch.distributed as together

    rank, size = arguments["world"]
    numbers = torch.tensor([float(arguments["numbers"][rank])])
    for step in range(3):
        progress("adding", step + 1, 3, f"rank {rank}")
    if size > 1:
        together.all_reduce(numbers)
    return {"sum": float(numbers), "名": arguments["名"]} if rank == 0 else {}


def refuse(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Rank 1 refuses, while rank 0 waits for it."""
    import torch
    import torch.distributed as together

    if arguments["world"][0] == 1:
        raise QuotaExceeded("too many rows", where="data.csv:7", hint="use fewer", retry_after_s=2.5)
    together.all_reduce(torch.zeros(1))
    return {}


def fall(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Is killed each time; a file counts the starts."""
    file = Path(arguments["folder"]) / "starts"
    file.write_text(str(int(file.read_text()) + 1 if file.exists() else 1))
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def learn(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train together, a checkpoint after each step; rank 1 is killed after its tenth, once. Rank 0 then trains
    alone too, and answers both."""
    import sys

    from parallel_jobs import RECIPE, learned, problem

    from penstock.runtime.progress import no_progress
    from penstock.training.loop import World, fit

    sys.modules[fit.__module__].CHECKPOINT_EVERY_S = 0.0  # type: ignore[attr-defined]
    rank, size = arguments["world"]
    folder, made, alone = Path(arguments["folder"]), problem(), problem()

    def fall(stage: str, done: float, total: float, note: str = "") -> None:
        if done == 10 and not (folder / "killed").exists():
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    say = fall if rank == 1 else progress
    fitted = fit(made, RECIPE, seed=3, progress=say, checkpoint=folder, world=World(rank, size))
    if rank:
        return {}
    plain = fit(alone, RECIPE, seed=3, progress=no_progress)
    return {"together": learned(made, fitted), "alone": learned(alone, plain)}


def linger(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Says its process id, then sleeps."""
    rank, _ = arguments["world"]
    (Path(arguments["folder"]) / f"pid-{rank}").write_text(str(os.getpid()))
    progress("lingering", 1, 2)
    time.sleep(120)
    return {}


JOBS = {job.__name__: job for job in (add, refuse, fall, learn, linger)}
