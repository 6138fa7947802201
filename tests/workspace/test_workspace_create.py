"""`penstock init`: a folder that loads at once, and nothing of the user's overwritten."""

from pathlib import Path
from typing import Any

import pytest

from penstock import installed
from penstock.core.errors import BadInput, Conflict
from penstock.workspace.create import init_workspace
from penstock.workspace.loader import load
from penstock.workspace.records import Workspace


def make(folder: Path, **options: Any) -> Workspace:
    """A new workspace of a text classifier."""
    task = installed.get("text-classification")
    return init_workspace(folder, task=task.name, section=task.section, unit=task.unit, **options)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "Kunden Anfragen.v2.csv"
    file.write_text("text,label\nhello,greeting\n")
    return file


def test_a_new_workspace_loads_and_holds_a_copy_of_the_data(tmp_path: Path, rows: Path) -> None:
    made = make(tmp_path / "shop", data=rows)
    assert made == load(tmp_path / "shop")
    assert list(made.products) == ["kunden-anfragen"]
    product = made.products["kunden-anfragen"]
    assert (made.folder / product.data).read_text() == rows.read_text()
    assert product.test is None
    assert ".penstock/" in (made.folder / ".gitignore").read_text()


def test_a_test_file_comes_along(tmp_path: Path, rows: Path) -> None:
    test = tmp_path / "test.csv"
    test.write_text("text,label\nhi,greeting\n")
    product = make(tmp_path / "shop", data=rows, test=test, name="desk", title="Desk").products["desk"]
    assert (product.test, product.title) == ("data/test.csv", "Desk")


def test_data_that_lie_in_the_folder_already_stay_where_they_are(tmp_path: Path) -> None:
    file = tmp_path / "shop" / "rows" / "a.csv"
    file.parent.mkdir(parents=True)
    file.write_text("text,label\nhello,greeting\n")
    made = make(tmp_path / "shop", data=file)
    assert made.products["a"].data == "rows/a.csv"
    assert not (made.folder / "data").exists()


@pytest.mark.parametrize("title", ['say "hi" \\ bye', "tab\there \x7f \x01", "客服 [x] # {y}"])
def test_any_title_survives_the_file(tmp_path: Path, title: str) -> None:
    assert make(tmp_path / "shop", name="desk", title=title).products["desk"].title == title


def test_an_existing_workspace_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text("mine")
    with pytest.raises(Conflict, match=r"there is a penstock\.toml already"):
        make(tmp_path, name="desk")
    assert (tmp_path / "penstock.toml").read_text() == "mine"


def test_another_data_file_of_that_name_is_left_alone(tmp_path: Path, rows: Path) -> None:
    there = tmp_path / "shop" / "data" / rows.name
    there.parent.mkdir(parents=True)
    there.write_text("mine")
    with pytest.raises(Conflict, match="another file of that name"):
        make(tmp_path / "shop", data=rows)
    assert there.read_text() == "mine"
    assert not (tmp_path / "shop" / "penstock.toml").exists()


def test_without_the_data_file_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such file"):
        make(tmp_path / "shop", data=tmp_path / "absent.csv")
    assert not (tmp_path / "shop").exists()


def test_a_folder_of_files_comes_along_whole_and_never_over_another(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "cat").mkdir(parents=True)
    (pictures / "cat" / "1.png").write_bytes(b"png")
    made = make(tmp_path / "shop", data=pictures)
    assert made.products["pictures"].data == "data/pictures"
    assert (made.folder / "data" / "pictures" / "cat" / "1.png").read_bytes() == b"png"
    (tmp_path / "other" / "data" / "pictures").mkdir(parents=True)
    with pytest.raises(Conflict, match="another file of that name"):
        make(tmp_path / "other", data=pictures)


def test_a_workspace_inside_the_folder_of_its_data_is_refused_and_nothing_is_made(tmp_path: Path, rows: Path) -> None:
    with pytest.raises(BadInput, match="inside its own data"):
        make(tmp_path / "shop", data=tmp_path)
    assert list(tmp_path.iterdir()) == [rows]


def test_a_bad_product_name_says_what_a_name_is(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'Help Desk' is not a product name") as caught:
        make(tmp_path / "shop", name="Help Desk")
    assert "lower-case" in str(caught.value)
