"""The contrastive loss: each vector is to find its own partner among those of the step. It knows no text."""

from __future__ import annotations

from typing import Any


def contrastive_losses(first: Any, second: Any, *, sharpness: float) -> Any:
    """A loss per row (n,) of unit vectors (n, width) whose rows belong together: cross entropy over the n candidates,
    from first to second and back. sharpness: what similarities are multiplied by, one over the temperature.

    The ranking loss of Henderson and others 2017 (arXiv 1705.00652), symmetric; elsewhere called InfoNCE.
    """
    import torch

    alike = sharpness * first @ second.T
    own = torch.arange(len(alike))
    there, back = (torch.nn.functional.cross_entropy(each, own, reduction="none") for each in (alike, alike.T))
    return (there + back) / 2
