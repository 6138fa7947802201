"""The heavy half of a compression, in a niced child process: `python -m penstock.pipeline.compress.worker JOB`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from penstock import installed
from penstock.core.hashing import digest_of
from penstock.datasets.rows import Split
from penstock.datasets.versions import get_version, load_rows
from penstock.loader import Loader
from penstock.models.protocol import Model
from penstock.pipeline.climb.attempts import options_of
from penstock.pipeline.climb.elapsed import added, counted
from penstock.pipeline.climb.measuring import keep_and_measure
from penstock.pipeline.climb.worker import rung_request, told
from penstock.pipeline.compress.stand_ins import StandIns, stand_ins
from penstock.pipeline.kinds import COMPRESS_MODELS
from penstock.pipeline.privacy.consent import check_trained
from penstock.pipeline.privacy.stated import check_compression
from penstock.pipeline.records import CompressModels, Measurement
from penstock.registry.candidates import Candidate, get_candidate
from penstock.registry.runs import Settings
from penstock.runtime.child import Job, run_job
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import Progress
from penstock.storage.blobs import BlobStore
from penstock.training.cache import EmbeddingCache
from penstock.training.compress.records import CompressRequest
from penstock.training.compress.settings import parted
from penstock.training.records import Trained


def compress_models(asked: CompressModels, progress: Progress) -> Measurement:
    """Compress candidates, and measure what comes of it on the version's test rows.

    What was set is kept among the parameters, so that it can be done again.
    """
    house = open_house(Path(asked.folder))
    product = house.workspace.products[asked.product]
    check_compression(product, asked.by, asked.product)  # as stated now: the file may be edited meanwhile
    checkpoint = None if asked.checkpoint is None else Path(asked.checkpoint)
    before, say = counted(checkpoint, told(asked, progress))
    with house.store.read() as tx:
        version = get_version(tx, asked.product, asked.version)
        sources = [get_candidate(tx, source) for source in asked.sources]
    train, test = load_rows(house.blobs, version)
    with house.store.read() as tx:
        check_trained(tx, house.blobs, asked.product, train)
    kept = None if asked.stand_ins is None else Path(asked.stand_ins)
    made = [(source.artifact, source) for source in sources]  # two may have the same artifact
    rows = installed.of(product).split(train, product)
    with stand_ins(house.blobs, kept) as standing:
        bench = _Bench(house, asked.product, say, standing, len(rows))
        made_of = _compressed(bench, house.blobs, asked.by, made, asked.set, rows, checkpoint)
        trained = installed.of(product).training().carry_over(made_of, Loader(house.blobs).load(sources[0].artifact))
        answer = keep_and_measure(house, asked.product, asked.incumbent, trained, test, say)
    return structs.replace(added(answer, before), parameters={**answer.parameters, "set": asked.set})


@dataclass(frozen=True)
class _Bench:
    """What all work here shares. rows: how many the candidates were made from; see TrainRequest.stands_for."""

    house: House
    product: str
    progress: Progress
    standing: StandIns
    rows: int

    @property
    def seed(self) -> int:
        return self.house.workspace.products[self.product].seed

    @property
    def cache(self) -> EmbeddingCache:
        return EmbeddingCache(self.house.workspace.state / "cache" / "embeddings")


def _compressed(
    bench: _Bench,
    blobs: BlobStore,
    by: str,
    made: Sequence[tuple[str, Candidate]],
    given: Settings,
    rows: Any,
    checkpoint: Path | None,
) -> Trained:
    """blobs: where what is made is kept. made: the artifacts to compress, in order, and the candidate that tells how to
    make each once more."""
    artifacts, load = [artifact for artifact, _ in made], Loader(blobs).load
    models = [load(artifact) for artifact in artifacts]
    options, recipe = parted(installed.compressions()[by], given)

    def again(artifact: str, part: Split) -> Model:
        """One folder for each model and rows: a checkpoint of other rows is refused."""
        folder = None if checkpoint is None else checkpoint / digest_of([artifact, list(part.inputs)])[:16]
        return Loader(bench.standing.blobs).load(_again(bench, dict(made)[artifact], part, folder))

    return installed.compressions()[by].compress(
        CompressRequest(
            source=models[0],
            source_artifact=artifacts[0],
            other=models[1] if len(models) > 1 else None,
            other_artifact=artifacts[1] if len(models) > 1 else None,
            train=rows,
            blobs=blobs,
            load=load,
            seed=bench.seed,
            cache=bench.cache,
            progress=bench.progress,
            options=options,
            recipe=recipe,
            checkpoint=checkpoint,
            again=again,
        )
    )


def _again(bench: _Bench, candidate: Candidate, rows: Split, checkpoint: Path | None) -> str:
    """The artifact of the candidate made once more, from these rows only: trained, or its sources trained and
    compressed."""
    make = _compress_again if candidate.made_from else _train_again
    return bench.standing.of(candidate.id, rows, lambda: make(bench, candidate, rows, checkpoint))


def _train_again(bench: _Bench, candidate: Candidate, rows: Split, checkpoint: Path | None) -> Trained:
    options, blobs = options_of(bench.house, bench.product), bench.standing.blobs
    given = options.get("recipes", {}).get(candidate.rung, {})
    product, rung = bench.house.workspace.products[bench.product], installed.rungs()[candidate.rung]
    return rung.train(
        replace(
            rung_request(bench.house, product, rung, bench.progress),
            train=rows,
            options=options,
            recipe={**given, **candidate.parameters.get("searched", {})},
            blobs=blobs,
            load=Loader(blobs).load,
            checkpoint=checkpoint,
            stands_for=bench.rows,
        )
    )


def _compress_again(bench: _Bench, candidate: Candidate, rows: Split, checkpoint: Path | None) -> Trained:
    with bench.house.store.read() as tx:
        sources = [get_candidate(tx, source) for source in candidate.made_from]
    folders = [None if checkpoint is None else checkpoint / source.id for source in sources]
    made = [(_again(bench, source, rows, folder), source) for source, folder in zip(sources, folders, strict=True)]
    given = candidate.parameters.get("set", {})
    return _compressed(bench, bench.standing.blobs, candidate.rung, made, given, rows, checkpoint)


JOBS: dict[str, Job] = {COMPRESS_MODELS.name: COMPRESS_MODELS.served(compress_models)}

if __name__ == "__main__":
    run_job(JOBS)
