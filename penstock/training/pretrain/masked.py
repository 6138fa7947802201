"""Learning to fill in hidden tokens (Devlin and others 2018, arXiv 1810.04805), a quarter of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.training.loop import Problem, Recipe
from penstock.training.pretrain.network import states
from penstock.training.pretrain.views import windows
from penstock.training.pretrain.words import MASK, PAD, SPECIAL, Tokens

SHARE = 0.25
LONGEST = 64
OTHERS = 1_000
WORDS_RATE = 0.1  # of the token vectors: at the full rate, 250 steps cost the counted ones 0.3 to 0.7 points
RECIPE = Recipe(peak=5e-4, decay=0.01, warm=0.1, clip=1.0, betas=(0.9, 0.98))


def masked_problem(model: Any, tokens: Tokens, identity: str) -> Problem:
    """Moves the encoder `model` and a small head, whose output is tied to the token vectors."""
    import torch

    hidden, vocab = model.config.hidden_size, model.config.vocab_size

    class Masked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.dense = torch.nn.Linear(hidden, hidden)
            self.norm = torch.nn.LayerNorm(hidden)
            self.bias = torch.nn.Parameter(torch.zeros(vocab))
            with torch.no_grad():
                self.dense.weight.copy_(torch.eye(hidden))
                self.dense.bias.zero_()

    module = Masked()

    def loss(numbers: Any) -> Any:
        ids = windows(tokens, numbers.numpy(), LONGEST)
        shown, chosen = hide(ids, vocab)
        found = states(module.model, shown)[chosen]
        words, place = _candidates(ids, vocab)
        vectors = module.model.embeddings.word_embeddings(words)
        logits = module.norm(module.dense(found)) @ vectors.T + module.bias[words]
        each = torch.nn.functional.cross_entropy(logits.float(), place[chosen], reduction="none")
        row = chosen.nonzero()[:, 0]
        total = torch.zeros(len(ids)).index_add(0, row, each)
        return total * (len(ids) / len(each))  # so that the mean over rows is the mean over hidden tokens

    lengths = np.minimum(tokens.lengths, LONGEST)
    slow = [((model.embeddings.word_embeddings.weight,), WORDS_RATE)]
    return Problem(module=module, rows=len(lengths), loss=loss, lengths=lengths, groups=slow, identity=identity)


def _candidates(ids: Any, vocab: int) -> tuple[Any, Any]:
    """The tokens among which the hidden ones are to be found, those of the step and some others, and where each of
    `ids` stands among them. All of a vocabulary of 16,000 would take most of a step's time."""
    import torch

    words = torch.unique(torch.cat([ids.flatten(), torch.randint(len(SPECIAL), vocab, (OTHERS,))]))
    return words, torch.searchsorted(words, ids)


def hide(ids: Any, vocab: int) -> tuple[Any, Any]:
    """The ids with a quarter hidden, and which (n, tokens): most as [MASK], a tenth as another token, a tenth as they
    are, so that the encoder must doubt every token. At least one of a text."""
    import torch

    draw = torch.rand(ids.shape).masked_fill(ids == PAD, 2.0)
    chosen = (draw < SHARE) | (draw == draw.min(dim=1, keepdim=True).values)
    how = torch.rand(ids.shape)
    shown = ids.masked_fill(chosen & (how < 0.8), MASK)
    other = torch.randint(len(SPECIAL), vocab, ids.shape)
    return torch.where(chosen & (how >= 0.9), other, shown), chosen
