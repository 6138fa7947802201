"""What workers can be asked, by name: the module that does it, and the records that it takes and answers."""

from __future__ import annotations

from penstock.pipeline.records import (
    CompressModels,
    FoundRecipe,
    MadeVersion,
    MakeVersion,
    Measurement,
    RefitRung,
    Refitted,
    SearchRecipe,
    TrainRung,
)
from penstock.runtime.child import JobKind

MAKE_VERSION = JobKind("penstock.pipeline.climb.worker", "make-version", MakeVersion, MadeVersion)
TRAIN_RUNG = JobKind("penstock.pipeline.climb.worker", "train-rung", TrainRung, Measurement)
REFIT_RUNG = JobKind("penstock.pipeline.climb.worker", "refit-rung", RefitRung, Refitted)
SEARCH_RECIPE = JobKind("penstock.pipeline.climb.worker", "search-recipe", SearchRecipe, FoundRecipe)
COMPRESS_MODELS = JobKind("penstock.pipeline.compress.worker", "compress-models", CompressModels, Measurement)
