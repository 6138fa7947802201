"""Customers read words for customers: nobody tells them to run the operator's commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

import penstock.serving
from penstock.core.errors import BadInput, NotFound, PenstockError
from penstock.serving.exchange import _decoded
from penstock.serving.problems import problem_of


def test_a_product_without_a_price_reads_as_not_set_up_yet() -> None:
    error = NotFound("'desk' has no price", where="products.desk.price", hint="set its price, run `penstock apply`")
    problem = problem_of(error, "req_1")
    told = json.loads(problem.body)
    assert problem.status == 503 and told["instance"] == "req_1"
    assert "penstock apply" not in problem.body.decode() and "not set up" in told["detail"]
    assert "nothing was billed" in told["hint"]


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no prices are published yet", where="catalogue", hint="run `penstock apply`"),
        NotFound("no invoice '7'", where="invoice", hint="see `penstock invoice list`"),
        BadInput("set it in penstock.toml", where="x"),
    ],
)
def test_no_command_of_the_operator_s_leaves(error: PenstockError) -> None:
    body = problem_of(error, "req_1").body.decode()
    assert "penstock.toml" not in body and not re.search(r"penstock (apply|invoice)", body)
    if error.where == "invoice":
        assert "no invoice '7'" in body and problem_of(error, "r").status == 404


def test_what_helps_a_customer_stays() -> None:
    error = BadInput("'Refnd' is not a label of desk", where="correction", hint="did you mean 'refund'?")
    assert json.loads(problem_of(error, "r").body)["hint"] == "did you mean 'refund'?"


def test_the_gateway_s_own_words_name_no_command() -> None:
    words = re.compile(r"""["'][^"'\n]*(`penstock [a-z]|penstock\.toml)""")
    files = [one for one in Path(penstock.serving.__file__).parent.glob("*.py") if one.name != "problems.py"]
    assert len(files) > 10
    assert [file.name for file in files if words.search(file.read_text(encoding="utf-8"))] == []


class _Body(msgspec.Struct):
    inputs: list[str] | None = None
    top: int = 1


@pytest.mark.parametrize(
    ("body", "where", "says"),
    [
        (b'{"inputs": "x"}', "inputs", "must be a list or null, not text"),
        (b'{"inputs": [1]}', "inputs[0]", "must be text, not a whole number"),
        (b'{"top": 1.5}', "top", "must be a whole number, not a number"),
        (b"[]", "body", "must be an object, not a list"),
    ],
)
def test_a_value_of_another_type_is_told_in_jsons_words(body: bytes, where: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        _decoded(body, _Body)
    assert (refused.value.where, refused.value.message) == (where, says)
