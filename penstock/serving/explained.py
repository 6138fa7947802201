"""Answers with the words that decided, for who asks for them: which requests may, and what an output then holds.

It knows tasks and their wire; what an explained input costs, its product says.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from penstock.core.errors import BadInput
from penstock.models.parts import MOST_SPANS, strongest
from penstock.models.protocol import Model
from penstock.models.steps import drained
from penstock.serving.engine import Render
from penstock.task import AnyTask

COST = MOST_SPANS + 1  # answers that an explained input may take: the text's own, and one without each part
MOST_EXPLAINED = 32  # inputs of a request: each may cost 25 answers, and a request is given up after 20 s
_DIGITS = 4


def check_explained(task: AnyTask, inputs: int) -> None:
    """Raises BadInput for a task that cannot explain its answers, or too many inputs."""
    if task.explain is None:
        raise BadInput(f"answers of {task.name} cannot be explained", where="explain", hint="leave `explain` out")
    if inputs > MOST_EXPLAINED:
        raise BadInput(
            f"{inputs} inputs are more than the {MOST_EXPLAINED} explained at once",
            where="inputs",
            hint="send several requests",
        )


def render_explained(task: AnyTask) -> Render:
    """The task's own output with "explanation": the parts of the text that weigh most, heaviest first.

    start, end: characters (Unicode code points) of the input. weight: above 0 it spoke for the label answered.
    """
    steps = render_in_steps(task)
    return lambda model, text, scores: drained(steps(model, text, scores))


def render_in_steps(task: AnyTask) -> Callable[[Model, Any, Any], Generator[None, None, dict[str, Any]]]:
    """The same, made in steps: between two of them a thread may do other work."""
    explain = task.explain

    def render(model: Model, text: Any, scores: Any) -> Generator[None, None, dict[str, Any]]:
        answer: dict[str, Any] = task.render(model, text, scores)
        if explain is None:
            return answer
        parts = yield from explain(model, text, scores)
        told = [
            {
                "text": text[part.start : part.end],
                "start": part.start,
                "end": part.end,
                "weight": round(part.weight, _DIGITS),
            }
            for part in strongest(parts)
        ]
        return {**answer, "explanation": told}

    return render
