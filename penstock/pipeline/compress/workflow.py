"""Makes a candidate cheaper, as recorded steps: compress in a child process, measure, judge by the product's own gate.

A compressed candidate is one like any other; it remembers what it was made from and what was set, to be made again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from msgspec import structs

from penstock import installed
from penstock.core.errors import BadInput, Conflict
from penstock.datasets.versions import find_version
from penstock.pipeline.climb.attempts import Work, attempt, attempt_of, begin, judge, used_up, watched
from penstock.pipeline.climb.judging import Attempt, check_uses, incumbent_of
from penstock.pipeline.climb.resuming import check_unchanged, checkpoint_folder
from penstock.pipeline.kinds import COMPRESS_MODELS
from penstock.pipeline.privacy.stated import check_compression
from penstock.pipeline.records import (
    CompressJob,
    CompressModels,
    CompressResult,
    Incumbent,
    MadeVersion,
    Measurement,
    Outcome,
)
from penstock.pipeline.runs.reports import named_candidate
from penstock.registry.candidates import Candidate, get_candidate
from penstock.registry.runs import Settings
from penstock.runtime.executors import run_child
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.runtime.workflows import step, workflow
from penstock.training.compress.records import Compression
from penstock.training.compress.settings import read_settings
from penstock.workspace.loader import product_of


def plan(
    house: House,
    candidate: str,
    *,
    by: str,
    number: str | None = None,
    other: str | None = None,
    given: Sequence[str] = (),
) -> CompressJob:
    """What the workflow is asked, from what people typed: candidates as id, PRODUCT (with a number) or PRODUCT/NUMBER,
    the other one also by its number alone, settings as NAME=VALUE. Raises BadInput, NotFound, Conflict for what does
    not fit."""
    compression = compression_of(by)
    with house.store.read() as tx:
        source = named_candidate(tx, house, candidate, number)
        second = None
        if other is not None:  # a number alone is one of the same product
            second = named_candidate(tx, house, f"{source.product}/{other}" if other.isdigit() else other)
    check_compression(product_of(house.workspace, source.product), compression.name, "--by")
    sources = [source] if second is None else [source, second]
    _check_sources(compression, sources)
    return CompressJob(
        product=source.product,
        candidate=source.id,
        by=compression.name,
        other=None if second is None else second.id,
        options=read_settings(compression, given),
    )


@workflow
def compress(house: House, job: CompressJob, progress: Progress) -> CompressResult:
    """Compress a candidate, or two, and judge what comes of it."""
    check_unchanged(house, job.product)
    sources = [source for source in (job.candidate, job.other) if source is not None]
    version = step("version", _version, house, job.product, sources[0])
    work = begin(house, job.product, version, progress)
    step("uses", check_uses, house, work.product, version.id)
    outcome = compress_step(work, job.by, sources, given=job.options)
    return CompressResult(version=version.version, outcomes=(outcome,))


def compress_step(
    work: Work,
    by: str,
    sources: Sequence[str],
    name: str = "",
    *,
    given: Settings | None = None,
    seconds: float = math.inf,
) -> Outcome:
    """Compress these candidates, measure and judge what comes of it.

    sources: ids. given: what is set, by name. name: of the steps, where one compression is done twice. seconds: after
    which it is ended. Raises what the compression raises, OutOfTime, and BadInput for one that the product's privacy
    forbids.
    """
    name = name or by
    check_compression(product_of(work.house.workspace, work.product), by, work.product)
    incumbent = step(f"incumbent of {name}", incumbent_of, work.house, work.product)
    made = step(f"compress {name}", _compress, work, by, list(sources), dict(given or {}), incumbent, name, seconds)
    return step(f"judge {name}", _judge, work, attempt_of(work, by, name, "compress", sources), made, incumbent)


def recompress(work: Work, candidate: str) -> list[Outcome]:
    """Train what a compressed candidate was made from on this work's data version, and compress it in the same way.

    Answers the outcome of each part, the compressed one last; each is a candidate of its own, judged once, and a no to
    a part does not end it. A candidate that was not compressed is trained as it was. Raises Conflict where the test
    split or the privacy is used up before a part, BadInput for a compression that the product's privacy forbids.
    """
    return _remake(work, candidate, "", {})


def _remake(work: Work, candidate: str, place: str, done: dict[str, str]) -> list[Outcome]:
    """done: what was remade already, old id to new: both halves of a cascade may stand on one candidate."""
    with work.house.store.read() as tx:
        old = get_candidate(tx, candidate)
    name = f"{old.rung}{place}"  # two halves may be of one rung; their steps and checkpoints need names of their own
    outcomes: list[Outcome] = []
    if not old.made_from:
        _check_left(work, name, spends=True)
        outcomes.append(attempt(work, old.rung, recipe=old.parameters.get("searched"), name=name))
    else:  # asked before its parts are trained: they would spend epsilon for nothing
        check_compression(product_of(work.house.workspace, work.product), old.rung, work.product)
        for number, source in enumerate(old.made_from, start=1):
            if source not in done:
                outcomes += _remake(work, source, f"{place} {number}", done)
        sources = [done[source] for source in old.made_from]
        _check_left(work, name, spends=False)
        outcomes.append(compress_step(work, old.rung, sources, name, given=old.parameters.get("set")))
    done[candidate] = outcomes[-1].candidate
    return outcomes


def _check_left(work: Work, name: str, *, spends: bool) -> None:
    if (refused := used_up(work, name, spends=spends)) is not None:
        raise refused


def compression_of(name: str) -> Compression:
    """By its registered name, or that without its version. Raises BadInput."""
    found = installed.compressions().get(name) or installed.compressions().get(f"{name}.v1")
    if found is None:
        known = ", ".join(sorted(each.partition(".")[0] for each in installed.compressions()))
        raise BadInput(f"unknown compression {name!r}", where="--by", hint=f"known: {known}")
    return found


def _check_sources(compression: Compression, sources: Sequence[Candidate]) -> None:
    source = sources[0]
    if len(sources) < compression.models:
        raise BadInput(f"{compression.name} takes two candidates", hint="name the second: --with CANDIDATE")
    if len(sources) > compression.models:
        raise BadInput(f"{compression.name} takes one candidate", where="--with", hint="leave it out")
    for other in sources[1:]:
        if other.id == source.id:
            raise BadInput(f"{compression.name} takes two different candidates", where="--with")
        if other.product != source.product:
            raise BadInput(f"{other.id} is a candidate of {other.product}, not of {source.product}", where="--with")
        if other.dataset_version != source.dataset_version:
            raise Conflict(
                f"candidates {source.number} and {other.number} were trained on different data versions",
                where="--with",
                hint=f"train both on the present data (penstock train {source.product} --rung ...), then take those",
            )


def _version(house: House, product: str, source: str) -> MadeVersion:
    """The data version that the source was trained on, as `attempts.make_version` answers it."""
    with house.store.read() as tx:
        found = find_version(tx, product, get_candidate(tx, source).dataset_version)
    return MadeVersion(version=found.number, id=found.id, rows=found.rows_train, learned=0)


def _compress(
    work: Work, by: str, sources: list[str], given: Settings, incumbent: Incumbent, name: str, seconds: float
) -> Measurement:
    decisive = {"by": by, "sources": sources, "set": given}
    folder = checkpoint_folder(work.house, work.product, work.version.id, name, decisive)
    asked = CompressModels(
        folder=work.folder,
        product=work.product,
        version=work.version.version,
        by=by,
        sources=tuple(sources),
        set=given,
        incumbent=incumbent,
        label=by if work.several else "",
        checkpoint=str(folder),
        stand_ins=None if work.stand_ins is None else str(work.stand_ins),
    )
    run = partial(COMPRESS_MODELS.by, partial(run_child, seconds=seconds), asked, work.progress)
    return watched(work, attempt_of(work, by, name, "compress"), run, folder, parameters={"set": given})


def _judge(work: Work, attempt: Attempt, made: Measurement, incumbent: Incumbent) -> Outcome:
    return structs.replace(judge(work, attempt, made, incumbent), set=made.parameters["set"])
