"""What workers can be asked, by name: the module that does it, and the records that it takes and answers."""

from __future__ import annotations

from penstock.jobs.records import (
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

MAKE_VERSION = JobKind("penstock.jobs.child", "make-version", MakeVersion, MadeVersion)
TRAIN_RUNG = JobKind("penstock.jobs.child", "train-rung", TrainRung, Measurement)
REFIT_RUNG = JobKind("penstock.jobs.child", "refit-rung", RefitRung, Refitted)
SEARCH_RECIPE = JobKind("penstock.jobs.child", "search-recipe", SearchRecipe, FoundRecipe)
COMPRESS_MODELS = JobKind("penstock.jobs.compressing", "compress-models", CompressModels, Measurement)
