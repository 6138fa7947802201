"""Stand-ins: models trained once more without the rows that a cascade's threshold is chosen on.

The cascades of one exploration ask for the same ones, so they are kept until it ends; others are made and not kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import NotFound
from penstock.core.hashing import digest_of
from penstock.datasets.rows import Split
from penstock.models.artifact import read_artifact
from penstock.storage.blobs import BlobStore, scratch
from penstock.training.records import Trained, save

_NOTES = "made"


@dataclass(frozen=True)
class StandIns:
    """In a blob store of their own, with a note of which artifact is whose. What is not whole there is made anew."""

    blobs: BlobStore

    def of(self, candidate: str, rows: Split, make: Callable[[], Trained]) -> str:
        """The artifact of what stands for the candidate (its id), trained on these rows; made where it was not yet."""
        note = self.blobs.folder / _NOTES / digest_of([candidate, list(rows.inputs), list(rows.labels)])
        with suppress(FileNotFoundError, NotFound):
            known = note.read_text(encoding="ascii")
            read_artifact(self.blobs, known)
            return known
        artifact = save(make(), self.blobs)
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_name(f"{note.name}.{os.getpid()}")
        part.write_text(artifact, encoding="ascii")
        part.replace(note)
        return artifact


@contextmanager
def stand_ins(blobs: BlobStore, folder: Path | None) -> Iterator[StandIns]:
    """Those in the folder, read beside `blobs`; None: none yet, and gone afterwards."""
    if folder is not None:
        yield StandIns(BlobStore(folder, behind=blobs, keys=blobs.keys))
        return
    with scratch(blobs) as store:
        yield StandIns(store)
