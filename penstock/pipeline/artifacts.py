"""Reports as blobs: written and read in one form."""

from __future__ import annotations

import json

from penstock.core.hashing import canonical_json
from penstock.evaluation.report import Report
from penstock.storage.blobs import BlobStore


def put_report(blobs: BlobStore, report: Report) -> str:
    """Keep a report; answer its digest."""
    return blobs.put(canonical_json(report.to_json()))


def get_report(blobs: BlobStore, digest: str) -> Report:
    """The report of that digest, its hash checked."""
    return Report.from_json(json.loads(blobs.get(digest)))
