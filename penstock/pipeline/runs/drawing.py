"""The child process that draws: `python -m penstock.pipeline.runs.drawing JOB`. Vega keeps Python's lock while it
draws, so drawing in a thread of the office would stop all its pages for seconds. It loads nothing of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from penstock.evaluation.html import report_figures
from penstock.evaluation.run_charts import Trace, run_chart
from penstock.evaluation.words import speaker
from penstock.pipeline.artifacts import get_report
from penstock.runtime.child import Job, run_job
from penstock.runtime.progress import Progress
from penstock.storage.blobs import BlobStore
from penstock.storage.keyring import Keyring


def figures(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """A report's charts."""
    blobs = BlobStore(Path(arguments["blobs"]), keys=Keyring(Path(arguments["keyring"])))
    report = get_report(blobs, arguments["digest"])
    drawn = report_figures(report, arguments["locale"], arguments["chinese"])
    return {"drawn": msgspec.to_builtins(drawn)}


def runs(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The picture of several trainings, None where there is nothing to draw."""
    traces = msgspec.convert(arguments["traces"], list[Trace], strict=False)
    say = speaker(arguments["locale"], arguments["chinese"])
    return {"drawn": {"svg": run_chart(traces, arguments["headline"], arguments["currency"], say)}}


JOBS: dict[str, Job] = {"figures": figures, "runs": runs}

if __name__ == "__main__":
    run_job(JOBS)
