"""The document that programs read: every product under its own path, in the words of its task."""

from __future__ import annotations

import json
from typing import Any

import pytest
from serving.support import PRICE

from penstock import installed
from penstock.serving.openapi import document
from penstock.workspace.records import Product


def product(task: str, title: str = "") -> Product:
    return Product.model_validate({"task": task, "title": title, "data": "x.csv", "gate": {}, "price": PRICE})


def read(**products: Product) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(document(products, ()))
    return told


@pytest.mark.parametrize("name", installed.names())
def test_a_product_s_path_takes_and_gives_what_its_task_says(name: str) -> None:
    task = installed.get(name)
    predict = read(desk=product(name))["paths"]["/v1/products/desk/predict"]["post"]
    taken = predict["requestBody"]["content"]
    inputs = taken["application/json"]["schema"]["properties"]["inputs"]
    assert (inputs["items"], inputs["minItems"]) == (json.loads(json.dumps(task.input_schema)), 1)
    envelope, outputs = predict["responses"]["200"]["content"]["application/json"]["schema"]["allOf"]
    assert envelope == {"$ref": "#/components/schemas/Prediction"}
    assert outputs["properties"]["outputs"]["items"] == json.loads(json.dumps(task.output_schema))
    assert ("multipart/form-data" in taken) is task.uploads


def test_each_product_has_a_path_of_its_own() -> None:
    paths = read(desk=product("text-classification", "Helpdesk router"), kefu=product("text-classification"))["paths"]
    assert [path for path in paths if path.endswith("/predict")] == [
        "/v1/products/desk/predict",
        "/v1/products/kefu/predict",
    ]
    assert paths["/v1/products/desk/predict"]["post"]["summary"] == "Helpdesk router"
    assert "text-classification" in paths["/v1/products/kefu/predict"]["post"]["summary"]
