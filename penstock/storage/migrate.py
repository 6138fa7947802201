"""Brings a database to this code's schema, or refuses when the database is newer than the code."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from penstock.core.errors import BadInput, NotFound
from penstock.storage.engine import open_engine, translated_errors

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_LINKS = re.compile(r'^(revision|down_revision) = "(\w+)"', re.MULTILINE)


def upgrade(url: str, *, create: bool = True) -> bool:
    """Bring the database at `url` to this code's schema. create: also where there is none yet, or an empty one.
    Answers whether anything was done.

    Raises NotFound when there is none and none may be made, BadInput when it was made by a newer Penstock,
    Unavailable when it cannot be reached.
    """
    if not create and (file := sqlite_file(url)) is not None and not file.exists():
        raise missing(url)
    engine = open_engine(url, create=create)
    try:
        with translated_errors():
            found = _revision(engine)
            if found is None and not create:
                raise missing(url)
            head, known = chain()
            if found == head:
                return False
            if found is not None and found not in known:
                raise BadInput(
                    f"the database has schema {found}, newer than this Penstock's {head}",
                    where=engine.url.render_as_string(hide_password=True),
                    hint="install the newer Penstock; an older one must not write to it",
                )
            _run_alembic(engine)
            return True
    finally:
        engine.dispose()


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None for one that is no file."""
    name = sa.make_url(url).database if url.startswith("sqlite") else None
    return None if name in (None, "", ":memory:") else Path(str(name))


def missing(url: str) -> NotFound:
    """What is said where a database should be and none is."""
    return NotFound(
        "there is no database of Penstock here",
        where=sa.make_url(url).render_as_string(hide_password=True),
        hint="for a new workspace, `penstock apply` makes it; if there was one, put it back, or restore a backup: "
        "penstock restore FILE --to FOLDER",
    )


@cache
def chain() -> tuple[str, frozenset[str]]:
    """(the newest revision, all of them), read from the migrations without loading Alembic: every command asks."""
    links = [_LINKS.findall(file.read_text(encoding="utf-8")) for file in sorted(_VERSIONS.glob("*.py"))]
    known = {name for found in links for kind, name in found if kind == "revision"}
    before = {name for found in links for kind, name in found if kind == "down_revision"}
    [head] = known - before  # one chain without branches
    return head, frozenset(known)


def _revision(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("select version_num from alembic_version")).scalar()


def _run_alembic(engine: sa.Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
