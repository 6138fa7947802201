"""A gateway whose database is taken from under it is not ready and acknowledges nothing; a failed write says why."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import pytest
import sqlalchemy as sa
from serving.support import make_company, problem, running, wait_for
from serving.test_writer import RecordingFunding, logged, use

from penstock.core.clock import SettableClock
from penstock.core.errors import Unavailable
from penstock.core.ids import random_ids
from penstock.serving.deps import Timing
from penstock.serving.writer import UsageWriter
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, open_engine
from penstock.storage.keyring import Keyring
from penstock.storage.resealing import switch

WITHIN_S = 3.0


def test_a_renamed_database_makes_the_gateway_unready_and_every_answer_is_kept(
    tmp_path: Path, clock: SettableClock, blobs: BlobStore
) -> None:
    file = tmp_path / "penstock.sqlite"
    url = f"sqlite:///{file}"
    migrate.upgrade(url)
    company = make_company(Store(open_engine(url), "main", clock, random_ids), blobs, timing=Timing())
    with running(company) as gateway, gateway.http() as http:
        assert gateway.predict(["before"]).status_code == 200
        began = time.monotonic()
        moved = file.rename(tmp_path / "old.sqlite")
        answers = [gateway.predict([f"lost {n}"]) for n in range(5)]
        assert {answer.status_code for answer in answers} == {503}
        wait_for(lambda: http.get("/readyz").status_code == 503)
        assert time.monotonic() - began < WITHIN_S
        assert not file.exists()  # nothing made an empty one in its place
        moved.rename(file)
        wait_for(lambda: http.get("/readyz").status_code == 200)
        assert gateway.predict(["after"]).status_code == 200
    assert len(company.events()) == 2
    company.store.close()


def test_a_gateway_that_lacks_the_present_key_is_unready_until_it_has_it(store: Store, blobs: BlobStore) -> None:
    """Its keyring is a copy, and another machine has rotated."""
    company = make_company(store, blobs)
    with running(company) as gateway, gateway.http() as http:
        assert gateway.predict(["before"]).status_code == 200
        own = company.store.keys
        assert own is not None and own.file is not None
        elsewhere = Keyring(own.file.with_name("elsewhere"))
        assert elsewhere.file is not None
        copyfile(own.file, elsewhere.file)
        new = elsewhere.add()
        with replace(company.store, keys=elsewhere).transaction() as tx:
            assert switch(tx, new)
        wait_for(lambda: http.get("/readyz").status_code == 503)
        assert f"lacks key {new}" in problem(http.get("/readyz"), 503)["detail"]
        assert gateway.predict(["cannot be sealed"]).status_code == 503
        assert len(company.events()) == 1
        copyfile(elsewhere.file, own.file)
        wait_for(lambda: http.get("/readyz").status_code == 200)
        assert gateway.predict(["after"]).status_code == 200
    assert len(company.events()) == 2


def test_whatever_the_database_refuses_makes_the_writer_unwell_and_is_named_in_the_log(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Not only what its driver calls operational: a missing column is a ProgrammingError on Postgres."""

    def refused(tx: object) -> None:
        store_tx = tx
        store_tx.execute(sa.text("select no_such_column from usage_event"))  # type: ignore[attr-defined]

    writer = UsageWriter(store, RecordingFunding())
    writer.start()
    with caplog.at_level(logging.ERROR), pytest.raises(Unavailable, match="cannot be recorded"):
        writer.call(refused).result(20)
    assert writer.problem is not None
    assert "no_such_column" in caplog.text
    assert writer.record(use("r1")).result(20).kind == "new"
    assert writer.problem is None
    assert logged(store) == ["r1"]
    assert writer.close()
