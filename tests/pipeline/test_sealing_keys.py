"""The keys of a whole company: rotated, retired and given up, in database and blobs; nothing is served without them."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from analytics.harbour import TOML, Harbour, open_harbour
from pipeline.climbing import company

from penstock.app.gateway import run_gateway
from penstock.cli.root import run
from penstock.console.words import translate_error
from penstock.core.acts import Act
from penstock.core.errors import Conflict, PenstockError, Unavailable
from penstock.datasets.tables import dataset_version
from penstock.datasets.versions import list_versions
from penstock.identity.customers import add_customer
from penstock.metering.usage_log import Answer, UsageEvent, append, find_answer
from penstock.models.artifact import save_artifact
from penstock.monitoring import feedback
from penstock.pipeline import sealing
from penstock.registry.releases import live
from penstock.runtime.house import House, open_house
from penstock.storage import audit, resealing
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.storage.keyring import Keyring


@pytest.fixture
def here(tmp_path: Path, store: Store) -> Harbour:
    """A company with two answers, feedback on one, and a model; a report of it is from before there were keys."""
    made = open_harbour(tmp_path, store)
    with made.store.transaction() as tx:
        made.blue = add_customer(tx, name="Blue Shop", email="pay@blue.example.com").id
    asked = [made.use(made.blue, "helpdesk", 5) for _ in range(2)]
    with made.store.transaction() as tx:
        feedback.record(tx, customer=made.blue, request_id=asked[0], index=0, rating=2, comment="words of blue")
    BlobStore(made.house.blobs.folder).put(b"an old report")
    return made


def model(house: House) -> str:
    files = {"head.json": b'{"words": ["of customers"]}', "net.onnx": b"weights"}
    return save_artifact(house.blobs, kind="k", labels=("a",), files=files, settings={}, backbone=None)


def used(house: House) -> dict[str, int]:
    return {one.id: one.total for one in sealing.key_uses(house)}


def test_a_rotation_leaves_nothing_under_the_old_key_and_then_it_can_go(here: Harbour) -> None:
    house = here.house.acting(Act("ada", "owner", "here", "penstock sealing rotate"))
    artifact = model(house)
    [old] = house.keys.ids()
    before = used(house)
    assert before[old] > 6 and before[sealing.PLAIN] == 1, "the weights are a file that other readers open"
    with pytest.raises(Conflict, match="seals new values"):
        sealing.retire(house, old)
    done = sealing.rotate(house)
    assert used(house) == {old: 0, done.key: before[old] + 1} and done.blobs == 3
    sealing.retire(house, old)
    assert house.keys.ids() == (done.key,)
    assert {one.id: one.state for one in sealing.key_uses(house)} == {old: "retired", done.key: "active"}
    with house.store.read() as tx:
        acts = [one for one in audit.entries(tx, audit.Wanted()) if one.act == "penstock sealing rotate"]
        assert {change.key["id"] for one in acts for change in one.changes} == {old, done.key}
        assert "words of blue" in [one.comment for one in feedback.list_feedback(tx)]
    assert house.blobs.get(artifact)
    with pytest.raises(Conflict, match="retired already"):
        sealing.retire(house, old)


def test_what_cleaning_found_is_sealed_anew_or_given_up_and_the_rest_of_a_version_stays(here: Harbour) -> None:
    house = here.house
    here.candidate("helpdesk", "ngram-linear.v1", 78)
    with house.store.read() as tx:
        [before] = list_versions(tx, "helpdesk")
    [old] = house.keys.ids()
    new = sealing.rotate(house).key
    sealing.retire(house, old)
    with house.store.read() as tx:
        assert list_versions(tx, "helpdesk") == [before]
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), house.store.transaction() as tx:
        tx.execute(sa.update(dataset_version).values(rows_train=7))
    house.keys.remove(new)
    sealing.lose(house, new)
    with house.store.read() as tx:
        [after] = list_versions(tx, "helpdesk")
    assert after.report.rows_train == 0 and replace(after, report=before.report) == before


def test_a_key_that_still_seals_something_stays(here: Harbour) -> None:
    house = here.house
    [old] = house.keys.ids()
    sealing._activate_new(house)  # and killed there
    with pytest.raises(Conflict, match=r"still seals \d+ values"):
        sealing.retire(house, old)
    assert old in house.keys.ids()
    sealing.reseal(house)
    sealing.retire(house, old)


def test_a_blob_alone_keeps_its_key(here: Harbour) -> None:
    house = here.house
    digest = model(house)
    [old] = house.keys.ids()
    content, file = house.blobs.get(digest), house.blobs.folder / digest[:2] / digest
    sealed = file.read_bytes()
    sealing.rotate(house)
    file.write_bytes(sealed)
    with pytest.raises(Conflict, match="still seals 1 values"):
        sealing.retire(house, old)
    assert house.blobs.get(digest) == content


def test_a_rotation_that_was_killed_before_the_database_knew_takes_up_its_key(here: Harbour) -> None:
    made = here.house.keys.add()
    assert sealing.rotate(here.house).key == made and len(here.house.keys.ids()) == 2


def test_on_postgres_a_rotation_waits_for_a_backup_and_says_so(here: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    house, said = here.house, []
    if house.store.engine.dialect.name == "sqlite":
        pytest.skip("its writers take turns")
    [old] = house.keys.ids()
    monkeypatch.setattr(sealing, "PAUSE_S", 0.01)
    backup = ExitStack()
    reading = backup.enter_context(house.store.read())
    assert resealing.sealing_keys(reading)

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        said.append(f"{stage} {note}")
        backup.close()  # the backup ends while the rotation waits

    done = sealing.rotate(house, progress)
    assert "for whoever reads the keys" in said[0] and said[0].startswith("waiting")
    assert used(house)[old] == 0 and done.rows > 0
    monkeypatch.setattr(sealing, "READERS_S", 0.0)
    with house.store.read() as reading:
        assert resealing.sealing_keys(reading)
        with pytest.raises(Unavailable, match="reading the keys") as told:
            sealing.rotate(house)
    assert "backup" in str(told.value.hint)
    assert {one.state for one in sealing.key_uses(house) if one.id == done.key} == {"active"}


def test_sealing_goes_on_after_kill_9(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text(TOML, encoding="utf-8")
    house = open_house(tmp_path, create=True)
    ids = [f"r{number:04}" for number in range(3000)]
    with house.store.transaction() as tx:
        events = [UsageEvent("cus", one, "cus", "helpdesk", "rel", "key", tx.now, 1, "0" * 64) for one in ids]
        append(
            tx, events, [Answer("cus", one, "cus", "helpdesk", [one], b"answer " + one.encode(), tx.now) for one in ids]
        )
    [old] = house.keys.ids()
    whole = used(house)[old]
    command = [sys.executable, "-m", "penstock", "--workspace", str(tmp_path), "sealing", "rotate"]
    rotation = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while used(house)[old] == whole:
        assert rotation.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    rotation.kill()
    rotation.wait()
    _, new = house.keys.ids()
    assert 0 < used(house)[old] < whole and used(house)[old] + used(house)[new] == whole
    with pytest.raises(Conflict, match="still seals"):
        sealing.retire(house, old)
    assert sealing.reseal(house).key == new
    assert used(house) == {old: 0, new: whole}
    sealing.retire(house, old)
    with house.store.read() as tx:
        found = [find_answer(tx, "cus", one) for one in ids]
    assert [one.body for one in found if one] == [b"answer " + one.encode() for one in ids]
    house.close()


def test_a_lost_key_is_given_up_and_the_company_goes_on(here: Harbour) -> None:
    house = here.house
    model(house)
    [old] = house.keys.ids()
    with pytest.raises(Conflict, match="nothing is lost"):
        sealing.lose(house, old)
    house.keys.remove(old)
    assert sealing.missing_keys(house) and any(not one.there for one in sealing.key_uses(house))
    sealing.lose(house, old)
    assert sealing.missing_keys(house) == "" and used(house)[old] == 0
    request = here.use(here.blue, "helpdesk", 5)
    with house.store.read() as tx:
        assert find_answer(tx, here.blue, request) is not None
        [said] = feedback.list_feedback(tx)
    assert (said.comment, said.rating) == ("", 2)


def test_after_a_lost_key_a_product_is_trained_and_released_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its data version, its candidate and the live model are gone: nothing of them may stand in the way."""
    house = company(tmp_path)
    words = ["--workspace", str(tmp_path)]
    for command in (["apply"], ["train", "router"], ["release", "router"]):
        assert run([*command, *words]) == 0, capsys.readouterr().err
    [old] = house.keys.ids()
    house.keys.remove(old)
    sealing.lose(house, old)
    for command in (["train", "router"], ["release", "router"]):
        assert run([*command, *words]) == 0, capsys.readouterr().err
    with house.store.read() as tx:
        [version] = list_versions(tx, "router")
        released = live(tx, "router")
    assert version.report.rows_test > 0 and house.blobs.has(version.blob)
    assert released is not None and released.number == 2
    house.close()


def test_a_gateway_does_not_start_without_its_keys_and_books_do_not_need_them(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text(TOML, encoding="utf-8")
    open_house(tmp_path, create=True).close()
    keyring = tmp_path / ".penstock" / "secrets" / "keyring"
    assert keyring.stat().st_mode & 0o777 == 0o600
    content = keyring.read_bytes()
    keyring.unlink()
    with pytest.raises(Unavailable, match="the keyring is not there"):
        run_gateway(tmp_path, port=0)
    assert not keyring.exists(), "a new one would only hide that the old one is gone"
    house = open_house(tmp_path)
    with house.store.transaction() as tx:
        add_customer(tx, name="Blue Shop", email="pay@blue.example.com")
    keyring.write_text("{}")
    with pytest.raises(PenstockError, match="no keyring, or it was damaged"):
        run_gateway(tmp_path, port=0)
    keyring.write_bytes(content)
    assert sealing.missing_keys(open_house(tmp_path)) == ""


def test_every_store_of_blobs_that_the_company_opens_has_its_keys() -> None:
    source = Path(sealing.__file__).parent.parent
    opened = [line for file in source.rglob("*.py") for line in file.read_text().splitlines() if "BlobStore(" in line]
    opened = [line for line in opened if not line.startswith("class")]
    assert len(opened) >= 4 and all("keys=" in line for line in opened), opened


def test_what_is_said_of_keys_is_said_in_chinese_too(here: Harbour) -> None:
    house = here.house
    [old] = house.keys.ids()
    told = [house.keys.missing("0" * 12), refused(sealing.retire, house, old), refused(sealing.retire, house, "none")]
    told.append(refused(sealing.lose, house, old))
    sealing._activate_new(house)
    told.append(refused(sealing.retire, house, old))
    sealing.reseal(house)
    sealing.retire(house, old)
    told.append(refused(sealing.retire, house, old))
    keyring = house.keys.file
    assert keyring is not None
    keyring.unlink()
    told.append(Keyring(keyring).missing(old))
    keyring.write_text("{}")
    told.append(refused(Keyring(keyring).ids))
    for error in told:
        for text in (error.message, error.hint or ""):
            chinese = translate_error("zh-CN", text)
            assert not text or text.startswith("penstock ") or re.search("[\u4e00-\u9fff]", chinese), text


def refused(act: Callable[..., object], *given: object) -> PenstockError:
    with pytest.raises(PenstockError) as told:
        act(*given)
    return told.value
