"""Writes docs/reference/json.md, the keys of --json, from what the commands print: `python tests/render_json.py`.

A test compares: a key that a command prints must be on the page.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from analytics.harbour import busy_harbour
from cli.walk import JSON_PAGE, keys_of, lines

from penstock.cli.root import run
from penstock.core.clock import SettableClock
from penstock.core.ids import random_ids
from penstock.storage import migrate
from penstock.storage.engine import Store, open_engine

HEAD = """\
# What `--json` prints

Every command takes `--json` and prints data for programs on stdout: typed values (numbers as numbers, times in ISO 8601
UTC, amounts with their currency), under keys that stay. Under a key such as `probabilities` or `metrics` the names are
your own: labels, columns, metrics.

- Money is `{"amount": "12.50", "currency": "USD"}`, the amount an exact decimal as text, or an integer of minor units
  (`amount_minor`) beside a `currency`.
- An error is one line on stderr, `{"error": {"code", "message", "where", "hint"}}`, and the exit code is the same as
  without `--json`: 1 failed, 2 bad usage or input, 3 the gate said no. Wrong usage has the code `usage`; others are
  named after what is wrong: `bad_input`, `not_found`, `conflict`, `gate_refused` ...
- A remark is `{"note": "..."}` on stderr, so that each line of stderr is JSON.

`[]` is each of a list. Written by `python tests/render_json.py` from a small company; a test compares.
"""


def render() -> str:
    """The whole page."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'penstock.sqlite'}"
        os.environ["PENSTOCK_DATABASE"] = url
        migrate.upgrade(url)
        store = Store(open_engine(url), "main", SettableClock(datetime(2026, 10, 1, tzinfo=UTC)), random_ids)
        here = busy_harbour(Path(folder), store)
        tables = [_section(name, words, folder) for name, words in lines(here, Path(folder)).items()]
        store.close()
    return "\n".join([HEAD, *filter(None, tables)])


def _section(name: str, words: list[str], folder: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        run([*name.split(), *words, "--json", "--no-input", "--workspace", folder])
    if not out.getvalue():
        return ""
    kinds: dict[str, set[str]] = {}
    for key, kind in keys_of(json.loads(out.getvalue())):
        kinds.setdefault(key, set()).add(kind)
    return "\n".join([f"## penstock {name}", "", "| key | type |", "|---|---|", *_rows(kinds), ""])


def _rows(kinds: Mapping[str, set[str]]) -> list[str]:
    return [f"| `{key}` | {', '.join(sorted(found))} |" for key, found in kinds.items()]


if __name__ == "__main__":
    JSON_PAGE.write_text(render(), encoding="utf-8")
