"""Every kind of model by its registered name. Importing this loads no kind's libraries."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.models import frozen_linear, ngram_linear
from penstock.models.protocol import Opener

KINDS: Mapping[str, Opener] = {
    ngram_linear.KIND: ngram_linear.open_parts,
    frozen_linear.KIND: frozen_linear.open_parts,
}
