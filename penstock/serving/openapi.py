"""The OpenAPI document of a gateway, from its products and endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

import penstock
from penstock import installed
from penstock.serving.endpoints import Endpoint
from penstock.serving.explained import MOST_EXPLAINED
from penstock.serving.problems import MEDIA_TYPE
from penstock.workspace.records import Product

_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": {"type": "string", "description": "the request id"},
        "where": {"type": ["string", "null"], "description": "the place of the mistake, e.g. inputs[3]"},
        "hint": {"type": ["string", "null"], "description": "what to do"},
    },
}
_PREDICTION = {
    "type": "object",
    "required": ["id", "product", "release", "outputs", "usage"],
    "properties": {
        "id": _TEXT,
        "product": _TEXT,
        "release": _TEXT,
        "outputs": {"type": "array", "items": {}},
        "usage": {
            "type": "object",
            "required": ["units", "amount", "currency"],
            "properties": {
                "units": {"type": "integer"},
                "amount": {"type": "string", "description": "decimal, in major units; the invoice is what counts"},
                "currency": _TEXT,
            },
        },
    },
}
_ERRORS = {
    "400": "The request cannot be read",
    "401": "No valid key",
    "402": "The credit is used up",
    "403": "The key may not do that",
    "404": "There is no such thing",
    "409": "The Idempotency-Key was used for another request",
    "413": "The body is too large",
    "422": "An input is not right",
    "429": "Too many requests, or the quota is used up",
    "503": "Busy or not available: see Retry-After",
}


def document(products: Mapping[str, Product], endpoints: Sequence[Endpoint]) -> bytes:
    """OpenAPI 3.1 as JSON."""
    paths: dict[str, dict[str, Any]] = {
        **{f"/v1/products/{name}/predict": {"post": _predict(product)} for name, product in products.items()},
        "/v1/models": {"get": _operation("The products that this key may call, with their releases")},
        "/healthz": {"get": _open_operation("Whether the process lives")},
        "/readyz": {"get": _open_operation("Whether requests are welcome")},
        "/metrics": {"get": _open_operation("Prometheus metrics", "text/plain")},
    }
    for endpoint in endpoints:
        operation = _operation(endpoint.summary or endpoint.path, _path_parameters(endpoint.path))
        if endpoint.method != "GET":
            operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Penstock gateway", "version": penstock.__version__},
            "paths": paths,
            "components": {
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
                "schemas": {"Problem": _PROBLEM, "Prediction": _PREDICTION},
            },
        }
    )


def _predict(product: Product) -> dict[str, Any]:
    """A product's predictions, in its task's own words."""
    task = installed.of(product)
    parameters: list[dict[str, Any]] = [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            "description": "repeat it to get the same answer again, counted once",
        },
    ]
    outputs = {"type": "object", "properties": {"outputs": {"type": "array", "items": dict(task.output_schema)}}}
    answer = {"allOf": [{"$ref": "#/components/schemas/Prediction"}, outputs]}
    operation = _operation(product.title or f"Predict ({product.task})", parameters, answer)
    inputs = {"type": "array", "minItems": 1, "items": dict(task.input_schema)}
    taken: dict[str, Any] = {"inputs": inputs}
    if task.explain is not None:
        units = f", counting {product.explain_units} units an input" if product.explain_units > 1 else ""
        told = f"answer with the words that decided (at most {MOST_EXPLAINED} inputs{units})"
        taken["explain"] = {"type": "boolean", "default": False, "description": told}
    shape = {"type": "object", "required": ["inputs"], "properties": taken}
    content: dict[str, Any] = {"application/json": {"schema": shape}}
    if task.uploads:
        files = {"type": "object", "additionalProperties": {"type": "string", "format": "binary"}}
        content["multipart/form-data"] = {"schema": files}
    operation["requestBody"] = {"required": True, "content": content}
    return operation


def _operation(
    summary: str, parameters: Sequence[Mapping[str, Any]] = (), answer: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    responses: dict[str, Any] = {
        "200": {"description": "Done", "content": {"application/json": {"schema": answer or {}}}}
    }
    responses |= {status: {"description": text, **problem} for status, text in _ERRORS.items()}
    return {"summary": summary, "security": [{"key": []}], "parameters": list(parameters), "responses": responses}


def _open_operation(summary: str, media: str = "application/json") -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": "Done", "content": {media: {}}}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)(?::\w+)?}", path)
    return [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]
