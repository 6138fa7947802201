"""What [products.NAME.options.privacy] says of a text product: the privacy that training its models may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from penstock.workspace.records import Record

Epsilon = Annotated[float, Field(strict=True, gt=0, le=1_000, allow_inf_nan=False)]


class Privacy(Record):
    """Differential privacy of one training row: (epsilon, delta) for each training, by noise on gradients whose norms
    are cut at `clip`. total: what all trainings of the product together may cost, if that is bounded. labels: the
    labels where their names may not be learned from the rows."""

    epsilon: Epsilon
    delta: Annotated[float, Field(strict=True, gt=0, le=1e-3)] = 1e-5
    clip: Annotated[float, Field(strict=True, gt=0, le=100)] = 1.0
    total: Epsilon | None = None
    labels: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _sensible(self) -> Privacy:
        if self.total is not None and self.total < self.epsilon:
            raise ValueError(f"total = {self.total:g} is less than epsilon = {self.epsilon:g}: not one training fits")
        if self.labels and (len(self.labels) < 2 or len(set(self.labels)) < len(self.labels)):
            raise ValueError("labels must name at least two labels, each once")
        return self
