"""Opinion monitoring's models: entities by alias, sentiment by another product, and the detector of shifts."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.models.protocol import Opener
from penstock.tasks.opinion.model.watching import KIND, open_parts

KINDS: Mapping[str, Opener] = {KIND: open_parts}
