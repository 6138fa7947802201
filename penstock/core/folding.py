"""When two texts read the same to people: the key by which names and e-mail addresses are compared."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """A key that is equal for texts that differ only in case, width, composition, spaces or invisible characters.

    NFKC, case folding, white space collapsed, format characters (category Cf, e.g. a zero-width space) left out.
    """
    visible = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible.casefold()).split())
