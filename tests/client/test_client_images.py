"""A customer's program sends image files and reads typed answers."""

from __future__ import annotations

import base64
from pathlib import Path

from penstock.client.images import ImageAnswer, Scored, image_inputs


def test_files_and_bytes_become_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    inputs = image_inputs([tmp_path / "a.png", str(tmp_path / "a.png"), b"\x89PNG"])
    assert [base64.b64decode(text) for text in inputs] == [b"\x89PNG"] * 3


def test_an_output_is_read_as_an_answer() -> None:
    output = {"label": "7", "score": 0.9, "top": [{"label": "7", "score": 0.9}, {"label": "1", "score": 0.1}]}
    assert ImageAnswer.from_output(output) == ImageAnswer("7", 0.9, (Scored("7", 0.9), Scored("1", 0.1)))
