"""Text files line by line, also gzipped: decoded strictly, bounded in length, every error with its line.

Knows nothing of columns or rows.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import IO, cast

from penstock.core.errors import BadInput

MAX_LINE_BYTES = 8_000_000
"""No line is read further than this: a file without line ends must not fill the memory."""

_SAMPLE_BYTES = 1_000_000
_OTHER_ENCODINGS = ("gb18030", "big5", "shift_jis", "cp1252")
_BOMS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decoded_lines(path: Path) -> Iterator[str]:
    """Each line of a UTF-8 file (a byte order mark is accepted), with its line end. Raises BadInput at file:line."""
    number = 0
    with opened(path) as stream:
        while line := _read_line(stream, path, number + 1):
            number += 1
            if number == 1:
                line = _check_start(line, path)
            if len(line) > MAX_LINE_BYTES:
                message = f"the line is longer than {MAX_LINE_BYTES // 1_000_000} MB"
                raise BadInput(message, where=f"{path.name}:{number}", hint="one row belongs on one line; split it")
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, error) from None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked when its name ends in .gz. Raises BadInput when it cannot be opened."""
    if path.is_dir():
        raise BadInput("is a folder, not a file", where=str(path), hint="name the file inside it")
    if not path.exists():
        hint = "check the path; those of a product are `data` and `test` in penstock.toml"
        raise BadInput("there is no such file", where=str(path), hint=hint)
    try:
        packed = path.suffix.lower() == ".gz"
        stream = cast(IO[bytes], gzip.GzipFile(path)) if packed else path.open("rb")
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path), hint="check its permissions") from None
    with stream:
        yield stream


def read_all(stream: IO[bytes], path: Path) -> bytes:
    """All the (unpacked) bytes of an opened file."""
    with _gzip_errors(path, None):
        return stream.read()


def _read_line(stream: IO[bytes], path: Path, number: int) -> bytes:
    with _gzip_errors(path, number):
        return stream.readline(MAX_LINE_BYTES + 1)


@contextmanager
def _gzip_errors(path: Path, number: int | None) -> Iterator[None]:
    place = path.name if number is None else f"{path.name}:{number}"
    hint = "the file is damaged or was not copied whole: fetch it again"
    try:
        yield
    except (gzip.BadGzipFile, zlib.error):
        raise BadInput("the gzip file is broken", where=place, hint=hint) from None
    except EOFError:
        raise BadInput("the gzip file ends too early", where=place, hint=hint) from None
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", where=place) from None


def _check_start(line: bytes, path: Path) -> bytes:
    for mark, name in _BOMS:
        if line.startswith(mark):
            raise BadInput(f"the file is {name}, not UTF-8", where=f"{path.name}:1", hint=_convert(name, path))
    if b"\x00" in line[:1000]:
        raise BadInput("the file is not text", where=f"{path.name}:1", hint="save it as UTF-8 text, e.g. CSV UTF-8")
    return line.removeprefix(codecs.BOM_UTF8)


def _not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> BadInput:
    found = _guess_encoding(path)
    byte = error.object[error.start]
    hint = _convert(found, path) if found else "save it as UTF-8"
    reads = f"; it reads as {found}" if found else ""
    message = f"the line is not UTF-8 (byte 0x{byte:02x} at its position {error.start + 1}){reads}"
    return BadInput(message, where=f"{path.name}:{number}", hint=hint)


def _guess_encoding(path: Path) -> str | None:
    """An encoding that decodes the file's beginning: gb18030 first, as it is strict enough to be right."""
    with opened(path) as stream, _gzip_errors(path, None):
        sample = stream.read(_SAMPLE_BYTES)
    for name in _OTHER_ENCODINGS:
        try:
            codecs.getincrementaldecoder(name)().decode(sample, final=False)
        except UnicodeDecodeError:
            continue
        return name
    return None


def _convert(encoding: str, path: Path) -> str:
    if path.suffix.lower() == ".gz":
        return f"unpack it, then: iconv -f {encoding} -t utf-8 FILE > NEW; or save it as UTF-8"
    old, new = quote(path.name), quote(f"utf8-{path.name}")
    return f"convert it: iconv -f {encoding} -t utf-8 {old} > {new}; or save it as UTF-8"
