"""Errors at the office's edge: the statuses that serving gives the error tree, as problem documents, as pages, or as
the refused form filled in again.

Unlike the gateway it tells its reader, who is the operator, what broke inside.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from penstock.console import render
from penstock.console.headers import HEADERS
from penstock.console.refill import Refusal
from penstock.console.words import translate_error
from penstock.core.errors import BadInput, Broken, NotFound, PenstockError, Unauthorised
from penstock.serving import problems


async def answer_error(request: Request, error: Exception) -> Response:
    """The response for any error: a problem document under /admin, a page elsewhere."""
    known = _of_the_house(error)
    status, document, headers = problem(known)
    again = await _form_again(request, known, status)
    if again is not None:
        return again
    if request.url.path.startswith(("/admin", "/healthz", "/metrics")):
        response = Response(json.dumps(document, ensure_ascii=False).encode(), status)
        response.headers.update(headers)
    else:
        lang = render.language(request)
        document |= {name: translate_error(lang, document[name] or "") for name in ("detail", "hint")}
        response = render.page(request, "problem.html", {"problem": document, "back": _back(request)}, status=status)
        response.headers.update({name: value for name, value in headers.items() if name != "Content-Type"})
    for name, value in HEADERS.items():  # an unforeseen error is answered outside the middleware that adds them
        response.headers.setdefault(name, value)
    return response


async def _form_again(request: Request, error: Exception, status: int) -> Response | None:
    """The page with the form that was refused, as it was filled in; None where there is none to show, or where the
    error is not about the form."""
    form, page = getattr(request.state, "form", None), request.app.state.form_pages.get(_route_of(request))
    if form is None or page is None or not isinstance(error, PenstockError) or isinstance(error, Broken):
        return None
    lang = render.language(request)
    hint = "" if error.hint is None else translate_error(lang, error.hint)
    request.state.refusal = Refusal(
        action=request.url.path,
        fields=form,
        status=status,
        message=translate_error(lang, error.message),
        hint=hint,
        field=None if error.where is None else error.where.rpartition(".")[2],
    )
    try:
        shown: Response = await run_in_threadpool(page, request, request.app.state.desk, **request.path_params)
    except PenstockError:  # what the page is about is not there, or cannot be shown either
        del request.state.refusal
        return None
    return shown


def _route_of(request: Request) -> str:
    return getattr(request.scope.get("route"), "path", "")


def problem(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, RFC 9457 document and headers of an error."""
    found = problems.problem_of(error, "", customers=False)
    document: dict[str, Any] = json.loads(found.body)
    document.pop("instance", None)
    if isinstance(error, PenstockError):
        document |= {"detail": error.message, "where": error.where, "hint": error.hint}
    else:
        hint = "look at what the office wrote on its terminal; if it stays, report it"
        document |= {"detail": f"unforeseen: {type(error).__name__}", "where": None, "hint": hint}
    if isinstance(error, Unauthorised):
        document["title"] = "Sign in first"
    return found.status, document, found.headers


def _back(request: Request) -> str | None:
    """Where the form that failed was: /invoices/1/pay was sent from /invoices/1."""
    if request.method != "POST":
        return None
    return request.url.path.rpartition("/")[0] or request.url.path


def _of_the_house(error: Exception) -> Exception:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
        others = len(error.errors()) - 1
        more = f" (and {others} more)" if others else ""
        return BadInput(f"{first['msg']}{more}", where=place)
    if isinstance(error, HTTPException):
        if error.status_code == 413:
            return problems.TooLarge("the body is larger than the office takes")
        return NotFound("there is nothing here") if error.status_code == 404 else BadInput(str(error.detail))
    return error
