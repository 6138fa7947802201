"""A process with a workflow of three steps, for the test that kills it: STATE URL ORGANISATION LOG.

Step 2 makes its effect and then, the first time, waits to be killed.
"""

import sys
import time
from pathlib import Path
from typing import Any

from penstock.runtime.workflows import Workflows, run_id, step
from penstock.storage import counters
from penstock.storage.engine import open_store

state, url, organisation, log = Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])


def wrote(line: str) -> None:
    with log.open("a") as stream:
        stream.write(line + "\n")


def effect(operation: str) -> None:
    """Counts once per operation id, however often it is asked."""
    store = open_store(url, organisation)
    with store.transaction() as tx:
        if f"done:{operation}" not in counters.generations(tx):
            counters.bump(tx, f"done:{operation}")
            counters.take(tx, "effects")
    store.close()


def first(rows: int) -> dict[str, Any]:
    wrote("step 1")
    return {"rows": rows, "pair": (1, 2)}


def second(rows: int) -> int:
    wrote("step 2")
    effect(f"{run_id()}:second")
    if log.read_text().count("step 2") == 1:
        wrote("waiting")
        time.sleep(60)
    return rows * 10


def third(total: int) -> int:
    wrote("step 3")
    return total + 1


def job(arguments: dict[str, Any]) -> dict[str, Any]:
    prepared = step("first", first, arguments["rows"])
    total = step("second", second, prepared["rows"])
    return {"answer": step("third", third, total), "pair": prepared["pair"]}


workflows = Workflows(state, url, "killed")
workflows.define("job", job)
with workflows:
    print(workflows.run_or_resume("job", {"rows": 4}, wrote))
