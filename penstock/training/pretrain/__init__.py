"""A backbone of one's own from unlabelled texts: words, vectors by counting, masked tokens, then contrast."""

from penstock.training.pretrain.records import Plan, Pretrained
from penstock.training.pretrain.run import pretrain

__all__ = ["Plan", "Pretrained", "pretrain"]
