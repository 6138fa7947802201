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
from penstock.datasets.encodings import guess_encoding

MAX_LINE_BYTES = 8_000_000
"""No line is read further than this: a file without line ends must not fill the memory."""

MOST_UNPACKED_BYTES = 4_000_000_000
"""Of a gzip file; together with the next, so that a bomb of a few kilobytes fills neither memory nor an hour."""
MOST_EXPANSION = 40
"""Text packs to a third or a tenth, a table of few values to a 30th; a bomb to a 400th."""
_MOST_PACKED = 1_032  # what deflate packs at most
_SMALL_BYTES = 50_000_000
_SAMPLE_BYTES = 1_000_000
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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
    """The file's bytes, unpacked when its name ends in .gz. Raises BadInput when it cannot be opened, and while it is
    read when it unpacks to far more than data would."""
    if path.is_dir():
        raise BadInput("is a folder, not a file", where=str(path), hint="name the file inside it")
    if not path.exists():
        hint = "check the path; those of a product are `data` and `test` in penstock.toml"
        raise BadInput("there is no such file", where=str(path), hint=hint)
    try:
        packed = path.suffix.lower() == ".gz"
        stream = cast(IO[bytes], _BoundedGzip(path)) if packed else path.open("rb")
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path), hint="check its permissions") from None
    with stream:
        yield stream


class _BoundedGzip(gzip.GzipFile):
    """A gzip file that is read no further than data of its size would reach."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        size = path.stat().st_size
        self._of, self._most = path, min(MOST_UNPACKED_BYTES, max(_SMALL_BYTES, MOST_EXPANSION * size))
        with path.open("rb") as packed:
            packed.seek(max(size - 4, 0))
            told = int.from_bytes(packed.read(4), "little")  # its length, at the end: most bombs need not be unpacked
        if self._most < told <= _MOST_PACKED * size + 1_000:  # more is no length: the file was cut short
            self.close()
            raise self._too_long()

    def readline(self, size: int | None = -1) -> bytes:
        return self._within(super().readline(size))

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self._within(super().read(max(self._most + 1 - self.tell(), 0)))
        return self._within(super().read(size))

    def _within(self, content: bytes) -> bytes:
        if self.tell() > self._most:
            raise self._too_long()
        return content

    def _too_long(self) -> BadInput:
        message = f"unpacks to more than {self._most // 1_000_000:,} MB"
        return BadInput(message, where=self._of.name, hint="is it data? unpack it yourself, and split it")


def read_all(stream: IO[bytes], path: Path, most: int = MOST_UNPACKED_BYTES) -> bytes:
    """All the (unpacked) bytes of an opened file. Raises BadInput where they are more than `most`."""
    with _gzip_errors(path, None):
        content = stream.read(most + 1)
    if len(content) > most:
        raise BadInput(f"holds more than {most // 1_000_000:,} MB", where=path.name, hint="split the file")
    return content


def sample_of(path: Path) -> tuple[bytes, bool]:
    """The beginning of a file, unpacked, and whether that is all of it."""
    with opened(path) as stream, _gzip_errors(path, None):
        sample = stream.read(_SAMPLE_BYTES + 1)
    return sample[:_SAMPLE_BYTES], len(sample) <= _SAMPLE_BYTES


def convert_hint(path: Path, *, bare: bool = False) -> str:
    """The command that makes a UTF-8 csv file of this one, as it works from where one stands. bare: it alone."""
    try:
        shown = path.resolve().relative_to(Path.cwd())
    except ValueError:
        shown = path.resolve()
    command = f"penstock data convert {quote(str(shown))}"
    return command if bare else f"convert it: {command}"


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
            raise BadInput(f"the file is {name}, not UTF-8", where=f"{path.name}:1", hint=convert_hint(path))
    if b"\x00" in line[:1000]:
        sample, whole = sample_of(path)
        found = guess_encoding(sample, whole=whole)
        if found in ("utf-16-le", "utf-16-be"):
            raise BadInput(f"the file is {found}, not UTF-8", where=f"{path.name}:1", hint=convert_hint(path))
        raise BadInput("the file is not text", where=f"{path.name}:1", hint="save it as UTF-8 text, e.g. CSV UTF-8")
    return line.removeprefix(codecs.BOM_UTF8)


def _not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> BadInput:
    sample, whole = sample_of(path)
    found = guess_encoding(sample, whole=whole)
    byte = error.object[error.start]
    reads = f"; it reads as {found}" if found and found != "utf-8" else ""
    message = f"the line is not UTF-8 (byte 0x{byte:02x} at its position {error.start + 1}){reads}"
    return BadInput(message, where=f"{path.name}:{number}", hint=convert_hint(path))
