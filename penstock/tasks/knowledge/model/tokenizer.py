"""The tokens of a text, for BM25: words and pieces of words. Scripts without spaces are read by their characters.

The one tokeniser of training and serving. It knows nothing of entries or scores.
"""

from __future__ import annotations

import re
import unicodedata

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"  # kana and Han
_RUN = re.compile(f"[{_UNSPACED}]+|[^\\W{_UNSPACED}]+")
_FIRST_UNSPACED = re.compile(f"[{_UNSPACED}]")


def words(text: str) -> tuple[str, ...]:
    """Lower-case words; of an unspaced script each two neighbouring characters (a lone one stands for itself)."""
    found: list[str] = []
    for run in _runs(text):
        if _FIRST_UNSPACED.match(run):
            found += _grams(run, 2) or [run]
        else:
            found.append(run)
    return tuple(found)


def pieces(text: str) -> tuple[str, ...]:
    """What survives slips and endings: three and four neighbouring characters of the words and the gaps between them;
    of an unspaced script each character, and each two."""
    found: list[str] = []
    line = " "
    for run in _runs(text):
        if _FIRST_UNSPACED.match(run):
            found += [*run, *_grams(run, 2)]
        else:
            line += f"{run} "
    return (*found, *(gram for size in (3, 4) for gram in _grams(line, size)))


def _runs(text: str) -> list[str]:
    found: list[str] = _RUN.findall(unicodedata.normalize("NFKC", text).lower())
    return found


def _grams(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(len(text) - size + 1)]
