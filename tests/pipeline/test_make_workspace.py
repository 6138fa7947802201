"""`penstock init`: a copy of a task's example, or a workspace around one's own data."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import installed
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.pipeline.check import check_words
from penstock.pipeline.start import EXAMPLES, make_workspace
from penstock.workspace.loader import load


@pytest.mark.parametrize("name", installed.names())
def test_init_of_a_task_is_its_example_ready_to_be_checked(tmp_path: Path, name: str) -> None:
    task = installed.get(name)
    assert (EXAMPLES / task.example / "penstock.toml").is_file()
    made = make_workspace(tmp_path / "shop", name)
    assert made == load(tmp_path / "shop")
    mine = [product for product in made.products.values() if product.task == name]
    assert mine and all((made.folder / product.data).exists() for product in mine)
    assert ".penstock/" in (made.folder / ".gitignore").read_text()
    assert not (made.folder / ".penstock").exists()


def test_a_copy_holds_the_data_of_its_example_and_changing_it_changes_no_example(tmp_path: Path) -> None:
    made = make_workspace(tmp_path / "shop", "text-classification")
    product = made.products["helpdesk"]
    original = EXAMPLES / "helpdesk" / product.data
    before = original.read_bytes()
    copied = made.folder / product.data
    assert copied.read_bytes() == before
    copied.write_text("text,label\n")
    assert original.read_bytes() == before


def test_an_example_never_goes_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Conflict, match="not empty"):
        make_workspace(tmp_path, "text-classification")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_one_s_own_data_make_a_workspace_of_that_task_without_its_example(tmp_path: Path) -> None:
    rows = [f"hello {n},greeting\nsee you {n},leaving\n" for n in range(9)]
    (tmp_path / "desk.csv").write_text("text,label\n" + "".join(rows))
    made = make_workspace(tmp_path / "shop", "text-classification", data=tmp_path / "desk.csv")
    assert [(name, product.task, product.price.unit) for name, product in made.products.items()] == [
        ("desk", "text-classification", "prediction")
    ]


@pytest.mark.parametrize("name", installed.names())
def test_one_s_own_data_make_a_workspace_of_any_task_that_loads_and_whose_words_exist(
    tmp_path: Path, name: str
) -> None:
    made = make_workspace(tmp_path / "shop", name, name="mine")
    assert made == load(tmp_path / "shop")
    assert made.products["mine"].task == name
    check_words(made, "mine", made.products["mine"])


def test_what_makes_no_workspace_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="unknown task 'oracle'"):
        make_workspace(tmp_path / "shop", "oracle")
    with pytest.raises(BadInput, match="needs a data file"):
        make_workspace(tmp_path / "shop", "text-classification", test=tmp_path / "test.csv")
    assert not (tmp_path / "shop").exists()
