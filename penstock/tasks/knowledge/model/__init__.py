"""Models that answer from a knowledge base: by words, by meaning, or by both. They serve without training libraries."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from penstock.models.protocol import Opener
from penstock.tasks.knowledge.model.answering import KIND_NAMES, open_parts

KINDS: Mapping[str, Opener] = {kind: partial(open_parts, kind) for kind in KIND_NAMES}
"""One opener for all of them: they differ in which signals they fuse."""
