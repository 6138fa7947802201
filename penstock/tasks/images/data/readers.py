"""Reads labelled images: a folder per class, an idx file, or a csv of paths; all in one size and in gray or RGB.

Images that cannot be read are left out by name where they are few; where they are more, all of them are one error.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any, TypeVar

from penstock.core.errors import BadInput
from penstock.datasets.lines import decoded_lines
from penstock.tasks.images.data import idx
from penstock.tasks.images.data.decode import FILES, Colour, Pixels, decode, fitted, has_colour, size_of
from penstock.tasks.images.data.rows import Picture

LARGEST_SIDE = 224  # what most pretrained models read; more pixels make every step dearer and few classes clearer
SMALLEST_SIDE = 8
MOST_VALUES = 2_000_000_000  # of all images together: they are trained from memory
MAX_SHOWN = 9
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_OF_SYSTEMS = ("thumbs.db", "desktop.ini")

T = TypeVar("T")


@dataclass(frozen=True)
class Pictures:
    """unreadable: the errors of files that were left out, each with the file's name and label."""

    read: list[Picture]
    unreadable: tuple[tuple[BadInput, str], ...]


def read_pictures(
    path: Path,
    *,
    columns: Mapping[str, str],
    labels_file: str | None,
    size: tuple[int, int] | None,
    colour: Colour | None,
    most_unreadable: float = 0.0,
) -> Pictures:
    """All images of `path` in one shape. size: (height, width); None: the commonest of the files', scaled down to at
    most 224 a side. colour: None: "rgb" when any image has colour. columns: {"path": …, "label": …} of a csv.

    most_unreadable: the share of the files that may be left out because they cannot be read. Raises BadInput naming
    all of them where they are more.
    """
    if path.is_dir():
        return _of_files(_in_folders(path), size, colour, most_unreadable)
    if idx.is_idx(path):
        return Pictures(_of_idx(path, labels_file, size, colour), ())
    if path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
        return _of_files(_in_table(path, columns), size, colour, most_unreadable)
    hint = "give a folder with a folder of images per class, an idx file, or a csv with the columns path,label"
    raise BadInput("these are no images that can be read" if path.exists() else "there is no such file or folder",
                   where=str(path), hint=hint)  # fmt: skip


_Named = tuple[Path, str, str]
"""A file, its label, and its name for people."""


def _in_folders(folder: Path) -> list[_Named]:
    found: list[_Named] = []
    strange: list[str] = []
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(folder)
        if not file.is_file() or any(part.startswith(".") for part in inside.parts) or file.name.lower() in _OF_SYSTEMS:
            continue
        if len(inside.parts) < 2 or file.suffix.lower() not in _SUFFIXES:
            strange.append(inside.as_posix())
        else:
            found.append((file, inside.parts[0], inside.as_posix()))
    if strange:
        shown = ", ".join(strange[:MAX_SHOWN]) + (", …" if len(strange) > MAX_SHOWN else "")
        hint = (
            f"every file is an image inside the folder of its class: CLASS/NAME.png; or one of {', '.join(_SUFFIXES)}"
        )
        raise BadInput(
            f"{len(strange):,} files belong to no class or are no images: {shown}", where=str(folder), hint=hint
        )
    if not found:
        raise BadInput("holds no images", where=str(folder), hint="put them into a folder per class: CLASS/NAME.png")
    return found


def _in_table(path: Path, columns: Mapping[str, str]) -> list[_Named]:
    unknown = sorted(set(columns) - {"path", "label"})
    if unknown:
        hint = 'columns of images are mapped by columns = { path = "...", label = "..." }'
        raise BadInput(f"unknown field {unknown[0]!r}", where=f"columns.{unknown[0]}", hint=hint)
    wanted = [columns.get("path", "path"), columns.get("label", "label")]
    lines = csv.reader(decoded_lines(path), delimiter="\t" if ".tsv" in path.name.lower() else ",")
    _, names = next(_records(lines, path), ("", []))
    header = [name.strip() for name in names]
    missing = [name for name in wanted if name not in header]
    if missing:
        hint = 'name them in penstock.toml: columns = { path = "...", label = "..." }'
        raise BadInput(
            f"no column {missing[0]!r}; found: {', '.join(header) or 'none'}", where=f"{path.name}:1", hint=hint
        )
    places = [header.index(name) for name in wanted]
    found: list[_Named] = []
    wrong: list[BadInput] = []
    for where, values in _records(lines, path):
        if not any(value.strip() for value in values):
            continue
        file, label = (values[place].strip() if place < len(values) else "" for place in places)
        if not file or not label:
            wrong.append(BadInput("the row has no path or no label", where=where, hint="complete it, or delete it"))
        elif "\0" in file:
            wrong.append(BadInput("the path holds a NUL character", where=where, hint="correct it, or delete the row"))
        else:
            found.append((path.parent / file, label, where))
    if wrong:
        raise _together(wrong)
    if not found:
        raise BadInput("holds no rows", where=path.name, hint="it needs a header and rows of path,label below it")
    return found


def _records(lines: Any, path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each row with its place."""
    while True:
        try:
            values = next(lines, None)
        except csv.Error as error:
            raise BadInput(f"is not valid CSV: {error}", where=f"{path.name}:{lines.line_num}") from None
        if values is None:
            return
        yield f"{path.name}:{lines.line_num}", values


def _of_files(
    named: Sequence[_Named], size: tuple[int, int] | None, colour: Colour | None, most_unreadable: float
) -> Pictures:
    """Headers first: the size is known before pixels fill the memory."""
    allowed = floor(most_unreadable * len(named))
    with ThreadPoolExecutor(4) as threads:  # Pillow decodes without the GIL
        sizes, wrong = _parted(named, threads.map(_size_or_error, named))
        _check_few([error for error, _ in wrong], allowed)
        height, width = size or _usual([each for each, _ in sizes])
        _check_memory(len(sizes), height * width * (1 if colour == "gray" else 3))
        left = [each for _, each in sizes]
        pixels, broken = _parted(left, threads.map(lambda each: _pixels_or_error(each, (height, width)), left))
    _check_few([error for error, _ in (*wrong, *broken)], allowed)
    channels = _channels(colour, [image for image, _ in pixels])
    read = [Picture(fitted(image, (height, width, channels)), label, origin) for image, (_, label, origin) in pixels]
    return Pictures(read, tuple((error, label) for error, (_, label, _) in (*wrong, *broken)))


def _of_idx(path: Path, labels_file: str | None, size: tuple[int, int] | None, colour: Colour | None) -> list[Picture]:
    images = idx.read_images(path)
    labels_path = idx.labels_beside(path, labels_file)
    labels = idx.read_labels(labels_path, path, len(images))
    height, width = size or _usual([images.shape[1:3]])
    channels = images.shape[3] if colour is None else 1 if colour == "gray" else 3
    shape = (height, width, channels)
    _check_memory(len(images), shape[0] * shape[1] * shape[2])
    return [
        Picture(fitted(image, shape), label, f"{path.name}:{row}")
        for row, (image, label) in enumerate(zip(images, labels, strict=True))
    ]


def _size_or_error(named: _Named) -> tuple[int, int] | BadInput:
    file, _, origin = named
    try:
        return size_of(file.read_bytes(), origin, FILES)
    except BadInput as error:
        return error
    except FileNotFoundError:  # a table may name what is gone
        return BadInput(f"there is no file {str(file)!r}", where=origin, hint="paths begin at the table's folder")
    except OSError as error:
        return BadInput(f"cannot be read: {error.strerror}", where=origin, hint="check its permissions")


def _pixels_or_error(named: _Named, size: tuple[int, int]) -> Pixels | BadInput:
    file, _, origin = named
    try:
        pixels = decode(file.read_bytes(), origin, FILES)
    except BadInput as error:
        return error
    return fitted(pixels, (*size, pixels.shape[2]))


def _parted(
    named: Sequence[_Named], results: Iterable[T | BadInput]
) -> tuple[list[tuple[T, _Named]], list[tuple[BadInput, _Named]]]:
    """What could be read, and what could not, each with its file."""
    read: list[tuple[T, _Named]] = []
    wrong: list[tuple[BadInput, _Named]] = []
    for result, each in zip(results, named, strict=True):
        if isinstance(result, BadInput):
            wrong.append((result, each))
        else:
            read.append((result, each))
    return read, wrong


def _check_few(wrong: Sequence[BadInput], allowed: int) -> None:
    """Raises BadInput naming the files where more cannot be read than may be left out."""
    if len(wrong) > allowed:
        error = _together(wrong)
        hint = f"{error.hint}\n  to leave such files out, up to a share of all: options.max_unreadable"
        raise BadInput(error.message, where=error.where, hint=hint)


def _together(wrong: Sequence[BadInput]) -> BadInput:
    """The first error in full, and where the others are: a person mends them all before trying again."""
    first, *others = wrong
    if not others:
        return first
    shown = "; ".join(f"{error.where}: {error.message}" for error in others[:MAX_SHOWN])
    left = f"; and {len(others) - MAX_SHOWN:,} more" if len(others) > MAX_SHOWN else ""
    return BadInput(first.message, where=first.where, hint=f"{first.hint}\n  also {shown}{left}")


def _usual(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The commonest (height, width), the larger of equally common ones, scaled to sides of 8 to 224."""
    (height, width), _ = max(Counter(sizes).items(), key=lambda item: (item[1], item[0]))
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    return max(SMALLEST_SIDE, round(height * scale)), max(SMALLEST_SIDE, round(width * scale))


def _channels(colour: Colour | None, pixels: Sequence[Pixels]) -> int:
    if colour is not None:
        return 1 if colour == "gray" else 3
    return 3 if any(map(has_colour, pixels)) else 1


def _check_memory(images: int, values: int) -> None:
    if images * values > MOST_VALUES:
        raise BadInput(
            f"{images:,} images of {values:,} values each are more than the {MOST_VALUES:,} trained from memory",
            where="options.size",
            hint="choose a smaller size, e.g. size = [64, 64], or fewer images",
        )
