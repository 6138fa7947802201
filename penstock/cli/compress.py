"""Compress: make a candidate cheaper, and let the gate judge what came of it."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show, shown_progress


def register(app: typer.Typer) -> None:
    app.command()(compress)


def compress(
    reference: Annotated[
        str, typer.Argument(metavar="CANDIDATE", help="Its id, or PRODUCT/NUMBER, or PRODUCT for the newest.")
    ],
    by: Annotated[str, typer.Option(help="How: int8, prune, distil or cascade.")],
    other: Annotated[str | None, typer.Option("--with", help="The second candidate of a cascade.")] = None,
    candidate: Annotated[str | None, typer.Option(help="With PRODUCT: 3, P/3 or its id.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE for the compression (repeatable).")
    ] = None,
) -> None:
    """Make a candidate cheaper and judge the new one by the same gate. Exits 3 when the gate says no."""
    from penstock.pipeline.climb.train import gate_refused, outcome_rows
    from penstock.pipeline.compress.workflow import plan
    from penstock.pipeline.records import CompressResult
    from penstock.pipeline.runner import open_workflows
    from penstock.runtime import wire
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    asked = plan(house, reference, number=candidate, by=by, other=other, given=set_ or ())
    product, arguments = asked.product, wire.plain(asked)
    with (
        shown_progress() as progress,
        open_workflows(house, executor=f"cli-compress-{product}", command=arguments, progress=progress) as workflows,
    ):
        answer = workflows.run_or_resume("compress", arguments, note)
    result = wire.read(CompressResult, answer)
    outcome = result.outcomes[-1]
    show(answer, rows=outcome_rows(result.outcomes), title=f"{product}: data version {result.version}")
    for remark in outcome.notes:
        note(remark)
    if not outcome.passed:
        raise gate_refused(product, result.outcomes)
    note(f"passed: candidate {outcome.candidate}; next: penstock release {product} --candidate {outcome.number}")
