"""Learning that two parts of one text belong together, against the other texts of the step.

InfoNCE on spans of a text as in DeCLUTR (Giorgi and others 2020, arXiv 2006.03659), and dropout as in SimCSE (Gao and
others 2021, arXiv 2104.08821), which alone tells the views of a short text apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.training.contrast import contrastive_losses
from penstock.training.loop import Problem, Recipe
from penstock.training.pretrain.network import sentence_vectors
from penstock.training.pretrain.views import parts
from penstock.training.pretrain.words import MASK, PAD, Tokens

TEMPERATURE = 0.05
HIDDEN = 0.15  # of a view's tokens
LONGEST = 48
RECIPE = Recipe(peak=3e-4, decay=0.01, warm=0.1, clip=1.0, betas=(0.9, 0.98))


def contrast_problem(model: Any, tokens: Tokens, identity: str) -> Problem:
    """Moves the encoder `model`. Texts of a single token have no parts, and are left out."""
    usable = np.flatnonzero(tokens.lengths > 1)

    def loss(numbers: Any) -> Any:
        rows = usable[numbers.numpy()]
        one, other = (sentence_vectors(model, _thinned(parts(tokens, rows, LONGEST))) for _ in range(2))
        return contrastive_losses(one, other, sharpness=1 / TEMPERATURE)

    lengths = np.minimum(tokens.lengths[usable], 2 * LONGEST)
    return Problem(
        model, len(usable), loss, lengths=lengths, identity=identity, called=lambda row: f"text {usable[row] + 1}"
    )


def _thinned(ids: Any) -> Any:
    """Some tokens hidden, so that no single one gives the pair away."""
    import torch

    return ids.masked_fill((torch.rand(ids.shape) < HIDDEN) & (ids != PAD), MASK)
