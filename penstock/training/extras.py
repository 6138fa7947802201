"""Says what to install when a training library is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.core.errors import Unavailable
from penstock.core.installing import install_hint


@contextmanager
def training_libraries(purpose: str, *, extra: str = "train") -> Iterator[None]:
    """Around the imports of training libraries. purpose: "training on n-grams". extra: what installs them. Raises
    Unavailable."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"{purpose} needs the package {error.name!r}, which is not installed",
            hint=install_hint(extra),
        ) from None
