"""Pretraining as people ask for it: the numbers given, or those of the run that was interrupted; what came of it, as
rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.runtime.progress import Progress
from penstock.training.pretrain import Plan, Pretrained, pretrain
from penstock.training.pretrain.folder import check_target, kept_plan


def pretrain_backbone(
    corpus: Path, out: Path, given: Mapping[str, Any], *, column: str, resume: bool, progress: Progress
) -> Pretrained:
    """Pretrain into `out`. given: the numbers of a Plan that were named; when resuming, they must be as they were.

    Raises what `pretrain` raises; Conflict also while another process pretrains into the same folder.
    """
    check_target(out, resume=resume)
    plan = kept_plan(out, given) if resume else Plan(**given)
    return pretrain(corpus, out, plan, column=column, resume=resume, progress=progress)


def pretrained_rows(done: Pretrained) -> list[dict[str, Any]]:
    """A row per stage: steps, the loss at its start and end, seconds."""
    rows = []
    for stage, steps in done.card["steps"].items():
        losses = [value for _, value in done.card["curves"].get(stage, {}).get("loss", ())]
        last = losses[-max(1, len(losses) // 20) :]
        rows.append(
            {
                "stage": stage,
                "steps": steps,
                "first loss": losses[0] if losses else None,
                "last loss": sum(last) / len(last) if last else None,
                "seconds": round(done.card["seconds"].get(stage, 0.0)),
            }
        )
    return rows
