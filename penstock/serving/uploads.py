"""Files sent as they are: a multipart form, or one image as the body, as the base64 texts that the tasks read.

It knows HTTP and its limits, not what is in the files.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from penstock.core.errors import BadInput
from penstock.serving.exchange import read_body
from penstock.serving.problems import Malformed
from penstock.serving.turns import Workers

MULTIPART = "multipart/form-data"
BODY_TYPES = ("image/png", "image/jpeg", "image/webp")


def is_upload(request: Request) -> bool:
    """Whether the request's body is a file, or a form of files, instead of JSON."""
    return _media_type(request) in (MULTIPART, *BODY_TYPES)


async def read_uploads(request: Request, decoders: Workers, owner: str, limit_bytes: int, most_files: int) -> list[str]:
    """The files in the order sent, each in base64: the inputs of the request. A form's field names do not matter.

    decoders: where the form is taken apart, which takes too long for the event loop. owner: the customer, whose turn it
    takes there. limit_bytes: of the body as sent. A form without files gives none. Raises TooLarge, TooSlow, Malformed,
    and BadInput for more than `most_files` or for a field that is no file.
    """
    body = await read_body(request, limit_bytes)
    if _media_type(request) != MULTIPART:
        return [await decoders.run(owner, _base64, body)]
    return await decoders.run(owner, _files, request.headers, body, most_files)


def _files(headers: Headers, body: bytes, most_files: int) -> list[str]:
    return asyncio.run(_read(headers, body, most_files))  # the parser is written for an event loop: it gets its own


async def _read(headers: Headers, body: bytes, most_files: int) -> list[str]:
    parser = _Form(headers, _once(body), max_files=most_files, max_fields=0, max_part_size=len(body))
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


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _not_a_form(message: str, most_files: int) -> Exception:
    if message.startswith("Too many files"):
        return BadInput(f"the form has more than {most_files} files", where="inputs", hint="send several requests")
    if message.startswith("Too many fields"):
        hint = "each part is a file with a file name: curl -F inputs=@one.png -F inputs=@two.png"
        return BadInput("the form has a field that is no file", where="body", hint=hint)
    return Malformed(f"the body is not a form of files: {message}", where="body")
