"""The office process: console, admin interface and durable background work in one."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from penstock import installed
from penstock.billing.funding import expire_grants
from penstock.console.office import serve_office
from penstock.metering.usage_log import forget_answers
from penstock.pipeline.limit_warnings import warn_of_limits
from penstock.pipeline.runner import open_workflows
from penstock.runtime.board import Board
from penstock.runtime.house import House, open_house
from penstock.runtime.parent import last_call
from penstock.storage.sealed import check_keys

HOUSEKEEPING_S = 3600.0
LIMITS_S = 60.0
LEAVING_S = 25.0


def run_office(folder: Path, *, host: str | None = None, port: int | None = None, announce: Path | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. announce: a file to write {"address": …} to, once ready.

    A terminal is told a link that signs in once; a file or a pipe is told how to get one: links are written to none.
    """
    house = open_house(folder, background=True)
    check_keys(house.store)

    def ready(address: str, sign_in: str) -> None:
        way_in = (
            f"sign in once with {sign_in}" if sys.stdout.isatty() else "for a link that signs in once: penstock sign-in"
        )
        print(f"office ready at {address}\n{way_in}", flush=True)  # noqa: T201 - said once
        if announce is not None:
            draft = announce.with_suffix(".part")  # whoever waits for it must not read half of it
            draft.write_text(json.dumps({"address": address}))
            draft.replace(announce)

    board = Board()
    with open_workflows(house, executor="office", progress=board.tell) as workflows, chores(house):
        serve_office(house, workflows, host=host, port=port, on_ready=ready, board=board)
        leaving = last_call(LEAVING_S)  # workflows and chores may wait for a database that hangs
    house.close()
    leaving.cancel()
    return 0


@contextmanager
def chores(house: House) -> Iterator[None]:
    """While the block runs: each chore in a thread of its own, again after its pause; a failure waits for the next."""
    stop = threading.Event()

    def again(chore: Callable[[House], object], pause_s: float) -> None:
        while True:
            try:
                chore(house)
            except Exception:
                logging.getLogger(__name__).exception("%s", chore.__name__)
            if stop.wait(pause_s):
                return

    threads = [
        threading.Thread(target=again, args=(chore, pause_s), name=chore.__name__, daemon=True)
        for chore, pause_s in (*_CHORES, *_of_tasks())
    ]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join(5)


def tidy_once(house: House) -> int:
    """Expire grants, let each task tidy what is its own, forget old answers in bounded transactions; returns how many
    answers went.

    What a task has still to read from answers is read first: if that fails, no answer is forgotten.
    """
    with house.store.transaction() as tx:
        expire_grants(tx)
        before = tx.now - timedelta(days=house.workspace.gateway.answer_days)
    for task in installed.tasks().values():
        task.office.before_forgetting(house)  # answers that come from here on are newer than `before`
    gone = 0
    while True:
        with house.store.transaction() as tx:
            page = forget_answers(tx, before=before)
        gone += page
        if page == 0:
            return gone


_CHORES: tuple[tuple[Callable[[House], object], float], ...] = (
    (tidy_once, HOUSEKEEPING_S),
    (warn_of_limits, LIMITS_S),
)


def _of_tasks() -> list[tuple[Callable[[House], object], float]]:
    return [(chore.run, chore.pause_s) for task in installed.tasks().values() for chore in task.office.chores]
