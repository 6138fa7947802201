"""Predict: try any candidate or release by hand, before anything is sold. Nothing is recorded or billed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.output import OPTIONS, note, show
from penstock.core.errors import BadInput

if TYPE_CHECKING:
    from penstock.pipeline.trying import Chosen, Tried


def register(app: typer.Typer) -> None:
    app.command()(predict)


def predict(
    product: Annotated[str, typer.Argument(help="A product: its live release, else its newest candidate; or P/3.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[INPUT]…", help="Texts; objects in JSON; or paths of images. None: lines of stdin."),
    ] = None,
    candidate: Annotated[str | None, typer.Option(help="This candidate: 3, P/3 or its id.")] = None,
    release: Annotated[str | None, typer.Option(help="This release: 2, P/2 or its id.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="With the words that decided.")] = False,
    file: Annotated[
        Path | None, typer.Option(help="Inputs from .csv, .tsv, .jsonl, .txt, an image or a folder of images.")
    ] = None,
) -> None:
    """Answer inputs with a candidate or release, as a gateway would; nothing is recorded, metered or billed."""
    from penstock.pipeline.trying import choose, named
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    chosen = choose(house, named(house, product, candidate=candidate, release=release))
    asked = _inputs(chosen, inputs or [], file)
    tried = _tried(house, chosen, asked, explain)
    outputs = [one for part in tried for one in part.outputs]
    latency_ms = sum(part.latency_ms for part in tried)
    facts = {
        "product": chosen.name,
        "candidate": chosen.candidate.id,
        "number": chosen.candidate.number,
        "release": None if chosen.release is None else chosen.release.number,
        "latency_ms": round(latency_ms, 3),
        "load_ms": round(tried[0].load_ms, 3),
        "results": [{"input": one, "output": output} for one, output in zip(asked, outputs, strict=True)],
    }
    show(facts, rows=[_row(*pair) for pair in zip(asked, outputs, strict=True)])
    released = "" if chosen.release is None else f", release {chosen.release.number} ({chosen.release.state})"
    note(
        f"{chosen.name}/{chosen.candidate.number} ({chosen.candidate.rung}{released}): {len(outputs):,} answered in "
        f"{latency_ms:.1f} ms, not recorded, not billed"
    )


def _inputs(chosen: Chosen, words: Sequence[str], file: Path | None) -> list[Any]:
    from penstock.pipeline.trying_inputs import inputs_in_file, inputs_of_lines, inputs_of_words

    if words and file is not None:
        raise BadInput("inputs come from the line or from a file", where="--file", hint="leave out one of the two")
    if file is not None and str(file) != "-":
        return inputs_in_file(chosen.task, chosen.product, file)
    if words and list(words) != ["-"]:
        return inputs_of_words(chosen.task, words)
    if sys.stdin.isatty():
        raise BadInput("there is nothing to answer", where="INPUT", hint=f'penstock predict {chosen.name} "some text"')
    return inputs_of_lines(chosen.task, sys.stdin, "stdin")


def _tried(house: Any, chosen: Chosen, asked: Sequence[Any], explain: bool) -> list[Tried]:
    from penstock.pipeline.trying import MOST_TRIED, Bench, answer
    from penstock.serving.explained import MOST_EXPLAINED

    bench, most = Bench(house), MOST_EXPLAINED if explain else MOST_TRIED
    parts = [asked[start : start + most] for start in range(0, len(asked), most)] or [[]]
    return [answer(chosen, part, bench.load, explain=explain, first=at * most) for at, part in enumerate(parts)]


def _row(asked: Any, output: Mapping[str, Any]) -> dict[str, Any]:
    from penstock.pipeline.feedback_pages import cut, short

    row = {"input": cut(short(asked), 80), "answer": cut(short(output), 120)}
    given = {one["label"] for one in output.get("labels", ())} | {output.get("label")}
    guesses = [one for one in output.get("top", ()) if "label" in one]  # of an unsure answer, the best guess too
    others = [f"{one['label']} {one['score']:.2f}" for one in guesses if one["label"] not in given]
    words = [f"{part['text']} {part['weight']:+.2f}" for part in output.get("explanation", ())[:5]]
    return {**row, "next": ", ".join(others), "decided by": ", ".join(words)}
