"""Recommenders: they score every item for a user or a list of items. The kinds of models, by their names."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.models.protocol import Opener
from penstock.tasks.recommendation.model import files

KINDS: Mapping[str, Opener] = dict.fromkeys(files.KINDS, files.open_parts)
