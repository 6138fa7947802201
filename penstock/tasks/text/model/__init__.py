"""Models that classify texts: n-grams, linear heads on a backbone, static vectors, and mixtures of these."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.models.protocol import Opener
from penstock.tasks.text.model import blend, cascade, frozen_linear, multi_label, ngram_linear, static

KINDS: Mapping[str, Opener] = {
    ngram_linear.KIND: ngram_linear.open_parts,
    frozen_linear.KIND: frozen_linear.open_parts,
    frozen_linear.TUNED: frozen_linear.open_tuned,
    blend.KIND: blend.open_parts,
    cascade.KIND: cascade.open_parts,
    static.KIND: static.open_parts,
    **multi_label.KINDS,
}
