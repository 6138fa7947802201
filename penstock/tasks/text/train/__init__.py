"""The rungs that classify texts, cheapest first. Importing this loads no training library."""

from __future__ import annotations

from penstock.models.protocol import unsure_below
from penstock.tasks.text.compress import COMPRESSIONS
from penstock.tasks.text.train import blend, frozen_linear, full, lora, ngram_linear, private, static
from penstock.tasks.text.train.multi_label import by_rows, frozen, ngram
from penstock.tasks.text.train.multi_label.rows import check_sets
from penstock.tasks.text.train.rows import check_rows
from penstock.tasks.text.train.unsure import train_unsure, with_threshold
from penstock.training.backbones import resolve
from penstock.training.records import Rung, Training

_CHECK = by_rows(check_rows, check_sets)
RUNGS: tuple[Rung, ...] = (
    Rung("ngram-linear.v1", by_rows(ngram_linear.train, ngram.train), minutes=0.1, check=_CHECK),
    Rung(static.NAME, static.train, backbone="text", space=static.SPACE, minutes=0.5, check=static.check),
    Rung("frozen-linear.v1", by_rows(frozen_linear.train, frozen.train), backbone="text", check=_CHECK),
    Rung(
        private.NAME, private.train, backbone="text", check=private.check, private=True
    ),  # no space: choosing numbers by rows would cost privacy
    Rung(lora.NAME, lora.train, backbone="text", space=lora.SPACE, minutes=3.0, check=lora.check),
    Rung(full.NAME, full.train, backbone="text", space=full.SPACE, minutes=4.0, check=full.check),
    Rung(blend.NAME, blend.train, backbone="text", space=full.SPACE, minutes=5.0, check=full.check),
)

TRAINING = Training(
    RUNGS,
    resolvers={"text": resolve},
    compressions=COMPRESSIONS,
    train=train_unsure,
    carry_over=lambda trained, judged: with_threshold(trained, unsure_below(judged)),
)
