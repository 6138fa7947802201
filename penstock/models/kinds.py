"""Every kind of model by its registered name. Importing this loads no kind's libraries."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.models import frozen_linear, images, knowledge, ngram_linear, opinion, recommendation, tabular
from penstock.models.protocol import Opener

KINDS: Mapping[str, Opener] = {
    ngram_linear.KIND: ngram_linear.open_parts,
    frozen_linear.KIND: frozen_linear.open_parts,
    **knowledge.KINDS,
    **opinion.KINDS,
    **recommendation.KINDS,
    **images.KINDS,
    **tabular.KINDS,
}
