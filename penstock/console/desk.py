"""What a page or a verb works on: the opened workspace and its workflows. Handed to every route by the framework."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from penstock.runtime.house import House
from penstock.workspace.records import Company


class Run(Protocol):
    """One run of a workflow."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def arguments(self) -> dict[str, Any]: ...
    @property
    def begun_at(self) -> datetime: ...


class Workflows(Protocol):
    """What the office asks of the durable work: see runtime.workflows."""

    def start(self, name: str, arguments: dict[str, Any]) -> Any: ...
    def pending(self, name: str) -> Any: ...
    def unfinished(self, id: str) -> bool: ...
    def result(self, handle: Any) -> Any: ...


@dataclass(frozen=True)
class Desk:
    """The house, and the workflows of this office."""

    house: House
    workflows: Workflows

    @property
    def company(self) -> Company:
        return self.house.workspace.company


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]
