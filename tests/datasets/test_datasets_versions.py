"""Dataset versions: the same rows are the same version, each knows its parent, and nothing can alter them."""

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import Broken, NotFound
from penstock.datasets.cleaning import clean
from penstock.datasets.rows import Prepared, Row, as_objects
from penstock.datasets.versions import (
    _content,
    add_version,
    find_version,
    get_version,
    list_versions,
    load_rows,
)
from penstock.pipeline.start import make_workspace
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.tasks.text.data.preparing import prepare_texts
from penstock.workspace.records import Cleaning


def prepared(*more: Row) -> Prepared:
    rows = [Row(f"wo ist {word}", "parcel", f"a.csv:{i}") for i, word in enumerate(("rot", "blau", "grün", "灰"))]
    rows += [Row(f"zahle {word}", "bill", f"a.csv:{i + 9}") for i, word in enumerate(("Miete", "Strom", "Gas", "Netz"))]
    cleaned = clean(rows, None, Cleaning(), 0, extra=more)
    return Prepared(as_objects(cleaned.train), as_objects(cleaned.test), cleaned.report)


def test_a_version_gives_its_rows_back(store: Store, blobs: BlobStore) -> None:
    rows = prepared(Row("neu", "bill", "feedback:fb_1", "cus_1"))
    with store.transaction() as tx:
        version = add_version(tx, blobs, product="desk", prepared=rows, source="data/desk.csv")
    with store.read() as tx:
        assert get_version(tx, "desk") == get_version(tx, "desk", 1) == find_version(tx, "desk", version.id) == version
    train, test = load_rows(blobs, version)
    assert (train, test) == (list(rows.train), list(rows.test))
    assert (len(train), len(test)) == (version.rows_train, version.rows_test)
    assert {"text": "neu", "label": "bill", "origin": "feedback:fb_1", "customer": "cus_1"} in train


def test_rows_of_any_task_come_back_as_they_were(store: Store, blobs: BlobStore) -> None:
    rows = [{"age": 41, "income": None, "tags": ["a", "ü"], "target": {"price": 0.1}}, {"age": 7}]
    with store.transaction() as tx:
        kept = Prepared(rows, rows[:1], prepared().report)
        version = add_version(tx, blobs, product="prices", prepared=kept, source="x")
    assert load_rows(blobs, version) == (rows, rows[:1])


def test_the_same_rows_are_the_same_version_and_others_the_next(store: Store, blobs: BlobStore) -> None:
    with store.transaction() as tx:
        first = add_version(tx, blobs, product="desk", prepared=prepared(), source="data/desk.csv")
        again = add_version(tx, blobs, product="desk", prepared=prepared(), source="elsewhere")
        more = prepared(Row("neu", "bill", "feedback:fb_1"))
        second = add_version(tx, blobs, product="desk", prepared=more, parent=first.id, source="feedback")
        other = add_version(tx, blobs, product="other", prepared=prepared(), source="data/desk.csv")
    assert again == first
    assert (second.number, second.parent, other.number) == (2, first.id, 1)
    assert other.id == first.id
    with store.read() as tx:
        assert [version.number for version in list_versions(tx, "desk")] == [2, 1]


def test_versions_of_one_organisation_are_hidden_from_another(store: Store, blobs: BlobStore) -> None:
    with store.transaction() as tx:
        add_version(tx, blobs, product="desk", prepared=prepared(), source="data/desk.csv")
    with replace(store, organisation=f"{store.organisation}-rival").read() as tx:
        assert list_versions(tx, "desk") == []
        with pytest.raises(NotFound, match="no dataset version yet"):
            get_version(tx, "desk")


def test_a_parent_must_be_a_version_of_the_product(store: Store, blobs: BlobStore) -> None:
    with pytest.raises(NotFound, match="no dataset version abc of desk"), store.transaction() as tx:
        add_version(tx, blobs, product="desk", prepared=prepared(), parent="abc", source="x")


def test_altered_rows_are_refused(store: Store, blobs: BlobStore) -> None:
    with store.transaction() as tx:
        version = add_version(tx, blobs, product="desk", prepared=prepared(), source="x")
    other = blobs.put(gzip.compress(b"{}\n", mtime=0))
    with pytest.raises(Broken, match="do not match their version's id"):
        load_rows(blobs, replace(version, blob=other))


TASK = "text-classification"

# The rows of `prepared()` in the one form: were it to change, old data would become new versions.
_FORM = "8b50c689c58480c7493483126c15b800d83416a1009d516c547d3b77883fb014"


@given(st.randoms(use_true_random=False))
def test_the_id_is_that_of_the_rows_in_any_order(random: object) -> None:
    rows = prepared()
    train = [Row(**row) for row in rows.train]
    random.shuffle(train)  # type: ignore[attr-defined]
    content = _content(replace(rows, train=as_objects(train)))
    assert content == _content(rows)
    assert hashlib.sha256(content).hexdigest() == _FORM


def test_a_product_s_file_is_read_cleaned_and_split_in_one_call(tmp_path: Path) -> None:
    file = tmp_path / "desk.csv"
    lines = [f"question {i} about parcels,parcel\nquestion {i} about bills,bill\n" for i in range(20)]
    file.write_text("text,label\n" + "".join(lines))
    workspace = make_workspace(tmp_path / "shop", TASK, data=file)
    product = workspace.products["desk"]
    alone = prepare_texts(product, workspace.folder)
    told = {"text": "where is my box", "label": "parcel", "origin": "feedback:fb_1", "customer": "cus_1"}
    fed = prepare_texts(product, workspace.folder, [told])
    assert fed.test == alone.test
    assert [row for row in fed.train if row not in alone.train] == [told]
    assert alone.report.read_train == 40


def test_a_test_file_of_one_s_own_is_used_as_it_is(tmp_path: Path) -> None:
    train, test = tmp_path / "desk.csv", tmp_path / "test.csv"
    train.write_text("text,label\n" + "".join(f"parcel {i},parcel\nbill {i},bill\n" for i in range(5)))
    test.write_text("text,label\nmy parcel,parcel\nmy bill,bill\n")
    workspace = make_workspace(tmp_path / "shop", TASK, data=train, test=test)
    result = prepare_texts(workspace.products["desk"], workspace.folder)
    assert sorted(row["origin"] for row in result.test) == ["test.csv:2", "test.csv:3"]
