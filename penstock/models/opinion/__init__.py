"""Opinion monitoring's models: entities by alias, sentiment by another product, and the detector of shifts."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.models.opinion.model import KIND, open_parts
from penstock.models.protocol import Opener

KINDS: Mapping[str, Opener] = {KIND: open_parts}
