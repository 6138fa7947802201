"""What customers may send to an image product, and what they are told when an image cannot be read."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from penstock.core.errors import BadInput
from penstock.tasks.images.data.decode import decode, has_colour
from penstock.tasks.images.data.rows import Picture, to_row
from penstock.tasks.images.model.form import Form
from penstock.tasks.images.model.pixels_linear import PixelsLinear, values_of
from penstock.tasks.images.task import TASK, correction, inputs, measure, parse, probes, render, split
from penstock.workspace.records import Product


def model(shape: tuple[int, int, int] = (12, 16, 1), converts: bool = False) -> PixelsLinear:
    values = values_of(np.zeros((1, *shape), dtype=np.uint8)).shape[1]
    weights = np.random.default_rng(0).normal(size=(values, 3)).astype(np.float32)
    return PixelsLinear(("a", "b", "c"), Form(shape, converts, 1.0), weights, np.zeros(3, dtype=np.float32))


def sent(image: Image.Image, kind: str = "PNG", **options: Any) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return base64.b64encode(file.getvalue()).decode()


def photo(size: tuple[int, int] = (40, 30)) -> Image.Image:
    ramp = np.linspace(0, 255, size[0] * size[1] * 3).astype(np.uint8).reshape(size[1], size[0], 3)
    ramp[:, :, 1] = 255 - ramp[:, :, 1]
    return Image.fromarray(ramp)


def one(value: Any, asked: PixelsLinear | None = None) -> np.ndarray[Any, Any]:
    (pixels,) = parse([value], asked or model())
    assert pixels.dtype == np.uint8
    result: np.ndarray[Any, Any] = pixels
    return result


GRAY = photo().convert("L")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_image_arrives_in_the_models_size(kind: str) -> None:
    pixels = one(sent(GRAY, kind))
    assert pixels.shape == (12, 16, 1)
    expected = np.asarray(GRAY.resize((16, 12), Image.Resampling.BILINEAR))[:, :, None]
    assert np.abs(pixels.astype(int) - expected).mean() < 3


def test_an_image_of_the_right_size_arrives_bit_by_bit() -> None:
    exact = np.random.default_rng(1).integers(0, 256, (12, 16), dtype=np.uint8)
    assert one(sent(Image.fromarray(exact))).tobytes() == exact.tobytes()
    assert one("data:image/png;base64," + sent(Image.fromarray(exact))).tobytes() == exact.tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16", "1"])
def test_grays_in_other_modes_are_the_same_grays(mode: str) -> None:
    gray = Image.fromarray(np.where(np.eye(12, 16) > 0, 255, 0).astype(np.uint8))
    image = gray.convert(mode) if mode != "I;16" else Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    assert one(sent(image)).tobytes() == np.asarray(gray).tobytes()


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (16, 12), (0, 0, 0, 0))
    assert (one(sent(clear)) == 255).all()


def test_a_photo_is_turned_as_its_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = one(sent(photo((16, 12)).convert("L"), "JPEG", exif=exif), model((16, 12, 1)))
    assert turned.shape == (16, 12, 1)
    upright = one(sent(photo((16, 12)).convert("L").rotate(-90, expand=True), "JPEG"), model((16, 12, 1)))
    assert np.abs(turned.astype(int) - upright).mean() < 4


def test_colours_are_refused_by_a_model_of_grays_unless_it_was_trained_on_turned_ones() -> None:
    with pytest.raises(BadInput, match="shades of gray only"):
        one(sent(photo()))
    assert one(sent(photo()), model(converts=True)).shape == (12, 16, 1)
    assert one(sent(photo()), model((12, 16, 3))).shape == (12, 16, 3)
    assert one(sent(GRAY), model((12, 16, 3))).shape == (12, 16, 3), "a gray photo is a photo"


def png_of(width: int, height: int, rows: bytes = b"") -> str:
    """A PNG that promises any size in its header."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(content).decode()


def many_scans() -> str:
    file = io.BytesIO()
    GRAY.save(file, "JPEG", progressive=True)
    content = file.getvalue()
    scan = content[content.rindex(b"\xff\xda") : -2]
    return base64.b64encode(content[:-2] + scan * 100 + b"\xff\xd9").decode()


WHOLE = base64.b64decode(sent(GRAY))
JPEG = base64.b64decode(sent(GRAY, "JPEG"))
BAD: dict[str, Callable[[], Any]] = {
    "null": lambda: None,
    "true": lambda: True,
    "a number": lambda: 7,
    "a list": lambda: [1, 2],
    "an object": lambda: {"image": sent(GRAY)},
    "nothing": lambda: "",
    "spaces": lambda: "   ",
    "no base64": lambda: "%%%",
    "half of a surrogate pair": lambda: "\ud800",
    "base64 of text": lambda: base64.b64encode(b"hello").decode(),
    "an address": lambda: "https://example.com/cat.png",
    "a data address without base64": lambda: "data:image/png,abc",
    "a PNG cut short": lambda: base64.b64encode(WHOLE[: len(WHOLE) // 2]).decode(),
    "a PNG cut in its header": lambda: base64.b64encode(WHOLE[:20]).decode(),
    "a JPEG cut short": lambda: base64.b64encode(JPEG[: len(JPEG) // 2]).decode(),
    "a PNG with a wrong byte": lambda: base64.b64encode(WHOLE[:60] + b"\0\1\2" + WHOLE[63:]).decode(),
    "a bomb of 60,000 x 60,000": lambda: png_of(60_000, 60_000),
    "a bomb below Pillow's own limit": lambda: png_of(5_000, 5_000, bytes(5_000 * 5_001)),
    "a PNG of no width": lambda: png_of(0, 10),
    "a PNG without rows": lambda: png_of(10, 10),
    "a JPEG of a hundred scans": many_scans,
    "a GIF": lambda: sent(GRAY, "GIF"),
    "a TIFF": lambda: sent(GRAY, "TIFF"),
    "inks": lambda: sent(photo().convert("CMYK"), "JPEG"),
    "colours for a model of grays": lambda: sent(photo()),
    "an SVG": lambda: base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode(),
    "more bytes than any image": lambda: "A" * 14_000_000,
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_image_is_named_by_its_place(name: str) -> None:
    good = sent(GRAY)
    with pytest.raises(BadInput) as caught:
        parse([good, good, good, BAD[name](), good], model())
    assert caught.value.where == "inputs[3]"
    assert caught.value.message and caught.value.hint


def test_the_pixels_of_a_request_are_limited_together() -> None:
    large = png_of(4_000, 4_000, bytes(4_000 * 4_001))
    with pytest.raises(BadInput, match="40,000,000 pixels together") as caught:
        parse([large, large, large], model())
    assert caught.value.where == "inputs[2]"


@settings(max_examples=150, deadline=None)
@given(data=st.data(), source=st.sampled_from([WHOLE, JPEG, base64.b64decode(sent(GRAY, "WEBP"))]))
def test_damaged_bytes_are_bad_input_or_an_image_but_never_another_error(data: st.DataObject, source: bytes) -> None:
    damaged = bytearray(source)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged
    try:
        assert one(base64.b64encode(bytes(cut)).decode(), model(converts=True)).shape == (12, 16, 1)
    except BadInput as error:
        assert error.where == "inputs[0]"


def test_an_answer_names_the_three_likeliest_labels() -> None:
    output = render(model(), None, np.array([0.2, 0.7, 0.1], dtype=np.float32))
    assert output["label"] == "b" and output["score"] == 0.7
    assert [each["label"] for each in output["top"]] == ["b", "a", "c"]


def test_probes_are_images_that_the_model_answers() -> None:
    asked = model((9, 7, 3))
    assert np.isfinite(asked.predict(probes(asked))).all()


def test_a_correction_is_the_image_as_it_was_sent_with_its_right_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is recorded between other customers' commits: nothing may be decoded there."""
    monkeypatch.setattr("PIL.Image.open", lambda *arguments, **options: pytest.fail("an image was opened"))
    assert correction("iVBORw0KGgo=", " cat ") == {"file": "iVBORw0KGgo=", "label": "cat"}
    for asked, said in (("iVBORw0KGgo=", "  "), ("iVBORw0KGgo=", "x" * 201), ({"age": 41}, "cat")):
        with pytest.raises(BadInput) as caught:
            correction(asked, said)
        assert caught.value.where == "correction"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "I;16", "1"])
def test_an_image_is_the_same_whatever_is_converted_at_once(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (23, 17, 4), dtype=np.uint8)
    image = Image.fromarray(noise[:, :, :2].copy().view(np.uint16)[:, :, 0])
    if mode != "I;16":
        image = Image.fromarray(noise).convert(mode)
    content = base64.b64decode(sent(image))
    whole = decode(content, "here")
    monkeypatch.setattr("penstock.tasks.images.data.decode.BAND_PIXELS", 40)
    banded = decode(content, "here")
    assert whole.shape == banded.shape and whole.tobytes() == banded.tobytes()
    assert has_colour(banded) == (mode in ("RGB", "RGBA", "P"))


def test_measures_name_wrong_answers_by_their_files() -> None:
    gray = np.asarray(GRAY)[:, :, None]
    rows = [to_row(Picture(gray, label, f"{label}/{n}.png")) for n, label in enumerate("abcabc")]
    product = Product.model_validate(
        {"task": TASK.name, "data": "d", "gate": {}, "price": {"tiers": [{"unit_price": "0.001"}]}}
    )
    pictures = split(rows, product)
    asked = model((30, 40, 1))
    measured = measure(asked, pictures, asked.predict(inputs(pictures)), 0)
    assert list(measured.quality) == ["accuracy", "macro_f1", "ece"]
    assert measured.classes is not None
    assert {wrong.text for wrong in measured.classes.worst_errors} <= set(pictures.origins)
    assert len(measured.classes.worst_errors) == 4
