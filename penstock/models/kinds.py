"""Every kind of model by its registered name. Importing this loads no kind's libraries."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.models import (
    blend,
    cascade,
    frozen_linear,
    images,
    knowledge,
    multi_label,
    ngram_linear,
    opinion,
    recommendation,
    static,
    tabular,
)
from penstock.models.protocol import Opener

KINDS: Mapping[str, Opener] = {
    ngram_linear.KIND: ngram_linear.open_parts,
    frozen_linear.KIND: frozen_linear.open_parts,
    frozen_linear.TUNED: frozen_linear.open_tuned,
    blend.KIND: blend.open_parts,
    cascade.KIND: cascade.open_parts,
    static.KIND: static.open_parts,
    **multi_label.KINDS,
    **knowledge.KINDS,
    **opinion.KINDS,
    **recommendation.KINDS,
    **images.KINDS,
    **tabular.KINDS,
}
