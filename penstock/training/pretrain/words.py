"""The vocabulary of a corpus, learned by byte-pair encoding over characters, and the texts as token numbers.

Words of Chinese and Japanese are found as frequent runs of characters, as nothing separates them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.core.errors import BadInput
from penstock.models.protocol import Integers

SPECIAL = ("[PAD]", "[UNK]", "[MASK]")
PAD, UNKNOWN, MASK = range(3)
LONGEST_CJK = 4  # characters: longer runs are phrases, which are rare elsewhere
LONGEST = 16
SPARE = 1.25  # so many more are learned, as phrases are taken out again
MOST_CHARACTERS = 6_000
_CJK = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]")


@dataclass(frozen=True, eq=False)
class Tokens:
    """All texts one after the other. flat: (tokens,) numbers; text k is flat[starts[k]:starts[k + 1]], never empty."""

    flat: npt.NDArray[np.int32]
    starts: Integers

    @property
    def lengths(self) -> Integers:
        return np.diff(self.starts)


def learn_tokenizer(texts: Sequence[str], vocab: int) -> str:
    """A tokenizer.json of at most `vocab` tokens: single characters, then runs of them, the most frequent first."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=int(vocab * SPARE),
        min_frequency=3,
        limit_alphabet=min(MOST_CHARACTERS, vocab // 2),
        special_tokens=list(SPECIAL),
        max_token_length=LONGEST,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, len(texts))
    return _without_phrases(tokenizer.to_str(), vocab)


def encode(tokenizer_json: str, texts: Sequence[str]) -> Tokens:
    """The texts' token numbers, texts without any left out. Raises BadInput when none is left."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    rows = []
    for start in range(0, len(texts), 10_000):  # encodings weigh a hundred times their numbers
        found = tokenizer.encode_batch_fast(list(texts[start : start + 10_000]))
        rows += [np.array(each.ids, dtype=np.int32) for each in found if each.ids]
    if not rows:
        raise BadInput("no text of the corpus holds a token", where="corpus", hint="add texts with letters in them")
    return Tokens(np.concatenate(rows), np.cumsum([0, *map(len, rows)], dtype=np.int64))


def _without_phrases(tokenizer_json: str, vocab: int) -> str:
    """The same tokenizer without runs of more than four CJK characters, and of at most `vocab` tokens."""
    described: dict[str, Any] = json.loads(tokenizer_json)
    model = described["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    made = {left + right for left, right in merges}
    by_number = sorted(model["vocab"], key=model["vocab"].__getitem__)
    tokens = [token for token in by_number if token not in made]
    known, kept = set(tokens), []
    for left, right in merges:
        token = left + right
        phrase = len(token) > LONGEST_CJK and _CJK.search(token) is not None
        if phrase or left not in known or right not in known:
            continue
        if token not in known and len(tokens) >= vocab:
            continue
        kept.append([left, right])
        if token not in known:
            known.add(token)
            tokens.append(token)
    model["vocab"], model["merges"] = {token: number for number, token in enumerate(tokens)}, kept
    return json.dumps(described, ensure_ascii=False)
