"""Turns the bytes of one image file into pixels, within limits that are checked before anything is decoded.

Used for data files and for what customers send, so that a model is asked in the form it was trained on.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from penstock.core.errors import BadInput

Pixels: TypeAlias = npt.NDArray[np.uint8]
Colour: TypeAlias = Literal["gray", "rgb"]

MOST_PIXELS = 20_000_000  # a photo of 20 megapixels, in a file of 20 kB maybe: 160 MB at the peak, 320 MB as WebP
MOST_BYTES = 10_000_000
WIRE_FORMATS = ("PNG", "JPEG", "WEBP")
FILE_FORMATS = (*WIRE_FORMATS, "BMP", "GIF", "TIFF", "PPM")
MOST_SCANS = 64  # a progressive JPEG has about 10; each of thousands would be a pass over all pixels, for 60 bytes
BAND_PIXELS = 500_000  # converted at once
COLOURED = 32  # by how much channels must differ to count as colour: JPEG's rounding moves grays by up to about 10
COLOURED_SHARE = 0.01  # of the pixels
_ORIENTATION = 0x0112
_SHOW = 'send the file\'s bytes in base64: {"inputs": ["iVBORw0KGgo…"]}, or the file itself as multipart/form-data'


@dataclass(frozen=True)
class Limits:
    """formats: those that may be read. pixels, size: the most of one image, decoded and as a file."""

    formats: tuple[str, ...] = WIRE_FORMATS
    pixels: int = MOST_PIXELS
    size: int = MOST_BYTES


WIRE = Limits()
FILES = Limits(FILE_FORMATS, size=100_000_000)


def content_of(value: Any, where: str) -> bytes:
    """The bytes of an image in base64, also as a data: address. Raises BadInput at `where`."""
    if not isinstance(value, str):
        raise BadInput(f"an image must be a text in base64, not {_json_type(value)}", where=where, hint=_SHOW)
    text = value
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise BadInput("the data: address is not in base64", where=where, hint="data:image/png;base64,iVBOR…")
    elif text[:8].lower().startswith(("http://", "https://")):
        raise BadInput("an address is not fetched", where=where, hint=_SHOW)
    if len(text) > WIRE.size * 4 // 3 + 4:
        raise BadInput(f"the image has more than {WIRE.size:,} bytes", where=where, hint="send it smaller")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"the text is not base64: {error}", where=where, hint=_SHOW) from None


def decode(content: bytes, where: str, limits: Limits = WIRE) -> Pixels:
    """The image upright as uint8 (height, width, 1) or (height, width, 3): its first frame, transparency on white.

    Raises BadInput at `where` for another format, too many pixels or bytes, inks (CMYK), numbers beyond 16 bits, and
    damaged content.
    """
    if len(content) > limits.size:
        raise BadInput(
            f"the image has {len(content):,} bytes; at most {limits.size:,} are read",
            where=where,
            hint="send it smaller: a model sees a few hundred pixels a side at most",
        )
    if not content:
        raise BadInput("the image is empty", where=where, hint=f"send {_listed(limits.formats)}")
    with _reading(where):
        return _array(_upright(_opened(content, where, limits)), where)


def size_of(content: bytes, where: str, limits: Limits = WIRE) -> tuple[int, int]:
    """Height and width as `decode` would give them, by the header alone. Raises BadInput like it."""
    with _reading(where):
        image = _opened(content, where, limits)
        return (image.width, image.height) if _turn(image) >= 5 else (image.height, image.width)


def fitted(pixels: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """The image as (height, width, channels): stretched to the size, colours as luminance (ITU-R 601) or repeated."""
    height, width, channels = shape
    if pixels.shape == shape:
        return pixels
    from PIL import Image

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    mode = "L" if channels == 1 else "RGB"
    image = image if image.mode == mode else image.convert(mode)  # converting to the same mode is a copy
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(height, width, channels)


def has_colour(pixels: Pixels) -> bool:
    """Whether more than a trace of it is no shade of gray."""
    if pixels.shape[2] == 1:
        return False
    coloured = 0
    for band in _bands(*pixels.shape[:2]):
        red, green, blue = (pixels[band, :, channel] for channel in range(3))
        most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
        coloured += int(np.count_nonzero(most - least > COLOURED))
    height, width, _ = pixels.shape
    return bool(coloured > COLOURED_SHARE * (height * width))


def _opened(content: bytes, where: str, limits: Limits) -> Any:
    """The image by its header alone. Raises BadInput when it is none, or too large."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(content), formats=limits.formats)
    except UnidentifiedImageError:
        raise BadInput(
            f"this is no image that can be read: it begins with {content[:8]!r}",
            where=where,
            hint=f"send {_listed(limits.formats)}, whole and unchanged",
        ) from None
    if image.width * image.height > limits.pixels:
        raise BadInput(
            f"the image has {image.width:,} x {image.height:,} pixels; at most {limits.pixels:,} are decoded",
            where=where,
            hint="scale it down before sending it",
        )
    if image.format in ("JPEG", "MPO") and content.count(b"\xff\xda") > MOST_SCANS:
        raise BadInput(f"the JPEG is made of more than {MOST_SCANS} scans", where=where, hint="save it again")
    return image


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Whatever Pillow raises for a damaged file (it has no common class of errors) says so at `where`."""
    from PIL import Image

    try:
        yield
    except BadInput:
        raise
    except Image.DecompressionBombError as error:
        raise BadInput(f"the image is too large: {error}", where=where, hint="scale it down") from None
    except Exception as error:
        raise BadInput(
            f"the image is damaged: {_first_line(error)}", where=where, hint="open it, save it again and send that"
        ) from error


def _upright(image: Any) -> Any:
    """The first frame, decoded, turned as its camera noted."""
    from PIL import ImageOps

    image.load()
    return ImageOps.exif_transpose(image) if _turn(image) > 1 else image


def _turn(image: Any) -> int:
    """How the camera was held: 1 is upright, 5 to 8 exchange height and width."""
    turn: Any = 1
    with suppress(Exception):  # a damaged note about the camera harms no pixel
        turn = image.getexif().get(_ORIENTATION, 1)
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _array(image: Any, where: str) -> Pixels:
    """Decoded pixels as uint8, one channel or three: band by band, so that nothing but the answer is as large again."""
    if image.mode.startswith("I;16"):  # converting it would cut at 255 instead of scaling
        read, channels = _high_byte, 1
    elif image.mode in ("1", "L"):
        read, channels = _gray, 1
    elif image.mode in ("RGB", "RGBX") and "transparency" not in image.info:
        read, channels = _colours, 3
    elif image.mode in ("RGB", "RGBA", "RGBX", "P", "PA", "LA", "La", "RGBa"):
        read, channels = _on_white, 3
    else:
        raise BadInput(
            f"the image's colours are of the mode {image.mode!r}, which has no one meaning on a screen",
            where=where,
            hint="save it in RGB or in shades of gray, with 8 bits a channel",
        )
    pixels = np.empty((image.height, image.width, channels), dtype=np.uint8)
    for band in _bands(image.height, image.width):
        rows = read(image.crop((0, band.start, image.width, band.stop)))
        pixels[band] = rows.reshape(-1, image.width, channels)
    return pixels


def _high_byte(image: Any) -> Pixels:
    return (np.asarray(image) >> 8).astype(np.uint8)


def _gray(image: Any) -> Pixels:
    return np.asarray(image.convert("L"))


def _colours(image: Any) -> Pixels:
    return np.asarray(image.convert("RGB"))


def _on_white(image: Any) -> Pixels:
    from PIL import Image

    over = image.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB"))


def _bands(height: int, width: int) -> Iterator[slice]:
    """The rows of an image from top to bottom, about BAND_PIXELS at a time."""
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


def _listed(formats: tuple[str, ...]) -> str:
    names = ["WebP" if name == "WEBP" else name for name in formats]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
