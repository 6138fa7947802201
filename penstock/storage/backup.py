"""Copies of a database that are consistent while others write. Knows no tables."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

_PAGES = 1_000  # copied in one go; between two, writers get their turn


def copy_sqlite(url: str, target: Path) -> None:
    """Copy the SQLite database at `url` into the new file `target` by SQLite's own backup: what is in its log too."""
    from pysqlite3 import dbapi2

    source = dbapi2.connect(sa.make_url(url).database)
    copy = dbapi2.connect(target)
    try:
        source.backup(copy, pages=_PAGES)
    finally:
        copy.close()
        source.close()
    target.chmod(0o600)
