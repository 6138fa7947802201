"""Pretrain: a backbone of one's own from unlabelled texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.output import OPTIONS, note, show, shown_progress


def register(app: typer.Typer) -> None:
    app.command()(pretrain)


def pretrain(
    corpus: Annotated[
        Path, typer.Argument(help="Texts without labels: .txt, .jsonl, .csv, each also .gz, or a folder.")
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the backbone.")],
    column: Annotated[str, typer.Option(help="Where a .jsonl or .csv file has its texts.")] = "text",
    minutes: Annotated[float | None, typer.Option(help="From start to end (default: 6).")] = None,
    vocab: Annotated[int | None, typer.Option(help="Tokens of the vocabulary, at most (default: 16000).")] = None,
    layers: Annotated[int | None, typer.Option(help="Of the encoder (default: 2).")] = None,
    hidden: Annotated[int | None, typer.Option(help="Numbers of a vector (default: 256).")] = None,
    seed: Annotated[int | None, typer.Option(help="Of all that is random (default: 0).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with one that was interrupted.")] = False,
) -> None:
    """Train a small text encoder with its own vocabulary on unlabelled texts of any language."""
    from penstock.pipeline.pretrain import pretrain_backbone, pretrained_rows

    numbers = {"minutes": minutes, "vocab": vocab, "layers": layers, "hidden": hidden, "seed": seed}
    given = {name: value for name, value in numbers.items() if value is not None}
    with shown_progress() as progress:
        done = pretrain_backbone(corpus, out, given, column=column, resume=resume, progress=progress)
    facts = {name: value for name, value in done.card.items() if name != "curves"}
    show({"folder": out, **facts}, rows=pretrained_rows(done), title=_title(done.card))
    if not OPTIONS.json:
        note(f'use it in penstock.toml:\n\n  [backbones.own]\n  source = "path:{out.absolute()}"\n')


def _title(card: Mapping[str, Any]) -> str:
    texts, tokens = card["corpus"]["texts"], card["vocabulary"]
    return (
        f"A backbone of {card['parameters'] / 1e6:.1f} million parameters and {tokens:,} tokens, from {texts:,} texts"
    )
