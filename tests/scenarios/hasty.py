"""The command line, whose trainings keep a checkpoint every 0.1 s: `python -m tests.scenarios.hasty train ...`.

Run as `... hasty JOB PARENT` it is the child process itself.
"""

from __future__ import annotations

import sys
from typing import Any

from penstock.pipeline.climb import attempts
from penstock.runtime.executors import run_child
from penstock.runtime.progress import Progress


def hastily(module: str, job: str, arguments: dict[str, Any], progress: Progress, **more: Any) -> dict[str, Any]:
    return run_child("tests.scenarios.hasty", job, arguments, progress, **more)


if __name__ == "__main__":
    from penstock.pipeline.climb.worker import JOBS
    from penstock.runtime.child import run_job

    if sys.argv[1] in JOBS and len(sys.argv) == 3:
        from penstock.training.loop import fit

        sys.modules[fit.__module__].CHECKPOINT_EVERY_S = 0.1  # type: ignore[attr-defined]
        run_job(JOBS)
    else:
        from penstock.cli.root import run

        attempts.run_child = hastily
        sys.exit(run(sys.argv[1:]))
