"""Files sent as they are: a multipart form, or one image as the body, as the base64 texts that the tasks read.

It knows HTTP and its limits, not what is in the files.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from penstock.core.errors import BadInput
from penstock.serving.exchange import BODY_TIMEOUT_S
from penstock.serving.problems import Malformed, TooLarge, TooSlow

MULTIPART = "multipart/form-data"
BODY_TYPES = ("image/png", "image/jpeg", "image/webp")


def is_upload(request: Request) -> bool:
    """Whether the request's body is a file, or a form of files, instead of JSON."""
    return _media_type(request) in (MULTIPART, *BODY_TYPES)


async def read_uploads(request: Request, limit_bytes: int, most_files: int) -> list[str]:
    """The files in the order sent, each in base64: the inputs of the request. A form's field names do not matter.

    limit_bytes: of the body as sent. A form without files gives none. Raises TooLarge, TooSlow, Malformed, and BadInput
    for more than `most_files` or for a field that is no file.
    """
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read(request, limit_bytes, most_files)
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from None


async def _read(request: Request, limit_bytes: int, most_files: int) -> list[str]:
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > limit_bytes:
        raise _too_large(limit_bytes)
    body = _counted(request, limit_bytes)
    if _media_type(request) != MULTIPART:
        return [_base64(b"".join([chunk async for chunk in body]))]
    parser = _Form(request.headers, body, max_files=most_files, max_fields=0, max_part_size=limit_bytes)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise _not_a_form(error.message, most_files) from None
    try:
        if not parser.ended:
            raise Malformed("the form ends before its last boundary", where="body", hint="send it again, whole")
        return [_base64(await upload.read()) for _, upload in form.multi_items() if not isinstance(upload, str)]
    finally:
        await form.close()


class _Form(MultiPartParser):
    """A form that knows whether it came whole: a file that was cut short may still be read as an image."""

    ended = False

    def on_end(self) -> None:
        """The boundary that closes the form was read."""
        self.ended = True


async def _counted(request: Request, limit_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit_bytes:
            raise _too_large(limit_bytes)
        yield chunk


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit_bytes:,} bytes", where="body", hint="send fewer inputs at once")


def _not_a_form(message: str, most_files: int) -> Exception:
    if message.startswith("Too many files"):
        return BadInput(f"the form has more than {most_files} files", where="inputs", hint="send several requests")
    if message.startswith("Too many fields"):
        hint = "each part is a file with a file name: curl -F inputs=@one.png -F inputs=@two.png"
        return BadInput("the form has a field that is no file", where="body", hint=hint)
    return Malformed(f"the body is not a form of files: {message}", where="body")
