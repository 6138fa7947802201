"""Files sent as a multipart form or as the body arrive as base64 inputs, within the limits of body and parts."""

from __future__ import annotations

import asyncio
import base64
import threading

import pytest
from starlette.requests import Request
from starlette.types import Message

from penstock.core.errors import BadInput
from penstock.serving.exchange import Exchange
from penstock.serving.problems import Malformed, TooLarge
from penstock.serving.turns import Workers
from penstock.serving.uploads import is_upload, read_uploads

BOUNDARY = "xyzzy"


def request_of(body: bytes, content_type: str, chunk: int = 50, length: int | None = None) -> Request:
    chunks = [body[start : start + chunk] for start in range(0, len(body), chunk)] or [b""]

    async def receive() -> Message:
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return Request(
        {"type": "http", "method": "POST", "path": "/", "headers": headers, "exchange": Exchange("r", False)}, receive
    )


def form_of(parts: list[tuple[str, str | None, bytes]]) -> bytes:
    body = b""
    for name, file, content in parts:
        named = f'; filename="{file}"' if file is not None else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def read(
    body: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}", limit: int = 10_000
) -> list[bytes]:
    return [base64.b64decode(text) for text in uploads(request_of(body, content_type), limit)]


def uploads(request: Request, limit: int) -> list[str]:
    decoders = Workers("decoder", 1, most_waiting=2)
    decoders.start()
    try:
        return asyncio.run(read_uploads(request, decoders, "quay", limit, 3))
    finally:
        decoders.close()


def test_files_of_a_form_arrive_in_their_order() -> None:
    contents = [bytes(range(256)), b"\r\n--xyzz", b""]
    parts = [(name, f"{name}.png", content) for name, content in zip("bab", contents, strict=True)]
    assert read(form_of(parts)) == contents


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg; q=1", "IMAGE/WEBP"])
def test_an_image_as_the_body_is_one_input(kind: str) -> None:
    assert is_upload(request_of(b"", kind))
    assert read(bytes(range(256)) * 4, kind) == [bytes(range(256)) * 4]


def test_json_is_no_upload() -> None:
    assert not is_upload(request_of(b"{}", "application/json"))
    assert is_upload(request_of(b"", f"multipart/form-data; boundary={BOUNDARY}"))


def test_a_body_beyond_the_limit_is_refused_before_it_is_kept() -> None:
    with pytest.raises(TooLarge):
        read(b"x" * 10_001, "image/png")
    with pytest.raises(TooLarge):
        read(form_of([("a", "a.png", b"x" * 10_000)]))
    with pytest.raises(TooLarge):
        uploads(request_of(b"", "image/png", length=20_000), 10_000)


def test_a_form_is_taken_apart_in_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A form of one file with thousands of headers takes seconds of pure Python, in which nobody else may wait."""
    seen = []

    def noted(content: bytes) -> str:
        seen.append(threading.current_thread().name)
        return base64.b64encode(content).decode()

    monkeypatch.setattr("penstock.serving.uploads._base64", noted)
    assert read(form_of([("a", "a.png", b"x")])) == [b"x"] and read(b"y", "image/png") == [b"y"]
    assert seen == ["decoder-0", "decoder-0"]


def test_more_files_than_inputs_are_refused() -> None:
    with pytest.raises(BadInput, match="more than 3 files") as caught:
        read(form_of([("a", f"{n}.png", b"x") for n in range(4)]))
    assert caught.value.where == "inputs"


def test_a_field_that_is_no_file_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadInput, match="no file") as caught:
        read(form_of([("a", "a.png", b"x"), ("note", None, b"hello")]))
    assert "curl" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"anything", "multipart/form-data"),
        (b"anything", f"multipart/form-data; boundary={BOUNDARY}"),
        (
            b"--xyzzy\r\nContent-Disposition: form-data\r\n\r\nx\r\n--xyzzy--\r\n",
            f"multipart/form-data; boundary={BOUNDARY}",
        ),
        (b"--xyzzy\r\nno header", f"multipart/form-data; boundary={BOUNDARY}"),
        (form_of([("a", "a.png", b"x"), ("b", "b.png", b"y")])[:-4], f"multipart/form-data; boundary={BOUNDARY}"),
        (form_of([("a", "a.png", b"x"), ("b", "b.png", b"y")])[:-20], f"multipart/form-data; boundary={BOUNDARY}"),
    ],
)
def test_a_broken_form_is_malformed(body: bytes, content_type: str) -> None:
    with pytest.raises(Malformed):
        read(body, content_type)


def test_a_form_without_files_has_no_inputs() -> None:
    assert read(form_of([])) == []
