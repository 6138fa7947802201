"""Stock: items go out and come back, new ones join, and what cannot be is refused before anything changes."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock.cli.root import run
from penstock.core.errors import BadInput, NotFound
from penstock.models.artifact import save_artifact
from penstock.registry import amendments, releases
from penstock.runtime.house import House, open_house
from penstock.tasks.recommendation.stock import add_items, change_stock, stock

TOML = """\
[company]
name = "Harbour AI"

[products.books]
task = "recommendation"
data = "log.csv"
gate = { hr_at_10 = ">= 0.1" }
price = { tiers = [{ unit_price = "0.10" }] }
options = { items = "items.csv", attributes = ["genre"] }

[products.desk]
task = "text-classification"
data = "desk.csv"
gate = { accuracy = ">= 0.1" }
price = { tiers = [{ unit_price = "0.10" }] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "penstock.toml").write_text(TOML)
    return tmp_path


def serving(house: House, monkeypatch: pytest.MonkeyPatch, kind: str = "hybrid-items.v1") -> None:
    """A live release that knows b1 to b3; its model is never loaded by these commands."""
    labels = ("b1", "b2", "b3")
    artifact = save_artifact(house.blobs, kind=kind, labels=labels, files={}, settings={}, backbone=None)
    monkeypatch.setattr(releases, "live", lambda tx, product: SimpleNamespace(artifact=artifact))


@pytest.fixture
def house(folder: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    opened = open_house(folder, create=True)
    serving(opened, monkeypatch)
    return opened


def test_items_go_out_of_stock_and_come_back_each_change_a_whole_state(house: House) -> None:
    assert stock(house, "books").amendment is None
    assert change_stock(house, "books", out=["b2", "b1"]).unavailable == ("b1", "b2")
    assert change_stock(house, "books", out=["b3"], back=["b1"]).unavailable == ("b2", "b3")
    now = stock(house, "books")
    assert (now.unavailable, now.amendment) == (("b2", "b3"), 2)
    assert change_stock(house, "books", out=["b3"]).amendment == 2  # nothing changed
    with house.store.read() as tx:
        content = amendments.content_of(house.blobs, amendments.current(tx, "books"))
    assert content == {"unavailable": ["b2", "b3"]}


def test_new_items_join_with_their_text_and_may_go_out_of_stock_too(house: House, folder: Path) -> None:
    file = folder / "new.csv"
    file.write_text("item,title,text,genre\nn1,New one,About owls,nature\nb1,Known,x,crime\n")
    change_stock(house, "books", out=["b1"])
    made = add_items(house, "books", file)
    assert [(row["item"], row["attributes"]) for row in made.added] == [("n1", {"genre": "nature"})]
    assert made.unavailable == ("b1",)
    assert change_stock(house, "books", out=["n1"]).unavailable == ("b1", "n1")


def test_unknown_items_and_empty_or_contradicting_changes_change_nothing(house: House, folder: Path) -> None:
    with pytest.raises(NotFound, match="'b9'"):
        change_stock(house, "books", out=["b1", "b9"])
    with pytest.raises(BadInput, match="nothing to change"):
        change_stock(house, "books")
    with pytest.raises(BadInput, match="named twice"):
        change_stock(house, "books", out=["b1"], back=["b1"])
    (folder / "new.csv").write_text("item,title,text,genre\nb1,Known,x,crime\n")
    with pytest.raises(BadInput, match="no item that is new"):
        add_items(house, "books", folder / "new.csv")
    assert stock(house, "books").amendment is None


def test_a_model_without_text_takes_no_new_items(house: House, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(house, monkeypatch, "item-item.v1")
    with pytest.raises(BadInput, match=r"item-item\.v1") as caught:
        add_items(house, "books", folder / "new.csv")
    assert "hybrid-items.v1" in str(caught.value.hint)


def test_other_products_and_products_without_a_release_are_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="text-classification"):
        stock(house, "desk")
    monkeypatch.setattr(releases, "live", lambda tx, product: None)
    with pytest.raises(NotFound, match="no live release"):
        change_stock(house, "books", out=["b1"])


def test_the_command_line_shows_what_is_out_and_says_the_amendment(
    house: House, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["stock", "set", "books", "--out", "b2", "--workspace", str(folder)]) == 0
    said = capsys.readouterr()
    assert "b2" in said.out and "1 out of stock, 0 new (amendment 1)" in said.err
    assert run(["stock", "set", "books", "--in", "b9", "--workspace", str(folder), "--json"]) == 2
    assert run(["stock", "show", "books", "--workspace", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unavailable"] == ["b2"]
