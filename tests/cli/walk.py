"""Every command that can be run on a small company, with words for it: what --json prints, walked by a test, and put
into docs/reference/json.md by tests/render_json.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from analytics.harbour import Harbour

from penstock.cli.root import build
from penstock.identity.keys import list_keys
from penstock.monitoring.feedback import list_feedback

ELSEWHERE: Mapping[str, str] = {
    "init": "prints no data",
    "train": "tests/pipeline, tests/scenarios: it trains",
    "compress": "tests/pipeline: it trains",
    "retrain": "tests/pipeline: it trains",
    "pretrain": "tests/cli/test_pretrain_cli.py: it trains",
    "demo": "tests/e2e: it plays for a minute",
    "up": "runs until it is stopped",
    "sign-in": "tests/console/test_serving.py: it asks an office that runs",
    "serve": "runs until it is stopped",
    "office": "runs until it is stopped",
    "worker": "runs until it is stopped",
    "completion": "prints a shell's script",
    "predict": "tests/cli/test_predict_cli.py",
    "data labels": "tests/cli: data",
    "runs show": "tests/cli/test_runs_cli.py",
    "runs compare": "tests/cli/test_runs_cli.py",
    "runs export": "tests/pipeline: run export",
    "usage export": "one object a line",
    "invoice void": "needs one of which nothing was paid",
    "invoice pdf": "prints no data",
    "invoice send": "tests/pipeline/test_invoice_mail.py: it needs a mail server",
    "rehearse": "tests/pipeline/test_invoice_mail.py: it copies a workspace",
    "release": "tests/cli/test_predict_cli.py",
    "rollback": "needs two releases",
    "attribution clear": "needs one that is held",
    "attribution reject": "needs one that is held",
    "data convert": "tests/datasets: it writes a file",
    "bill resume": "prints no data",
    "payout": "tests/cli/test_json.py: it waits for the hold days",
    "drift": "needs a model",
    "sealing retire": "prints no data",
    "sealing lose": "tests/pipeline/test_sealing_keys.py: it needs a key that is lost",
}
"""Commands that this walk leaves to other tests, whose output the same rule holds for (see conftest.strict_json)."""

JSON_PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "json.md"
GROUPS_ELSEWHERE = ("knowledge", "opinion", "stock")


def leaves() -> Iterator[str]:
    """The names of all commands: "invoice list"."""

    def under(command: Any, name: str) -> Iterator[str]:
        children = getattr(command, "commands", None)
        if children is None:
            yield name
        for word, child in (children or {}).items():
            yield from under(child, f"{name} {word}".strip())

    return under(typer.main.get_command(build()), "")


def lines(here: Harbour, folder: Path) -> dict[str, list[str]]:
    """The words of each command's line, in an order in which they can be run."""
    invoice, pay = here.invoices[here.blue], "bank 9"
    with here.store.read() as tx:
        key = list_keys(tx, here.blue)[0].id
        [said] = [one.id for one in list_feedback(tx) if one.correction]
    data = folder / "data" / "helpdesk.csv"
    data.parent.mkdir(exist_ok=True)
    data.write_text(
        "text,label\n" + "".join(f"message {n} of {n % 7},{('billing', 'delivery')[n % 2]}\n" for n in range(60))
    )
    (folder / "data" / "kefu.csv").write_text(data.read_text())
    more = folder / "more.csv"
    more.write_text("text,label\nquite another one,billing\n")
    blue, month = "Blue Shop", ["--period", "2026-10"]
    known: dict[str, list[str]] = {
        "check": [],
        "apply": ["--dry-run"],
        "matrix": [],
        "doctor": [],
        "data inspect": ["helpdesk"],
        "data clean": ["helpdesk"],
        "data add": ["helpdesk", str(more)],
        "data versions": [],
        "data lineage": ["helpdesk"],
        "candidates": [],
        "report": ["helpdesk"],
        "runs list": [],
        "releases": [],
        "customer add": ["New Co", "--email", "new@example.com"],
        "customer list": [],
        "customer show": [blue],
        "customer edit": [blue, "--address", "1 Quay"],
        "customer consent": [blue],
        "customer limit": [blue, "helpdesk", "9000"],
        "customer limits": [blue],
        "customer spend-limit": [blue, "90.00"],
        "customer spending": [blue],
        "customer terms": ["Quiet Co", "invoice"],
        "customer tax": ["Quiet Co", "0%", "--from", "2099-01", "--reason", "exempt"],
        "key create": ["Quiet Co", "--days", "9"],
        "key list": [],
        "key limit": [key, "--concurrency", "8", "--money", "20.00"],
        "key rotate": [key],
        "subscription start": ["Quiet Co", "team"],
        "subscription list": [],
        "subscription end": ["Quiet Co"],
        "credit add": ["Quiet Co", "5.00"],
        "credit balance": ["Quiet Co"],
        "partner add": ["Quay Partners", "--email", "quay@example.com"],
        "partner list": [],
        "partner move": ["Reed & Co"],
        "attribution list": [],
        "attribution check": [],
        "usage correct": [blue, "helpdesk", "-1", "--period", "2026-11", "--reason", "test", "--operation", "op 1"],
        "bill close": month,
        "bill preview": [],
        "bill aside": [],
        "invoice list": [],
        "invoice show": [invoice],
        "invoice events": [invoice, "2"],
        "invoice payments": [invoice],
        "invoice pay": [invoice, "--amount", "1.00", "--operation", pay],
        "invoice refund": [invoice, "--amount", "0.50", "--reason", "test"],
        "invoice credit-note": [invoice, "--amount", "0.25", "--reason", "test"],
        "invoice cancel-payment": [pay],
        "operator add": ["Ada", "--role", "viewer"],
        "operator list": [],
        "session list": [],
        "session end": ["--all"],
        "operator remove": ["Ada"],
        "audit list": ["--limit", "2"],
        "audit verify": [],
        "sealing show": [],
        "sealing rotate": [],
        "sealing reseal": [],
        "ledger verify": [],
        "ledger balances": [],
        "statement": ["Reed & Co", *month],
        "key revoke": [key],
        "feedback list": [],
        "feedback accept": [said],
        "feedback reject": [said],
        "customer archive": ["New Co"],
        "customer unarchive": ["New Co"],
        "customer export": [blue, "--to", str(folder / "blue.zip")],
        "customer erase": ["New Co", "--reason", "asked", "--yes"],
        "backup": [str(folder / "all.backup"), "--without-secrets"],
        "restore": [str(folder / "all.backup"), "--to", str(folder / "restored"), "--without-secrets"],
        "drill": [str(folder / "all.backup"), "--without-secrets"],
    }
    return known


def keys_of(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, type) of every key in a JSON value: ("rows[].amount.currency", "text")."""
    from penstock.cli.json_rule import NAMED

    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}".lstrip(".")
            yield here, _type(inner)
            if key not in NAMED:
                yield from keys_of(inner, here)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner, f"{path}[]")


def _type(value: Any) -> str:
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "true or false"),
        (int, "integer"),
        (float, "number"),
        (str, "text"),
        (list, "list"),
        (dict, "object"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), "null")


def in_page(page: str, name: str, key: str) -> bool:
    """Whether docs/reference/json.md tells this key of this command."""
    section = page.partition(f"## penstock {name}\n")[2].partition("\n## ")[0]
    return f"| `{key}` |" in section
