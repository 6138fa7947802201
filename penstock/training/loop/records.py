"""What the loop takes and gives: a recipe of numbers, a problem of functions, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from penstock.core.errors import BadInput

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to train.

    epochs, least_steps: whichever is more steps. batch: rows of one step; accumulate: in how many parts it goes through
    memory. peak: the highest learning rate; warm: the share of steps that rise to it. decay, l1: of the weights.
    smoothing: what the wrong classes share of a label. dropout: before the head. clip: of the gradient's norm, 0 for
    none. betas: AdamW's. patience: epochs without a better held-out score until it stops; one-cycle must run its whole
    course, so it goes with "constant" only. adversarial: length of the step against the embeddings (FGM), 0 for none.
    precision: "auto" multiplies in bfloat16 where the processor does so itself.
    """

    epochs: float = 3.0
    batch: int = 32
    accumulate: int = 1
    peak: float = 1e-4
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    warm: float = 0.1
    decay: float = 0.01
    l1: float = 0.0
    smoothing: float = 0.0
    dropout: float = 0.1
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.99)
    patience: int = 0
    adversarial: float = 0.0
    precision: Literal["auto", "float32"] = "auto"
    least_steps: int = 0

    def changed(self, given: Mapping[str, Any], where: str) -> Recipe:
        """This recipe with some numbers replaced, as people or a search give them. Raises BadInput for what is no
        recipe; `where` names it, e.g. "full.v1"."""
        known = {each.name for each in fields(self)}
        for name in given:
            if name not in known:
                raise BadInput(f"unknown {name!r} in the recipe of {where}", hint=f"known: {', '.join(sorted(known))}")
        try:
            made = replace(self, **{name: _like(getattr(self, name), value) for name, value in given.items()})
        except (TypeError, ValueError) as error:
            raise BadInput(f"the recipe of {where} cannot be read: {error}") from None
        made.check(where)
        return made

    def check(self, where: str) -> None:
        """Raises BadInput for numbers that cannot train."""
        numbers = [self.epochs, self.peak, self.warm, self.decay, self.l1, self.smoothing, self.dropout, self.clip]
        wrong = [
            (all(map(math.isfinite, [*numbers, self.adversarial, *self.betas])), "its numbers must be finite"),
            (self.patience >= 0 and self.adversarial >= 0, "patience and adversarial must not be negative"),
            (len(self.betas) == 2 and all(0 <= each < 1 for each in self.betas), "betas must be two shares below 1"),
            (self.epochs > 0, "epochs must be above 0"),
            (self.batch >= 1 and self.accumulate >= 1, "batch and accumulate must be at least 1"),
            (0 < self.peak < 1, "peak must lie between 0 and 1"),
            (0 <= self.warm < 1, "warm must be a share below 1"),
            (self.decay >= 0 and self.l1 >= 0 and self.clip >= 0, "decay, l1 and clip must not be negative"),
            (0 <= self.smoothing < 1 and 0 <= self.dropout < 1, "smoothing and dropout must be shares below 1"),
            (self.schedule in ("one-cycle", "constant"), 'schedule must be "one-cycle" or "constant"'),
            (self.precision in ("auto", "float32"), 'precision must be "auto" or "float32"'),
            (
                not (self.patience and self.schedule == "one-cycle"),
                'patience needs schedule = "constant": one-cycle must run its whole course',
            ),
        ]
        for holds, message in wrong:
            if not holds:
                raise BadInput(message, where=f"the recipe of {where}")

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "betas": list(self.betas)}


def _like(usual: Any, value: Any) -> Any:
    """The value as the field's own type."""
    if isinstance(usual, tuple):
        return tuple(float(each) for each in value)
    if isinstance(usual, str):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    if isinstance(usual, int) and not float(value).is_integer():
        raise ValueError(f"{value!r} is not a whole number")
    return type(usual)(value)


@dataclass(frozen=True, eq=False)
class Problem:
    """What is learned.

    module: the torch module whose parameters move; those that do not require a gradient stay. rows: how many there are
    to learn from. loss(numbers): the loss of each of these rows (k,), a tensor with its graph; numbers: (k,) int64
    tensor. It is called under autocast and seeded, so that dropout and random views come out the same after a resume.
    lengths: (rows,) the work of each row, so that rows of like length share a batch; None: all alike.
    groups: parameters that learn at a multiple of the rate, all others at 1. embedding: the parameter that adversarial
    steps disturb. held(): quality on held-out rows after an epoch, higher is better. identity: names data and model;
    a checkpoint of another is refused. called(row): what people call a row, for messages; None: its number.
    """

    module: Any
    rows: int
    loss: Callable[[Any], Any]
    lengths: Integers | None = None
    groups: Sequence[tuple[Sequence[Any], float]] = ()
    embedding: Any = None
    held: Callable[[], float] | None = None
    identity: str = ""
    called: Callable[[int], str] | None = None


@dataclass(frozen=True)
class World:
    """Who trains together: this one's rank among `size`. Each learns from its share of a batch; torch.distributed adds
    the gradients up."""

    rank: int = 0
    size: int = 1


ALONE = World()


@dataclass(frozen=True)
class Fitted:
    """steps taken of those planned, wall seconds. curves: name -> (step, value) points, e.g. "loss", "rate", "held".
    notes: for people, where something was adapted."""

    steps: int
    planned: int
    seconds: float
    curves: Mapping[str, tuple[tuple[float, float], ...]]
    notes: tuple[str, ...] = field(default=())


def check_possible(recipe: Recipe, where: str, *, embeds: bool, holds: bool) -> None:
    """Raises BadInput for numbers that would do nothing here. embeds: an embedding learns. holds: rows are held out."""
    if recipe.adversarial and not embeds:
        raise BadInput("adversarial needs an embedding that learns, and here none does", where=where, hint="leave it 0")
    if recipe.patience and not holds:
        hint = "leave it 0; rungs that hold rows out do so where there are many"
        raise BadInput("patience needs held-out rows, and here none are held out", where=where, hint=hint)
