"""Knowledge: what customers asked in vain, and the entries that answer them."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show

Product = Annotated[str, typer.Argument(help="A product of the task knowledge-answering.")]
ProposalId = Annotated[str, typer.Argument(metavar="ID", help="A proposal: prop_…")]
Question = Annotated[str | None, typer.Option(help="The question in your own words.")]
LIVE = "live within two seconds; no retraining"


def register(app: typer.Typer) -> None:
    knowledge = typer.Typer(help="Knowledge answering: proposals and entries.", no_args_is_help=True)
    for command in (proposals, approve, reject, entries, add, withdraw):
        knowledge.command()(command)
    app.add_typer(knowledge, name="knowledge")


def proposals(
    product: Product, state: Annotated[str, typer.Option(help="open, approved, rejected or all.")] = "open"
) -> None:
    """Group the questions that were not answered, or rated down, into proposed entries; the most asked first."""
    from penstock.core.errors import BadInput
    from penstock.runtime.house import open_house
    from penstock.tasks.knowledge.operator import propose
    from penstock.tasks.knowledge.proposals import list_proposals

    if state not in ("open", "approved", "rejected", "all"):
        raise BadInput(f"unknown state {state!r}", where="--state", hint="open, approved, rejected or all")
    house = open_house(OPTIONS.workspace)
    found = propose(house, product)
    if state != "open":
        with house.store.read() as tx:
            found = list_proposals(tx, product, None if state == "all" else state)  # type: ignore[arg-type]
    rows = [
        {"id": one.id, "asked": one.count, "question": one.question or "(no longer kept)"}
        | {"may be quoted": len(one.quotable), "near": one.near, "state": one.state, "entry": one.entry}
        for one in found
    ]
    show(found, rows=rows)
    if any(one.state == "open" for one in found):
        note('approve one: penstock knowledge approve ID --answer "…", or --entry ID of the entry that answers it')


def approve(
    proposal: ProposalId,
    answer: Annotated[str | None, typer.Option(help="The answer of a new entry.")] = None,
    entry: Annotated[str | None, typer.Option(help="Or the entry that answers it: it is asked so from now on.")] = None,
    question: Question = None,
) -> None:
    """Make a proposal an entry. Words of customers who have not consented to training are not used: reword them."""
    from penstock.runtime.house import open_house
    from penstock.tasks.knowledge import operator as knowledge

    made = knowledge.approve(open_house(OPTIONS.workspace), proposal, answer=answer, onto=entry, question=question)
    show({**made.to_json(), "version": made.version}, rows=[_row(made)])
    note(LIVE)


def reject(proposal: ProposalId) -> None:
    """Close a proposal without an entry."""
    from penstock.runtime.house import open_house
    from penstock.tasks.knowledge import operator as knowledge

    knowledge.reject(open_house(OPTIONS.workspace), proposal)
    note(f"{proposal} is rejected")


def entries(product: Product) -> None:
    """The entries that are served now, with their versions."""
    from penstock.runtime.house import open_house
    from penstock.tasks.knowledge.operator import entries_of

    found = entries_of(open_house(OPTIONS.workspace), product)
    show([{**one.to_json(), "version": one.version} for one in found], rows=[_row(one) for one in found])


def add(
    product: Product,
    question: Question = None,
    answer: Annotated[str | None, typer.Option(help="What is answered.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="The entry to change; what is left out stays.")] = None,
    paraphrase: Annotated[list[str] | None, typer.Option(help="Another way to ask it (repeatable).")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag (repeatable).")] = None,
    locale: Annotated[str | None, typer.Option(help="e.g. en or zh-CN.")] = None,
    valid_until: Annotated[str | None, typer.Option(help="Its last day: YYYY-MM-DD.")] = None,
) -> None:
    """Serve an entry from now on: a new one, or a newer version of the one named by --id."""
    from penstock.runtime.house import open_house
    from penstock.tasks.knowledge import operator as knowledge

    values = {"id": id, "question": question, "answer": answer, "locale": locale, "valid_until": valid_until}
    lists = {"paraphrases": paraphrase or None, "tags": tag or None}
    made = knowledge.add(open_house(OPTIONS.workspace), product, {**values, **lists})
    show({**made.to_json(), "version": made.version}, rows=[_row(made)])
    note(LIVE)


def withdraw(product: Product, entry: Annotated[str, typer.Argument(help="The entry's id.")]) -> None:
    """Stop serving an entry: what it answered goes to a person."""
    from penstock.runtime.house import open_house
    from penstock.tasks.knowledge import operator as knowledge

    knowledge.withdraw(open_house(OPTIONS.workspace), product, entry)
    note(f"{entry} is withdrawn: {LIVE}")


def _row(entry: object) -> dict[str, object]:
    from penstock.tasks.knowledge.data.entries import Entry

    if not isinstance(entry, Entry):
        return {}
    return {"id": entry.id, "version": entry.version, "question": entry.question, "answer": entry.answer} | {
        "paraphrases": len(entry.paraphrases),
        "valid until": "" if entry.valid_until is None else entry.valid_until.isoformat(),
    }
