"""Who does what: what the audit log says of whoever changes something, and how it reaches what is opened for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Act:
    """Somebody does something. who: an operator, a key, a user of the machine. role: what it was allowed by. origin:
    from where. name: the command or the route."""

    who: str
    role: str
    origin: str
    name: str


@contextmanager
def acts_are(source: Callable[[], Act]) -> Iterator[None]:
    """Whatever house is opened inside the block is opened for the act that `source` returns."""
    token = _SOURCE.set(source)
    try:
        yield
    finally:
        _SOURCE.reset(token)


def present_act() -> Act | None:
    """The act that is being done here, if any."""
    source = _SOURCE.get()
    return None if source is None else source()


def who_acts(otherwise: str = "operator") -> str:
    """The name of who acts here, as the audit log has it."""
    act = present_act()
    return otherwise if act is None else act.who


_SOURCE: ContextVar[Callable[[], Act] | None] = ContextVar("acts", default=None)
