"""The heavy half of a compression, run in a niced child process: `python -m penstock.jobs.compressing compress`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock import tasks
from penstock.core.hashing import digest_of
from penstock.datasets.rows import Split
from penstock.datasets.versions import get_version, load_rows
from penstock.jobs.attempts import options_of
from penstock.jobs.child import told, training_request
from penstock.jobs.consent import check_trained
from penstock.jobs.elapsed import added, counted
from penstock.jobs.measuring import keep_and_measure
from penstock.jobs.privacy import check_compression
from penstock.models.load import Loader
from penstock.models.protocol import Model
from penstock.registry.candidates import Candidate, get_candidate
from penstock.runtime.child import Job, run_job
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import Progress
from penstock.storage.blobs import BlobStore, scratch
from penstock.training.cache import EmbeddingCache
from penstock.training.compress import COMPRESSIONS, CompressRequest
from penstock.training.compress.settings import parted
from penstock.training.records import Trained, save
from penstock.training.rungs import RUNGS


def compress(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Compress the candidates `sources` by `by`, and measure what comes of it on the version's test rows.

    arguments: folder, product, version, sources (ids), by, set (name to value), incumbent_report, incumbent_artifact,
    label and checkpoint as in a training. What was set is kept among the parameters, so that it can be done again.
    """
    house = open_house(Path(arguments["folder"]))
    product = house.workspace.products[arguments["product"]]
    check_compression(product, arguments["by"], arguments["product"])  # as stated now: the file may be edited meanwhile
    checkpoint = None if arguments.get("checkpoint") is None else Path(arguments["checkpoint"])
    before, say = counted(checkpoint, told(arguments, progress))
    with house.store.read() as tx:
        version = get_version(tx, arguments["product"], arguments["version"])
        sources = [get_candidate(tx, source) for source in arguments["sources"]]
    train, test = load_rows(house.blobs, version)
    with house.store.read() as tx:
        check_trained(tx, house.blobs, arguments["product"], train)
    bench = _Bench(house, arguments["product"], say, house.blobs)
    made = [(source.artifact, source) for source in sources]  # two may have the same artifact
    with scratch(house.blobs) as blobs:
        trained = _compressed(
            bench,
            replace(bench, blobs=blobs),
            arguments["by"],
            made,
            arguments["set"],
            tasks.get(product.task).split(train, product),
            checkpoint,
        )
        answer = keep_and_measure(house, arguments, trained, test, say)
    return {**added(answer, before), "parameters": {**answer["parameters"], "set": arguments["set"]}}


@dataclass(frozen=True)
class _Bench:
    """What all work here shares. blobs: where what is made is kept."""

    house: House
    product: str
    progress: Progress
    blobs: BlobStore

    @property
    def seed(self) -> int:
        return self.house.workspace.products[self.product].seed

    @property
    def cache(self) -> EmbeddingCache:
        return EmbeddingCache(self.house.workspace.state / "cache" / "embeddings")


def _compressed(
    bench: _Bench,
    spare: _Bench,
    by: str,
    made: Sequence[tuple[str, Candidate]],
    given: Mapping[str, Any],
    rows: Any,
    checkpoint: Path | None = None,
    stands_for: int | None = None,
) -> Trained:
    """made: the artifacts to compress, in order, and the candidate that tells how to make each once more. spare: where
    those are made, which nobody reads again. stands_for: as in a TrainRequest."""
    artifacts, load = [artifact for artifact, _ in made], Loader(bench.blobs).load
    models = [load(artifact) for artifact in artifacts]
    options, recipe = parted(COMPRESSIONS[by], given)

    def again(artifact: str, part: Split) -> Model:
        """One folder for each model and rows: a checkpoint of other rows is refused."""
        folder = None if checkpoint is None else checkpoint / digest_of([artifact, list(part.inputs)])[:16]
        return _again(spare, dict(made)[artifact], part, folder, stands_for or len(rows)).model

    return COMPRESSIONS[by].compress(
        CompressRequest(
            source=models[0],
            source_artifact=artifacts[0],
            other=models[1] if len(models) > 1 else None,
            other_artifact=artifacts[1] if len(models) > 1 else None,
            train=rows,
            blobs=bench.blobs,
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


def _again(bench: _Bench, candidate: Candidate, rows: Split, checkpoint: Path | None, stands_for: int) -> Trained:
    """The candidate once more as it was made, from these rows only: trained, or its sources trained and compressed.
    stands_for: how many rows it was made from."""
    if not candidate.made_from:
        options = options_of(bench.house, bench.product)
        given = options.get("recipes", {}).get(candidate.rung, {})
        arguments = {
            "product": bench.product,
            "rung": candidate.rung,
            "options": options,
            "recipe": {**given, **candidate.parameters.get("searched", {})},
        }
        request = training_request(bench.house, arguments, [], bench.progress)
        return RUNGS[candidate.rung].train(
            replace(
                request,
                train=rows,
                blobs=bench.blobs,
                load=Loader(bench.blobs).load,
                checkpoint=checkpoint,
                stands_for=stands_for,
            )
        )
    with bench.house.store.read() as tx:
        sources = [get_candidate(tx, source) for source in candidate.made_from]
    folders = [None if checkpoint is None else checkpoint / source.id for source in sources]
    made = [
        (save(_again(bench, source, rows, folder, stands_for), bench.blobs), source)
        for source, folder in zip(sources, folders, strict=True)
    ]
    given = candidate.parameters.get("set", {})
    return _compressed(bench, bench, candidate.rung, made, given, rows, checkpoint, stands_for)


JOBS: dict[str, Job] = {"compress": compress}

if __name__ == "__main__":
    run_job(JOBS)
