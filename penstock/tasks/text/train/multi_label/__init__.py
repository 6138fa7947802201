"""The rungs of text classification for texts with any number of labels: each label against the rest, calibrated, with a
threshold of its own. Importing this loads no training library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.tasks.text.data.label_sets import LabelledSets
from penstock.training.records import TrainRequest


def by_rows(
    one: Callable[[TrainRequest], Any], several: Callable[[TrainRequest], Any]
) -> Callable[[TrainRequest], Any]:
    """What a rung does for rows with one label, and for rows with several."""

    def chosen(request: TrainRequest) -> Any:
        return several(request) if isinstance(request.train, LabelledSets) else one(request)

    return chosen
