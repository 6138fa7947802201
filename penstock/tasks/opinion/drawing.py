"""The child process that draws a month of opinions: `python -m penstock.tasks.opinion.drawing JOB`."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.runtime.child import Job, run_job
from penstock.runtime.progress import Progress
from penstock.tasks.opinion.report import Month
from penstock.tasks.opinion.report_pages import content


def month(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """A month of opinions in words, with its charts."""
    shown = msgspec.convert(arguments["month"], Month)
    return {"drawn": msgspec.to_builtins(content(shown, customer="", locale=arguments["locale"]))}


JOBS: dict[str, Job] = {"month": month}

if __name__ == "__main__":
    run_job(JOBS)
