"""The form of the images that a model reads, as its artifact's settings keep it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.core.errors import Broken


@dataclass(frozen=True)
class Form:
    """shape: (height, width, channels). converts: colours may be turned into grays. temperature: of the scores."""

    shape: tuple[int, int, int]
    converts: bool
    temperature: float

    def settings(self) -> dict[str, Any]:
        """What an artifact keeps of it."""
        return {"shape": list(self.shape), "converts": self.converts, "temperature": self.temperature}


def read_form(settings: Mapping[str, Any], where: str) -> Form:
    """The inverse of `settings`. Raises Broken when it is not one."""
    try:
        height, width, channels = map(int, settings["shape"])
        form = Form((height, width, channels), bool(settings["converts"]), float(settings["temperature"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Broken(f"the artifact does not say what images its model reads: {error}", where=where) from None
    if min(height, width) < 1 or channels not in (1, 3) or not 0 < form.temperature < math.inf:
        raise Broken(f"no model reads images of {form}", where=where)
    return form
