"""Runs for people: a page of them as table rows, some side by side, one in full.

It reads and formats what was recorded (see judging.py); it trains nothing and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, get_args

from penstock.core.errors import BadInput
from penstock.evaluation.words import plain_number
from penstock.registry.candidates import MOST_DIGITS
from penstock.registry.runs import (
    COLUMNS,
    Kind,
    Run,
    count_runs,
    curves_of,
    find_run,
    headline_of,
    list_runs,
)
from penstock.runtime.house import House
from penstock.workspace.loader import product_of

LOWER_IS_BETTER = frozenset(
    {
        "latency_p50_ms",
        "latency_p95_ms",
        "cost_per_1000",
        "ece",
        "parity",
        "mae",
        "rmse",
        "brier",
        "expected_cost",
        "interval_width",
        "epsilon",
        "seconds",
        "cost",
        "delay",
        "false_alarms_per_month",
    }
)
MOST_LISTED = 10_000
MOST_COMPARED = 12  # as many colours as people tell apart in one chart


def chosen_runs(
    house: House,
    product: str | None,
    *,
    kind: str | None = None,
    sort: str | None = None,
    limit: int,
    before: int | None = None,
) -> list[Run]:
    """A page of a product's runs: newest first, or the best first by a metric (or seconds, cost). Without a product,
    the newest of all, or the first by seconds or cost. Raises BadInput for a product, kind or metric that is not
    there."""
    known = kind_of(kind)
    if not 1 <= limit <= MOST_LISTED:
        raise BadInput(f"{limit} runs cannot be shown; between 1 and {MOST_LISTED:,} can", where="--limit")
    if before is not None and not 1 <= before < 10**MOST_DIGITS:
        raise BadInput(f"{before} is not the number of a run", where="--before")
    if sort is not None and before is not None:
        raise BadInput("pages go by number, not by a metric", where="--before", hint="leave out one of the two")
    if product is None and (before is not None or sort not in (None, "seconds", "cost")):
        where = "--sort" if before is None else "--before"
        raise BadInput("runs of several products have this not in common", where=where, hint="name the product")
    by = sort or "number"
    with house.store.read() as tx:
        rising = by in LOWER_IS_BETTER
        found = list_runs(tx, product, kind=known, sort=by, rising=rising, limit=limit, before=before)
        if found:
            return found
        newest = list_runs(tx, product, kind=known)
    if newest and sort is not None:
        names = dict.fromkeys([*(name for run in newest for name in run.metrics), "seconds", "cost"])
        raise BadInput(f"no run of {product} has the metric {sort!r}", where="--sort", hint=f"use {', '.join(names)}")
    if not newest and product is not None:
        product_of(house.workspace, product)
    return []


def kind_of(kind: str | None) -> Kind | None:
    """The kind as typed, checked."""
    for known in get_args(Kind):
        if kind == known:
            return known  # type: ignore[no-any-return]
    if kind is None:
        return None
    raise BadInput(f"no run is of the kind {kind!r}", where="--kind", hint=f"use one of: {', '.join(get_args(Kind))}")


def left_before(house: House, run: Run, kind: str | None) -> int:
    """How many older runs of the product, of this kind, there are."""
    with house.store.read() as tx:
        return count_runs(tx, run.product, kind=kind_of(kind), before=run.number)


def run_rows(runs: Sequence[Run], *, also: str | None = None) -> list[dict[str, Any]]:
    """A table row each; only a state other than done is worth a word. also: a metric to show beside the headline."""
    extra = also is not None and also not in COLUMNS and any(also != headline_of(run) for run in runs)
    rows = []
    for run in runs:
        headline = headline_of(run)
        rows.append(
            {
                "run": f"{run.product}/{run.number}",
                "kind": run.kind,
                "rung": run.rung,
                "quality": "" if headline is None else f"{headline} {_number(run.metrics[headline].value)}",
                **({str(also): metric_text(run, str(also))} if extra else {}),
                "cost/1000": metric_text(run, "cost_per_1000"),
                "seconds": round(run.seconds, 1),
                "cost": Decimal(_number(run.cost)),
                "state": "" if run.state == "done" else f"{run.state}: {_short(run.error)}",
                "made": run.created_at,
            }
        )
    return rows


def compared(house: House, references: Sequence[str], *, last: int | None = None) -> list[Run]:
    """The runs named by id or PRODUCT/NUMBER, or with `last` the newest of the product named. Raises BadInput."""
    if last is not None:
        if len(references) != 1 or "/" in references[0]:
            raise BadInput("--last needs the name of one product", hint="penstock runs compare PRODUCT --last 5")
        if not 1 <= last <= MOST_COMPARED:
            raise BadInput(f"between 1 and {MOST_COMPARED} runs can be compared", where="--last")
        found = chosen_runs(house, references[0], limit=last)
        if not found:
            raise BadInput(f"{references[0]} has no run yet", hint=f"penstock train {references[0]}")
        return found
    if not 1 <= len(references) <= MOST_COMPARED:
        raise BadInput(f"{len(references)} runs cannot be compared; between 1 and {MOST_COMPARED} can")
    with house.store.read() as tx:
        named = [find_run(tx, reference) for reference in references]
    return list({run.id: run for run in named}.values())


def compare_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row for each fact, a column for each run: all metrics, and of parameters and origins what differs (of a single
    run, everything)."""
    names = [f"{run.product}/{run.number}" for run in runs]
    rows = []
    for told, always in (
        ([{"rung": run.rung, "kind": run.kind} for run in runs], True),
        ([_measures(run) for run in runs], True),
        ([{"seconds": f"{run.seconds:.1f}", "cost": _number(run.cost)} for run in runs], True),
        ([{name: _value(value) for name, value in flat(run.parameters).items()} for run in runs], len(runs) == 1),
        ([_origin(run, alone=len(runs) == 1) for run in runs], len(runs) == 1),
    ):
        for name in dict.fromkeys(name for each in told for name in each):
            values = [each.get(name, "") for each in told]
            if any(values) and (always or len(set(values)) > 1):
                rows.append({"": name, **dict(zip(names, values, strict=True))})
    return rows


def run_facts(house: House, run: Run) -> dict[str, Any]:
    """Everything of one run, its curves too, as JSON values."""
    return {
        **{name: getattr(run, name) for name in ("id", "operation", "product", "number")},  # these first
        **vars(run),
        "metrics": {name: asdict(found) for name, found in run.metrics.items()},
        "headline": headline_of(run),
        "curves": curves_of(house.blobs, run),
    }


def metric_text(run: Run, name: str) -> str:
    """A metric of a run as people read it, "" where it has none."""
    found = run.metrics.get(name)
    return "" if found is None else _number(found.value)


def scalars(run: Run, curves: Mapping[str, Sequence[tuple[float, float]]]) -> list[tuple[str, float, int, float]]:
    """A run's numbers for other tools: (name, Unix seconds, step, value), metrics with the ends of their intervals.

    A run knows when it ended and how long it took; a curve's points are laid evenly over that time.
    """
    ended = run.created_at.timestamp()
    found: list[tuple[str, float, int, float]] = []
    for name, metric in run.metrics.items():
        found.append((name, ended, 0, metric.value))
        if metric.low != metric.high:
            found += [(f"{name}_low", ended, 0, metric.low), (f"{name}_high", ended, 0, metric.high)]
    for name, points in curves.items():
        last = max((step for step, _ in points), default=0) or 1
        found += [
            (f"training/{name}", ended - run.seconds * (1 - step / last), int(step), value) for step, value in points
        ]
    return found


def flat(parameters: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """{"recipe": {"peak": 1}} as {"recipe.peak": 1}: one name a line."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = value
    return found


def _measures(run: Run) -> dict[str, str]:
    return {
        name: _number(found.value)
        if found.low == found.high
        else f"{_number(found.value)} ({_number(found.low)} to {_number(found.high)})"
        for name, found in run.metrics.items()
    }


def _origin(run: Run, *, alone: bool) -> dict[str, Any]:
    """alone: with the candidate's id, which differs always; beside others it would take the width of three columns."""
    return {
        "state": run.state,
        "seed": str(run.seed),
        "data version": run.dataset_version[:12],
        "code": run.code,
        "machine": ", ".join(
            filter(None, (run.machine.get("cpu"), f"{run.machine.get('cores', '')} cores", run.machine.get("gpu")))
        ),
        "candidate": (run.candidate or "") if alone else "",
        "error": _short(run.error),
        "made": run.created_at,
    }


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _number(value: float | Decimal) -> str:
    """Shares with four digits after the point, so that they stand under each other; else three that count, without an
    exponent, since some are money."""
    if value == 0 or 0.01 <= abs(float(value)) <= 1:
        return f"{value:.4f}"
    return plain_number(value).replace(",", "")


def _short(error: str) -> str:
    first = error.strip().partition("\n")[0]
    return first if len(first) <= 80 else f"{first[:79]}…"
