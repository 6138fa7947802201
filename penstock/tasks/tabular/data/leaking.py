"""What is done with columns that predict the target too well: the owner is asked, or has said. Never in silence.

It knows the options; how such columns are found, leaks.py knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.errors import BadInput
from penstock.datasets.report import MAX_EXAMPLES, Example, Finding
from penstock.tasks.tabular.data.leaks import Suspicion, suspicions
from penstock.tasks.tabular.data.options import TableOptions
from penstock.tasks.tabular.data.targets import Row
from penstock.workspace.records import Product


def without_leaks(rows: list[Row], options: TableOptions, product: Product, log: list[Finding]) -> list[Row]:
    """The rows, without columns that the owner lets go where they predict too well. Raises BadInput where nobody has
    said what such a column is.

    Looked for before the split, as nothing but the list of inputs comes of it: rows equal in them stay on one side.
    """
    names = list(rows[0]["values"]) if rows else []
    allowed = names if options.leaks == "keep" else [name for name in names if name in options.allow_leakage]
    found = _found(rows, allowed, product.seed)
    if found and options.leaks == "ask":
        raise _asked(found, product.data)
    kept = _found(rows, [name for name in names if name not in allowed], product.seed) if allowed else []
    _note("leak", found, 'left out of the inputs, as leaks = "drop" says', log)
    _note("leak-kept", kept, "kept, as the options say", log)
    gone = {each.column for each in found}
    return [with_inputs(row, [name for name in names if name not in gone]) for row in rows] if gone else rows


def with_inputs(row: Row, names: Sequence[str]) -> Row:
    """The row with these inputs only."""
    return {**row, "values": {name: row["values"][name] for name in names}}


def _found(rows: Sequence[Row], skip: Sequence[str], seed: int) -> list[Suspicion]:
    return suspicions([row["values"] for row in rows], [row["target"] for row in rows], skip, seed)


def _note(kind: str, found: Sequence[Suspicion], action: str, log: list[Finding]) -> None:
    if found:
        examples = tuple(Example(each.column, each.evidence, "") for each in found[:MAX_EXAMPLES])
        log.append(Finding(kind, "train", len(found), 0, action, examples))


def _asked(found: Sequence[Suspicion], file: str) -> BadInput:
    first, names = found[0], ", ".join(f'"{each.column}"' for each in found)
    more = "".join(f", and so does {each.column!r} ({each.evidence})" for each in found[1:5])
    what = (
        "gives the target away" if first.certain else "predicts the target better than anything known beforehand does"
    )
    return BadInput(
        f"the column {first.column!r} {what} ({first.evidence}){more}",
        where=f"{file}: {first.column}",
        hint=f"if it is known only afterwards: known_after = [{names}]; "
        f"if it is known when the prediction is made: allow_leakage = [{names}]; "
        'without being asked: leaks = "drop" or "keep"',
    )
