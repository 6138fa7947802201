"""`penstock init --data` on files nobody prepared: what was taken is told and check passes, or nothing stays."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pytest

from penstock.cli.root import run
from penstock.core.errors import BadInput
from penstock.pipeline.check import check_workspace
from penstock.pipeline.start import make_workspace
from penstock.workspace.loader import load

TASK = "text-classification"
ENGLISH = [(f"where is my parcel number {n}, it’s late", "parcel") for n in range(20)]
ENGLISH += [(f"please pay back bill {n} now", "bill") for n in range(20)]
CHINESE = [(f"我的包裹{n}什么时候到，已经等了三天了", "物流") for n in range(20)]
CHINESE += [(f"我要退款{n}，商品有问题", "退款") for n in range(20)]
Rows = Sequence[Sequence[str]]


STARS = [(text, "1" if label == "bill" else "5") for text, label in ENGLISH]


def table(header: Sequence[str], rows: Rows = ENGLISH, between: str = ",") -> str:
    lines = [between.join(header)] if header else []
    lines += [between.join(f'"{cell}"' if between in cell else cell for cell in row) for row in rows]
    return "\n".join(lines) + "\n"


def numbered(rows: Rows) -> Rows:
    return [(str(n), *row) for n, row in enumerate(rows)]


def listed(text: str, label: str) -> list[dict[str, str]]:
    return [{text: one, label: other} for one, other in ENGLISH]


def labelled_by_people() -> list[dict[str, object]]:
    return [
        {"data": {"said": text}, "annotations": [{"result": [{"type": "choices", "value": {"choices": [label]}}]}]}
        for text, label in ENGLISH
    ]


FILES: dict[str, tuple[bytes, str, str]] = {
    "capitals.csv": (table(["Text", "LABEL"]).encode(), "Text", "LABEL"),
    "chinese.csv": (table(["内容", "标签"], CHINESE).encode(), "内容", "标签"),
    "semicolons.csv": (table(["Message", "Intent"], between=";").encode(), "Message", "Intent"),
    "pipes.csv": (table(["text", "category"], between="|").encode(), "text", "category"),
    "tabs.tsv": (table(["Utterance", "intent"], between="\t").encode(), "Utterance", "intent"),
    "index.csv": (table(["", "sentence", "category"], numbered(ENGLISH)).encode(), "sentence", "category"),
    "id.csv": (table(["id", "review", "y"], numbered(ENGLISH)).encode(), "review", "y"),
    "headless.csv": (table([]).encode(), "text", "label"),
    "swapped.csv": (table(["label", "text"], [row[::-1] for row in ENGLISH]).encode(), "text", "label"),
    "strange.csv": (table(["a1", "b2"]).encode(), "a1", "b2"),
    "mark.csv": (b"\xef\xbb\xbf" + table(["Text", "Label"]).encode(), "Text", "Label"),
    "utf16.csv": (table(["text", "label"]).encode("utf-16"), "text", "label"),
    "windows.csv": (table(["text", "label"]).encode("cp1252"), "text", "label"),
    "gbk.csv": (table(["评论", "情感"], CHINESE).encode("gbk"), "评论", "情感"),
    "list.json": (json.dumps(listed("Message", "Category")).encode(), "Message", "Category"),
    "lines.jsonl": ("\n".join(map(json.dumps, listed("query", "intent"))).encode(), "query", "intent"),
    "packed.csv.gz": (gzip.compress(table(["Text", "Label"]).encode()), "Text", "Label"),
    "studio.json": (json.dumps(labelled_by_people()).encode(), "text", "label"),
    "stars.csv": (table(["review", "stars"], STARS).encode(), "review", "stars"),
}


@pytest.mark.parametrize("name", FILES)
def test_an_odd_file_becomes_a_workspace_that_check_accepts(tmp_path: Path, name: str) -> None:
    content, text, label = FILES[name]
    (tmp_path / name).write_bytes(content)
    told: list[str] = []
    made = make_workspace(tmp_path / "shop", TASK, data=tmp_path / name, say=told.append)
    (product,) = made.products.values()
    assert {"text": "text", "label": "label", **product.columns} == {"text": text, "label": label}
    assert any(f"columns taken: text = {text!r}, label = {label!r}" in note for note in told)
    (facts,) = check_workspace(load(tmp_path / "shop"))
    assert facts["train"] + facts["test"] == 40
    assert (tmp_path / name).read_bytes() == content  # the owner's file stays as it is


def test_a_conversion_says_which_file_changed_and_where_the_backbone_stands(tmp_path: Path) -> None:
    file = tmp_path / "gbk.csv"
    file.write_bytes(FILES["gbk.csv"][0])
    told: list[str] = []
    make_workspace(tmp_path / "shop", TASK, data=file, say=told.append)
    assert f"the workspace gets a copy in UTF-8, as csv; {file} itself is unchanged" in told
    lines = (tmp_path / "shop" / "penstock.toml").read_text(encoding="utf-8").splitlines()
    section = lines.index("# [backbones.multilingual]")
    (backbone,) = [at for at, line in enumerate(lines) if line.startswith('# backbone = "multilingual"')]
    assert section < backbone and "[backbones.multilingual] above" in lines[backbone]
    assert "`backbone` below" in lines[section - 1]


def test_a_workbook_becomes_a_workspace(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [("Text", "Label"), *ENGLISH]:
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    made = make_workspace(tmp_path / "shop", TASK, data=tmp_path / "book.xlsx")
    assert made.products["book"].columns == {"text": "Text", "label": "Label"}


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "the file is empty"),
    "header.csv": (b"text,label\n", "holds no rows"),
    "texts.csv": (table(["text"], [(text,) for text, _ in ENGLISH]).encode(), "which column is the label"),
    "one.csv": (table(["text", "label"], ENGLISH[:20]).encode(), "all rows have the label 'parcel'"),
    "rare.csv": (table(["text", "label"], [*ENGLISH, ("hi there", "hi")]).encode(), "--rare-labels merge:other"),
    "ragged.csv": ((table(["text", "label"]) + "a,b,c\n").encode(), "3 columns, the header 2"),
    "unlabelled.csv": ((table(["text", "label"]) + "nothing said,\n").encode(), "the row has no label"),
    "twice.csv": (table(["text", "text", "label"], [(t, t, k) for t, k in ENGLISH]).encode(), "is there twice"),
    "binary.csv": (bytes(range(256)) * 9, "no encoding fits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_check_would_refuse_is_refused_at_once_and_nothing_stays(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        make_workspace(tmp_path / "shop", TASK, data=tmp_path / name)
    assert message in str(caught.value)
    assert not (tmp_path / "shop").exists()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput):
        make_workspace(tmp_path / "there", TASK, data=tmp_path / name)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine.txt"]


def test_columns_that_cannot_be_told_are_all_listed_and_may_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(text, "u" if n % 2 else "v", label) for n, (text, label) in enumerate(ENGLISH)]
    (tmp_path / "a.csv").write_text(table(["c1", "c2", "c3"], rows), encoding="utf-8")
    assert run(["init", str(tmp_path / "shop"), "--data", str(tmp_path / "a.csv")]) == 2
    said = capsys.readouterr().err
    assert "which column is the label? The columns are: 'c1', 'c2', 'c3'" in said
    assert "say it: --label-column NAME" in said
    named = ["--label-column", "c3", "--text-column", "c1"]
    assert run(["init", str(tmp_path / "shop"), "--data", str(tmp_path / "a.csv"), *named]) == 0
    assert load(tmp_path / "shop").products["a"].columns == {"text": "c1", "label": "c3"}
    assert run(["init", str(tmp_path / "b"), "--data", str(tmp_path / "a.csv"), "--label-column", "no"]) == 2
    assert "no column 'no'" in capsys.readouterr().err


def test_rare_labels_are_settled_by_an_option(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table(["text", "label"], [*ENGLISH, ("hi there", "hi")]), encoding="utf-8")
    made = make_workspace(tmp_path / "shop", TASK, data=tmp_path / "a.csv", rare_labels="drop")
    assert made.products["a"].cleaning.rare_labels == "drop"


OTHERS: list[tuple[str, str, Callable[[dict[str, object]], object]]] = [
    (
        "tabular-classification",
        "Age,Income,Churn\n" + "".join(f"{n % 50},{n * 7 % 90},{'yes' if n % 3 else 'no'}\n" for n in range(120)),
        lambda product: product["options"],
    ),
    (
        "knowledge-answering",
        "Query,Reply,paraphrases\n"
        + "".join(
            f"Where is shop {n}?,In street {n}.,find shop {n}|way to shop {n}|shop {n} address\n" for n in range(12)
        ),
        lambda product: product["columns"],
    ),
    (
        "recommendation",
        "Customer,SKU,Date\n" + "".join(f"u{n % 12},i{n * 5 % 17},2026-01-{n % 28 + 1:02}\n" for n in range(200)),
        lambda product: product["columns"],
    ),
]


@pytest.mark.parametrize(("task", "content", "told"), OTHERS, ids=[each[0] for each in OTHERS])
def test_other_tasks_find_their_columns_too(
    tmp_path: Path, task: str, content: str, told: Callable[[dict[str, object]], object]
) -> None:
    (tmp_path / "a.csv").write_text(content)
    made = make_workspace(tmp_path / "shop", task, data=tmp_path / "a.csv")
    found = told(made.products["a"].model_dump())
    assert found in (
        {"target": "Churn"},
        {"question": "Query", "answer": "Reply"},
        {"user": "Customer", "item": "SKU", "time": "Date"},
    )


def test_a_table_without_a_likely_target_lists_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("p,q,r\n1,2,3\n")
    with pytest.raises(BadInput, match=r"which column is the target\? The columns are: 'p', 'q', 'r'"):
        make_workspace(tmp_path / "shop", "tabular-regression", data=tmp_path / "a.csv")


# language


def test_chinese_texts_get_no_english_backbone_and_are_told_which_they_could_have(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table(["text", "label"], CHINESE), encoding="utf-8")
    told: list[str] = []
    made = make_workspace(tmp_path / "shop", TASK, data=tmp_path / "a.csv", say=told.append)
    assert (made.products["a"].backbone, dict(made.backbones)) == (None, {})
    assert any("the texts are Chinese: no English backbone" in note for note in told)
    toml = (tmp_path / "shop" / "penstock.toml").read_text(encoding="utf-8")
    assert "hub:BAAI/bge-small-zh-v1.5" in toml and "MIT" in toml and "penstock pretrain" in toml
    lines = toml.splitlines()
    wanted = ("# [backbones.multilingual]", '# source = "hub:BAAI', "# backbone = ")
    taken = [line.removeprefix("# ") if line.startswith(wanted) else line for line in lines]
    (tmp_path / "shop" / "penstock.toml").write_text("\n".join(taken), encoding="utf-8")
    again = load(tmp_path / "shop")  # what the comments offer works when they are taken away
    assert again.products["a"].backbone == "multilingual"
    assert again.backbones["multilingual"].source == "hub:BAAI/bge-small-zh-v1.5"


def test_english_texts_keep_the_english_backbone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table(["text", "label"]), encoding="utf-8")
    assert make_workspace(tmp_path / "shop", TASK, data=tmp_path / "a.csv").products["a"].backbone == "english"


@pytest.mark.parametrize("name", ["chnsenticorp", "online_shopping_10_cats"])
def test_real_chinese_reviews_are_seen_to_be_chinese(tmp_path: Path, shared_data: Path, name: str) -> None:
    with gzip.open(shared_data / name / "test.csv.gz", "rt", encoding="utf-8") as stream:
        (tmp_path / "reviews.csv").write_text("".join(_spread(stream.readlines())), encoding="utf-8")
    told: list[str] = []
    made = make_workspace(tmp_path / "shop", TASK, data=tmp_path / "reviews.csv", rare_labels="drop", say=told.append)
    assert made.products["reviews"].backbone is None
    assert any("Chinese" in note for note in told)


def _spread(lines: list[str]) -> list[str]:
    """The header and some 400 rows of all parts of the file, which may be sorted by label."""
    return [lines[0], *lines[1 :: max(1, len(lines) // 400)]]
