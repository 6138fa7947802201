"""Vectors of tokens by counting which stand near which: a start for training that costs seconds.

Shifted positive pointwise mutual information, factorised (Levy and Goldberg 2014, NIPS): what skip-gram tends to.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from penstock.models.protocol import Floats
from penstock.runtime.progress import Progress, no_progress
from penstock.training.extras import training_libraries
from penstock.training.pretrain.words import Tokens

WINDOW = 20  # tokens to either side: 5 lost 1 to 1.6 points on Chinese sentiment and 3 on topic, against 30
SMOOTHING = 0.75  # power of the context's frequency, so that rare ones do not win
MOST_TOKENS = 10_000_000  # more only take longer
_ROUNDS = 2  # of the range finder
_MORE = 32  # directions above those asked for (Halko, Martinsson, Tropp 2011, SIAM Review 53:2)


def token_vectors(tokens: Tokens, vocab: int, hidden: int, seed: int, progress: Progress = no_progress) -> Floats:
    """(vocab, hidden) of median length one; the last number is 0. Tokens that were not seen have small random ones."""
    with training_libraries("counting words"):
        import scipy.sparse  # noqa: F401
    left, values = _factorised(_information(_counts(tokens, vocab, progress)), hidden - 1, seed, progress)
    vectors = np.zeros((vocab, hidden), dtype=np.float32)
    vectors[:, : left.shape[1]] = left * np.sqrt(values)
    lengths = np.linalg.norm(vectors, axis=1)
    seen = lengths > 1e-6
    vectors /= np.median(lengths[seen]) if seen.any() else 1.0
    draw = np.random.default_rng([seed, vocab])
    vectors[~seen, :-1] = draw.standard_normal((int((~seen).sum()), hidden - 1)) * (0.5 * hidden**-0.5)
    return vectors


def _counts(tokens: Tokens, vocab: int, progress: Progress) -> Any:
    """How often two tokens stand within the window in the same text (vocab, vocab)."""
    from scipy.sparse import coo_matrix, csr_matrix

    last = int(np.searchsorted(tokens.starts, MOST_TOKENS, side="right")) - 1
    ends = tokens.starts[1 : last + 1]
    flat = tokens.flat[: ends[-1]] if len(ends) else tokens.flat
    text = np.repeat(np.arange(len(ends)), np.diff(tokens.starts[: last + 1]))
    total = csr_matrix((vocab, vocab), dtype=np.float32)
    for apart in range(1, WINDOW + 1):
        near = text[:-apart] == text[apart:]
        pairs = flat[:-apart][near], flat[apart:][near]
        ones = np.ones(len(pairs[0]), dtype=np.float32)
        total = total + coo_matrix((ones, pairs), shape=(vocab, vocab)).tocsr()
        progress("count", apart, WINDOW + 2 * _ROUNDS, "which tokens stand near which")
    return (total + total.T).tocsr()


def _information(counts: Any) -> Any:
    """Positive pointwise mutual information. Rare pairs count too: without those seen less than four times,
    four Chinese tasks lost 1.5 to 2.5 points."""
    from scipy.sparse import csr_matrix

    often = np.asarray(counts.sum(axis=1)).ravel()
    context = often**SMOOTHING
    context /= max(context.sum(), 1e-9)
    pairs = counts.tocoo()
    told = np.log(pairs.data / (often[pairs.row] * context[pairs.col]))
    more = told > 0
    return csr_matrix((told[more].astype(np.float32), (pairs.row[more], pairs.col[more])), shape=counts.shape)


def _factorised(matrix: Any, rank: int, seed: int, progress: Progress) -> tuple[Floats, Floats]:
    """Left singular vectors (rows, rank) and singular values (rank,), the largest first, by random projection."""
    import torch

    draw = np.random.default_rng(seed)
    width = min(rank + _MORE, matrix.shape[1])
    there, back = _as_torch(matrix), _as_torch(matrix.T.tocsr())
    basis = torch.from_numpy(draw.standard_normal((matrix.shape[1], width)).astype(np.float32))
    basis = torch.linalg.qr(there @ basis)[0]
    for number in range(_ROUNDS):
        for half, each in enumerate((back, there)):
            basis = torch.linalg.qr(each @ basis)[0]
            progress("count", WINDOW + 2 * number + half + 1, WINDOW + 2 * _ROUNDS, "vectors from the counts")
    inner, values, _ = torch.linalg.svd((back @ basis).T, full_matrices=False)
    left = basis @ inner
    return left[:, :rank].numpy(), values[:rank].numpy()


def _as_torch(matrix: Any) -> Any:
    """The same sparse matrix for torch, which multiplies it on all cores."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its sparse formats young
        parts = (torch.from_numpy(matrix.indptr), torch.from_numpy(matrix.indices), torch.from_numpy(matrix.data))
        return torch.sparse_csr_tensor(*parts, size=matrix.shape)
