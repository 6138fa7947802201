"""What one job hands to the next: what is asked of a workflow or a worker process, and what comes of it.

Frozen records; `runtime.wire` turns them into JSON and back. A field that may be missing in the JSON has a default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import UNSET, UnsetType, field

from penstock.datasets.rows import TaskRow
from penstock.evaluation.choice import Choice
from penstock.evaluation.frontier import Point
from penstock.evaluation.gate import Reason
from penstock.registry.runs import Settings
from penstock.runtime.wire import Record


class TrainJob(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What the workflows "train" and "explore" are asked."""

    # the product's name
    product: str
    # rungs to try, in this order; (): the product's ladder, or all rungs where it is explored
    rungs: tuple[str, ...] = ()
    # wall time for everything, the data included; None: one training a rung
    budget_minutes: float | None = None
    # where rungs are trained: "process" or "ray"
    executor: str = "process"
    # how many train together
    workers: int = 1


class RetrainJob(Record, frozen=True, kw_only=True):
    """What the workflow "retrain" is asked."""

    # the product's name
    product: str


class CompressJob(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What the workflow "compress" is asked."""

    # the product's name
    product: str
    # id of the candidate to make cheaper
    candidate: str
    # the compression's registered name
    by: str
    # id of the second candidate, for a compression of two
    other: str | None = field(name="with", default=None)
    # what is set, by name
    options: Settings = field(default_factory=dict)


class Incumbent(Record, frozen=True, kw_only=True):
    """The live release to compare with; all None where nothing is live."""

    # its candidate's id
    candidate: str | None
    # the digest of its report
    report: str | None
    # the digest of the artifact that was judged
    artifact: str | None
    # its model or report is gone: it is named, and nothing is compared with it
    lost: bool = False


class MakeVersion(Record, frozen=True, kw_only=True):
    """Asks a worker to read and clean a product's data."""

    # the workspace's folder
    folder: str
    # the product's name
    product: str
    # rows from use that join training
    extra: Sequence[TaskRow]
    # id of the version that it grows from
    parent: str | None


class MadeVersion(Record, frozen=True, kw_only=True):
    """A dataset version, and what became of the rows from use."""

    # its number within the product
    version: int
    # its id: the digest of its rows
    id: str
    # how many rows from use it has
    learned: int
    # how many rows to train on
    rows: int
    # ids of the corrections and events that gave a row
    gave: tuple[str, ...] = ()
    # ids of those that gave none, and why
    gave_none: Mapping[str, str] = field(default_factory=dict)
    # what cleaning found, for people
    told: tuple[str, ...] = ()
    # wall time that making it took
    wall_s: float = 0.0


class RungWork(Record, frozen=True, kw_only=True):
    """What any work at a rung needs to know."""

    # the workspace's folder
    folder: str
    # the product's name
    product: str
    # the number of the dataset version
    version: int
    # the rung's registered name
    rung: str
    # of the product, with the artifacts that its rungs build on
    options: Settings
    # hyper-parameters that replace the rung's own
    recipe: Settings = field(default_factory=dict)
    # names the rung in stages where several are trained, else ""
    label: str = ""


class TrainRung(Record, frozen=True, kw_only=True):
    """Asks a worker to train one rung and to measure what comes of it."""

    # which, and on what
    at: RungWork
    # is measured on the same rows
    incumbent: Incumbent
    # the folder of what a long training goes on from
    checkpoint: str
    # seconds after which a training by steps stops with what it has; None: never
    train_seconds: float | None = None
    # rank and number of the workers that train together
    world: tuple[int, int] = (0, 1)


class RefitRung(Record, frozen=True, kw_only=True):
    """Asks a worker to train a judged recipe again, on the test rows too."""

    # which, and on what
    at: RungWork
    # the digest of what was judged
    artifact: str


class SearchRecipe(Record, frozen=True, kw_only=True):
    """Asks a worker to search the rung's recipe on held-out training rows."""

    # which rung, on what; its recipe is what stays as it is
    at: RungWork
    # the id of the dataset version
    version_id: str
    # names the search among the runs
    operation: str
    # how long it may take, earlier trials of this operation included
    seconds: float
    # that the first trial will take
    expected_s: float


class CompressModels(Record, frozen=True, kw_only=True):
    """Asks a worker to compress candidates and to measure what comes of it."""

    # the workspace's folder
    folder: str
    # the product's name
    product: str
    # the number of the dataset version
    version: int
    # the compression's registered name
    by: str
    # ids of the candidates, in order
    sources: tuple[str, ...]
    # what is set, by name
    set: Settings
    # is measured on the same rows
    incumbent: Incumbent
    # names the compression in stages where several are made, else ""
    label: str = ""
    # the folder of what a long training goes on from
    checkpoint: str | None = None
    # the folder of the stand-ins that several compressions share; None: each makes its own
    stand_ins: str | None = None


class Measurement(Record, frozen=True, kw_only=True):
    """What was trained or compressed, and how it was measured: what a judge needs."""

    # the digest of the artifact
    artifact: str
    # the digest of what it stands on
    backbone: str | None
    # the digest of the report
    report: str
    # wall time of the training alone
    seconds: float
    # processor time until the model was made
    cpu_s: float
    # the name of the GPU it was trained on, "" for none
    gpu: str
    # how it was made, for people
    notes: tuple[str, ...]
    # what it was made with
    parameters: Settings
    # the digest of the training's curves
    curves: str | None
    # the digest of the incumbent's report on the same rows
    incumbent_report: str | None
    # wall time that measuring took
    measuring_s: float
    # of `seconds`, those in processes that were interrupted before
    before_s: float = 0.0
    # how many trained together; each burnt as much as the one that answered
    workers: int = 1
    # the folder of its checkpoint, removed once it is judged
    checkpoint: str = ""
    # all the seconds that it took, measuring and interruptions included
    wall_s: float = 0.0


class Refit(Record, frozen=True, kw_only=True):
    """A model trained again on all labelled rows, held against the judged one."""

    # the digest of its artifact
    artifact: str
    # how many rows it learned from
    rows: int
    # share of the test rows that both answer alike
    agreement: float
    # share of the judged model's right answers that it gives too
    kept: float
    # whether a release may serve it
    holds: bool


class Refitted(Record, frozen=True, kw_only=True):
    """What a worker answers to `RefitRung`."""

    # what a candidate's parameters keep
    refit: Refit
    # the same for people
    note: str


class FoundRecipe(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What a search of a recipe found."""

    # how many recipes were tried
    trials: int
    # the score of the rung's own recipe
    own: float | None
    # the score of the best other, where it beats that
    best: float | None
    # its numbers
    parameters: Settings | None
    # why the search ended
    stopped: str
    # wall time of the trials before this process
    before_s: float = 0.0
    # all the seconds that it took
    wall_s: float = 0.0


class Search(Record, frozen=True, kw_only=True):
    """What an outcome tells of a search; of one that was not begun only `trials`, 0, and why."""

    # how many recipes were tried
    trials: int
    # the score of the rung's own recipe
    own: float | UnsetType | None = UNSET
    # the score of the best other, where it beats that
    best: float | UnsetType | None = UNSET
    # its numbers
    parameters: Settings | UnsetType | None = UNSET
    # why the search ended, or was not begun
    stopped: str
    # wall time of the trials before the last process
    before_s: float | UnsetType = UNSET
    # all the seconds that it took
    wall_s: float | UnsetType = UNSET


class Outcome(Record, frozen=True, kw_only=True):
    """What people and later steps are told of an attempt that was judged."""

    # the rung's registered name, or the compression's
    rung: str
    # the candidate's id
    candidate: str
    # its number within the product
    number: int
    # ids of the candidates that it was compressed from
    made_from: tuple[str, ...]
    # the digest of its report
    report: str
    # what the gate said
    passed: bool
    # the name of the metric that speaks for its quality
    headline: str
    # names of the metrics of quality
    measured: tuple[str, ...]
    # the headline with its interval, for people
    quality: str
    # for people
    latency_p95_ms: str
    # for people, in the company's currency
    cost_per_1000: str
    # wall time of the training alone
    seconds: float
    # what the gate looked at
    reasons: tuple[Reason, ...]
    # how far it fell short, for people
    shortfall: tuple[str, ...]
    # test rows that would settle a no; 0: none would
    rows_needed: int
    # the number of its run
    run: int
    # how it was made, for people
    notes: tuple[str, ...]
    # all the seconds that the attempt took
    wall_s: float
    # those of them that measuring took
    measuring_s: float
    # the digest of what it stands on
    backbone: str | None
    # what was set of a compression
    set: Settings | UnsetType = UNSET
    # of its rung's recipe, after a no
    search: Search | UnsetType = UNSET


class NotTried(Record, frozen=True, kw_only=True):
    """What was left out."""

    # the rung, or the compression with what it would have been made from
    rung: str
    # for people
    why: str


class Result(Record, frozen=True, kw_only=True):
    """What came of a climb or a retraining."""

    # the number of the dataset version
    version: int
    # what cleaning found, for people
    told: tuple[str, ...]
    # of each rung, or part of what was made again, that was judged, in order
    outcomes: tuple[Outcome, ...]


class TrainResult(Result, frozen=True, kw_only=True):
    """What came of a climb; a rung whose recipe was searched may come twice."""

    # rungs that were left out
    not_tried: tuple[NotTried, ...]
    # what would turn a no into a yes, the likeliest first
    advice: tuple[str, ...]


class ExploreResult(TrainResult, frozen=True, kw_only=True):
    """What came of an exploration."""

    # the candidates, cheapest first
    points: tuple[Point, ...]
    # by the product's rule
    choice: Choice | None


class Taken(Record, frozen=True, kw_only=True):
    """What became of what came back from use."""

    # ids of the corrections and events that gave a row each
    gave: tuple[str, ...]
    # ids of those that gave none, and why
    gave_none: Mapping[str, str]


class RetrainResult(Result, frozen=True, kw_only=True):
    """What came of a retraining; its last outcome is that of the model itself."""

    # how many rows from use the version has
    learned: int
    # by correction and event
    feedback: Taken
    # the number of the new release; None where the gate said no
    release: int | None


class CompressResult(Record, frozen=True, kw_only=True):
    """What came of a compression."""

    # the number of the dataset version
    version: int
    # one
    outcomes: tuple[Outcome, ...]
