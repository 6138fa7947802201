"""Who is meant: an exact id first, else the only one that matches by any field; of two, both are named."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.core.folding import fold
from penstock.identity.customers import add_customer, get_customer
from penstock.storage import migrate
from penstock.storage.engine import Store, open_engine


def test_a_customer_named_like_anothers_address_is_not_taken_for_it(store: Store) -> None:
    with store.transaction() as tx:
        ada = add_customer(tx, name="Ada", email="ada@example.com")
        posing = add_customer(tx, name="ada@example.com", email="mallory@evil.example", allow_similar=True)
        with pytest.raises(BadInput, match="several customers match") as refused:
            get_customer(tx, "ada@example.com")
        for one in (ada, posing):
            assert one.id in str(refused.value) and one.email in str(refused.value)
            assert get_customer(tx, one.id) == one
        assert get_customer(tx, "mallory@evil.example") == posing


def test_an_exact_id_is_taken_before_a_name(store: Store) -> None:
    with store.transaction() as tx:
        ada = add_customer(tx, name="Ada", email="ada@example.com")
        add_customer(tx, name=ada.id, email="mallory@evil.example")
        assert get_customer(tx, ada.id) == ada


@pytest.mark.parametrize(
    "ref", ["ADA  lovelace", " Ada Lovelace ", "Ａｄａ Lovelace", "Ada\u200b Lovelace", "ADA@X.example"]
)
def test_case_width_and_spaces_do_not_matter(store: Store, ref: str) -> None:
    with store.transaction() as tx:
        ada = add_customer(tx, name="Ada Lovelace", email="ada@x.example")
        assert get_customer(tx, ref) == ada
        for nobody in ("", "  ", "\u200b", "Ada"):
            with pytest.raises(NotFound):
                get_customer(tx, nobody)


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("ADA", "other@example.com"),
        ("Ａda", "other@example.com"),
        (" a d a".replace(" ", ""), "other@example.com"),
        ("Other", "Ada@Example.com"),
        ("ada@example.com", "other@example.com"),
    ],
)
def test_a_customer_that_reads_like_another_is_refused_with_that_one_named(store: Store, name: str, email: str) -> None:
    with store.transaction() as tx:
        ada = add_customer(tx, name="Ada", email="ada@example.com")
        with pytest.raises(Conflict, match="mistaken for a customer that exists") as refused:
            add_customer(tx, name=name, email=email)
        assert ada.id in str(refused.value) and "allow_similar" in str(refused.value.hint)
        assert add_customer(tx, name=name, email=email, allow_similar=True).name == name
        with pytest.raises(Conflict, match="already a customer named"):
            add_customer(tx, name="Ada", email="third@example.com", allow_similar=True)


def test_no_more_than_five_candidates_are_named(store: Store) -> None:
    with store.transaction() as tx:
        for number in range(8):
            add_customer(tx, name=f"Shop {number}", email="buying@example.com", allow_similar=True)
        with pytest.raises(BadInput, match=r"Shop 4 <buying@example.com> \(cus_\w+\), …"):
            get_customer(tx, "buying@example.com")


def test_customers_from_before_are_found_too(database_url: str, store: Store) -> None:
    """What the migration fills in is what `fold` says today."""
    path = Path(migrate.__file__).parent / "migrations" / "versions" / "0005_people.py"
    spec = importlib.util.spec_from_file_location("people_migration", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for text in ("Ada", "ＡＤＡ  Lovelace ", "海港商店", "Straße\u200b", "ﬁne", "İstanbul"):
        assert module._fold(text) == fold(text)


def test_a_database_made_before_gets_its_keys(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    engine = open_engine(url, create=True)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        old = "'cus_1', 'main', 'Ada  LOVELACE', 'Ada@Example.com', 'en', '', '', '2026-11-01T00:00:00.000000Z'"
        connection.execute(sa.text(f"insert into customer values ({old})"))  # noqa: S608
    engine.dispose()
    migrate.upgrade(url)
    store = Store(open_engine(url), "main")
    with store.read() as tx:
        assert get_customer(tx, "ada lovelace").id == get_customer(tx, "ada@example.com").id == "cus_1"
    store.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_customer_is_found_and_added_without_reading_the_others(store: Store) -> None:
    """Postgres joins the indexes of an OR by itself; SQLite would read every customer of the company."""
    seen: list[tuple[str, Any]] = []

    def look(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, parameters))

    with store.transaction() as tx:
        ada = add_customer(tx, name="Ada", email="ada@example.com")
    sa.event.listen(store.engine, "before_cursor_execute", look)
    with store.transaction() as tx:
        add_customer(tx, name="Bea", email="bea@example.com")
        assert get_customer(tx, "ADA@example.com") == ada
    sa.event.remove(store.engine, "before_cursor_execute", look)
    with store.engine.connect() as connection:
        steps = [
            row[3] for text, given in seen for row in connection.exec_driver_sql(f"explain query plan {text}", given)
        ]
    assert any(step.startswith("SEARCH customer") for step in steps)
    assert not [one for one in steps if re.search(r"(SCAN customer|customer\b.*\(organisation=\?\))", one)]
