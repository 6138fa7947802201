"""Improve: what came back from use, and training on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.output import OPTIONS, note, show, shown_progress

if TYPE_CHECKING:
    from penstock.monitoring.review import Verdict
    from penstock.pipeline.records import Taken


def register(app: typer.Typer) -> None:
    feedback = typer.Typer(help="Ratings and corrections.", no_args_is_help=True)
    feedback.command("list")(feedback_list)
    feedback.command("accept")(feedback_accept)
    feedback.command("reject")(feedback_reject)
    app.add_typer(feedback, name="feedback")
    app.command()(retrain)


IdsArg = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="As `feedback list` shows them: fb_…")]
AllFromOption = Annotated[
    str | None, typer.Option(metavar="CUSTOMER", help="All of this customer's that wait, instead of ids.")
]
OfOption = Annotated[str | None, typer.Option("--product", help="With --all-from: only of this product.")]
ReasonOption = Annotated[str, typer.Option(help="Kept beside the decision.")]


def feedback_list(
    product: Annotated[str | None, typer.Argument()] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(help="waiting, accepted, rejected, trained_on, no_row, noted or replaced (repeatable)."),
    ] = None,
    customer: Annotated[str | None, typer.Option(help="Only of this customer.")] = None,
    limit: Annotated[int, typer.Option(help="How many to show.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Only older than this: the next page.")] = None,
) -> None:
    """What customers said of answers: message, answer and correction side by side, newest first."""
    from penstock.monitoring.review import state_counts
    from penstock.pipeline.feedback_pages import said_page, said_rows
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        found = said_page(house, tx, product, customer=customer, states=state or (), limit=limit, after=after)
        counts = state_counts(tx)
    show(found, rows=said_rows(found), spare=("comment", "at", "rating", "product"))
    for name in sorted(counts) if product is None else [product]:
        told = ", ".join(f"{count:,} {one.replace('_', ' ')}" for one, count in sorted(counts.get(name, {}).items()))
        note(f"{name}: {told or 'no feedback yet'}")
    if any(not one.kept for one in found):
        note("not kept: the stored answer is over its days, and the customer does not consent to a copy")
    if len(found) == limit:
        note(f"older ones: add --after {found[-1].id}")


def feedback_accept(
    ids: IdsArg = None, all_from: AllFromOption = None, product: OfOption = None, reason: ReasonOption = ""
) -> None:
    """Accept corrections: `retrain` learns from them, if their customers consent to training."""
    _decide("accepted", ids, all_from, product, reason)


def feedback_reject(
    ids: IdsArg = None, all_from: AllFromOption = None, product: OfOption = None, reason: ReasonOption = ""
) -> None:
    """Reject corrections: no retraining learns from them. `feedback accept` takes that back."""
    _decide("rejected", ids, all_from, product, reason)


def _decide(verdict: Verdict, ids: list[str] | None, customer: str | None, product: str | None, reason: str) -> None:
    from penstock.pipeline.feedback_pages import decide_page
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        done = decide_page(tx, verdict, ids=ids or (), customer=customer, product=product, reason=reason)
    show({"verdict": verdict, "ids": done}, rows=[{"id": one, "state": verdict} for one in done])
    note(f"{verdict}: {len(done):,}")


def retrain(product: str) -> None:
    """Train with the corrections that are not rejected, judge against the live release on the same rows; exits 3 on a
    no. feedback.train_on = "accepted" in penstock.toml takes only the accepted ones."""
    from penstock.pipeline.climb.train import gate_refused, outcome_rows
    from penstock.pipeline.records import RetrainJob, RetrainResult
    from penstock.pipeline.runner import open_workflows
    from penstock.runtime import wire
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with (
        shown_progress() as progress,
        open_workflows(house, executor=f"cli-train-{product}", command="retrain", progress=progress) as workflows,
    ):
        answer = workflows.run_or_resume("retrain", wire.plain(RetrainJob(product=product)), note)
    result = wire.read(RetrainResult, answer)
    show(answer, rows=outcome_rows(result.outcomes), title=f"{product}: data version {result.version}")
    _say_rows(result.feedback)
    if result.release is None:
        raise gate_refused(product, result.outcomes)
    count = "1 row" if result.learned == 1 else f"{result.learned:,} rows"
    note(f"{product}: release {result.release} is live, trained with {count} that came back from use")


def _say_rows(taken: Taken) -> None:
    """How many rows corrections gave, and why others gave none."""
    from penstock.pipeline.climb.learning import in_words

    if taken.gave:
        note(f"{len(taken.gave):,} gave a row each")
    if taken.gave_none:
        note(f"{len(taken.gave_none):,} gave none: {in_words(taken.gave_none)}")
