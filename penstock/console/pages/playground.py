"""The playground: any candidate or release of any task answers an input, unrecorded and unbilled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from penstock import installed
from penstock.console import render
from penstock.console.desk import AtDesk, Desk
from penstock.console.guard import Route, files_of
from penstock.console.pages.parts import field
from penstock.console.pages.trying import entries_of, input_of, place_of, segments
from penstock.core.errors import BadInput
from penstock.evaluation.words import speaker
from penstock.pipeline import trying
from penstock.pipeline.trying import Chosen, Tried
from penstock.registry.candidates import list_candidates
from penstock.registry.releases import list_releases
from penstock.serving.explained import check_explained

UPLOAD_BYTES = 11_000_000  # an image of ten megabytes and the form around it
MOST_MODELS = 20  # of a product: the newest


@dataclass(frozen=True)
class Choice:
    """A model that may be tried. reference: its candidate's id. release: the number of its newest release, if any."""

    reference: str
    number: int
    rung: str
    release: int | None
    live: bool


@dataclass(frozen=True)
class Shelf:
    """A product's models, the live one first, then the newest first."""

    product: str
    title: str
    choices: tuple[Choice, ...]


def index(request: Request, desk: AtDesk, model: str | None = None) -> Response:
    """The form for the model chosen: by its id, PRODUCT/NUMBER, a release's id or a product."""
    form: Mapping[str, str] = getattr(request.state, "form", {})
    return _page(request, desk, form.get("model") or model)


def answer(request: Request, desk: AtDesk) -> Response:
    """The answer to what was filled in."""
    form: Mapping[str, str] = request.state.form
    chosen = trying.choose(desk.house, field(form, "model"))
    kind, explain = chosen.task.form, "explain" in form
    if explain:
        check_explained(chosen.task, 1)
    try:
        given = input_of(kind, form, files_of(request), desk.house.store.clock.now().isoformat())
        tried = desk.trials.run(lambda: trying.answer(chosen, [given], _loading(desk), explain=explain))
    except BadInput as error:
        raise BadInput(error.message, where=place_of(kind, error.where), hint=error.hint) from None
    return _page(request, desk, chosen.candidate.id, tried=tried, given=given, typed=form)


def _page(
    request: Request,
    desk: Desk,
    model: str | None,
    *,
    tried: Tried | None = None,
    given: Any = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    shelves = _shelves(desk)
    wanted = model or next((shelf.choices[0].reference for shelf in shelves if shelf.choices), None)
    chosen = None if wanted is None else trying.choose(desk.house, wanted)
    lang = render.language(request)
    facts = {"shelves": shelves, "chosen": chosen, "tried": tried, "typed": typed or {}, "longest": trying.MOST_TRIED}
    if chosen is None:
        return render.page(request, "playground.html", facts)
    kind = chosen.task.form
    output = tried.outputs[0] if tried is not None else None
    explanation = output.get("explanation") if isinstance(output, dict) else None
    shown = {
        "kind": kind,
        "entries": _entries(desk, chosen) if kind == "table" else [],
        "example": _example(desk, chosen, kind),
        "output": output,
        "segments": segments(given, explanation) if explanation is not None and isinstance(given, str) else [],
        "say": speaker(lang, chosen.task.chinese),
    }
    return render.page(request, "playground.html", {**facts, **shown})


def _loading(desk: Desk) -> trying.Loading:
    return desk.bench.load


def _entries(desk: Desk, chosen: Chosen) -> list[Any]:
    return entries_of(chosen.task, desk.trials.run(lambda: _loading(desk)(chosen)))


def _example(desk: Desk, chosen: Chosen, kind: str) -> str:
    """Something to begin with: a user that the model knows."""
    if kind != "user":
        return ""
    model: Any = desk.trials.run(lambda: _loading(desk)(chosen))
    return str(next(iter(model.histories.users), ""))


def _shelves(desk: Desk) -> list[Shelf]:
    found = []
    with desk.house.store.read() as tx:
        for name, product in desk.house.workspace.products.items():
            if product.task not in installed.names():
                continue
            released = {one.candidate: one for one in list_releases(tx, name)}  # the newest of a candidate stays
            newest = list(reversed(list_candidates(tx, name)))
            choices = [
                Choice(
                    one.id,
                    one.number,
                    one.rung,
                    released[one.id].number if one.id in released else None,
                    one.id in released and released[one.id].state == "live",
                )
                for one in newest
            ]
            choices.sort(key=lambda one: not one.live)
            found.append(Shelf(name, product.title or name, tuple(choices[:MOST_MODELS])))
    return found


ROUTES = (
    Route("GET", "/try", index, "operator"),
    Route("POST", "/try", answer, "operator", page=index, upload_bytes=UPLOAD_BYTES, right="look"),
)
