"""Vectors of texts on disk, by backbone and content: what was embedded once is not embedded again.

One SQLite file that may be deleted at any time; a damaged one is replaced. Killed work resumes where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import Unavailable
from penstock.models.backbone import Backbone
from penstock.models.protocol import Floats
from penstock.runtime.progress import Progress, no_progress

CHUNK = 4_096  # texts embedded between two commits
_LOOKUP = 500  # keys in one query

_SCHEMA = """CREATE TABLE IF NOT EXISTS vector (
    backbone TEXT NOT NULL, text_sha256 BLOB NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (backbone, text_sha256)
) WITHOUT ROWID"""


@dataclass(frozen=True)
class EmbeddingCache:
    """A cache in `folder`. Vectors are float32, little-endian."""

    folder: Path

    def embed(self, backbone: Backbone, texts: Sequence[str], progress: Progress = no_progress) -> Floats:
        """`backbone.embed_bulk(texts)` (n, hidden), embedding only the texts not seen before."""
        keys = [sha256(text.encode()).digest() for text in texts]
        with self._opened() as connection:
            known = _known(connection, backbone, set(keys))
            missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
            new = list(missing.items())
            for start in range(0, len(new), CHUNK):
                chunk = new[start : start + CHUNK]
                vectors = backbone.embed_bulk([text for _, text in chunk], _shifted(progress, start, len(new)))
                rows = [(key, vector.astype("<f4").tobytes()) for (key, _), vector in zip(chunk, vectors, strict=True)]
                _keep(connection, backbone, rows)
                known.update(rows)
        found = np.frombuffer(b"".join(known[key] for key in keys), dtype="<f4").astype(np.float32)
        return found.reshape(len(texts), backbone.hidden)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        from pysqlite3 import dbapi2

        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "vectors.sqlite"
        try:
            with closing(_connect(dbapi2, file)) as connection:
                yield connection
        except dbapi2.OperationalError as error:
            raise Unavailable(
                f"the cache of vectors answered: {error}", where=str(file), hint="free disk space, or delete the file"
            ) from error


def _connect(dbapi2: Any, file: Path) -> Any:
    try:
        return _prepared(dbapi2, file)
    except dbapi2.OperationalError:
        raise
    except dbapi2.DatabaseError:  # not a database, or a damaged one: it holds nothing that cannot be made again
        for path in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
            path.unlink(missing_ok=True)
        return _prepared(dbapi2, file)


def _prepared(dbapi2: Any, file: Path) -> Any:
    connection = dbapi2.connect(str(file), timeout=30)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_SCHEMA)
    except dbapi2.DatabaseError:
        connection.close()
        raise
    return connection


def _known(connection: Any, backbone: Backbone, keys: set[bytes]) -> dict[bytes, bytes]:
    """The vectors of those keys that the cache has, of the right length."""
    found: dict[bytes, bytes] = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), _LOOKUP):
        part = ordered[start : start + _LOOKUP]
        marks = ",".join("?" * len(part))
        query = f"SELECT text_sha256, vector FROM vector WHERE backbone = ? AND text_sha256 IN ({marks})"  # noqa: S608 - only question marks are put in
        found.update(connection.execute(query, (backbone.digest, *part)))
    return {key: vector for key, vector in found.items() if len(vector) == 4 * backbone.hidden}


def _keep(connection: Any, backbone: Backbone, rows: Sequence[tuple[bytes, bytes]]) -> None:
    with connection:
        connection.executemany(
            "INSERT OR REPLACE INTO vector VALUES (?, ?, ?)", [(backbone.digest, key, vector) for key, vector in rows]
        )


def _shifted(progress: Progress, before: int, all_texts: int) -> Progress:
    def show(stage: str, done: float, total: float, note: str = "") -> None:
        progress(stage, before + done, all_texts, note)

    return show
