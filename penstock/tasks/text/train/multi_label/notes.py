"""What training on several labels says of its thresholds, for people."""

from __future__ import annotations

from penstock.tasks.text.train.multi_label.calibration import Calibrated


def calibrated_in_words(found: Calibrated, rows: int) -> str:
    """Where the thresholds come from, and how they do there."""
    least, most = float(found.thresholds.min()), float(found.thresholds.max())
    return (
        f"probabilities and thresholds ({least:.2f} to {most:.2f}, leaning to {found.usual:.2f}) from {rows:,} "
        f"held-out training rows, with a micro F1 of {found.micro_f1:.4f} there"
    )
