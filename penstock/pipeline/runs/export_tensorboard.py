"""A run as a folder of TensorBoard: its curves and metrics as scalars, its parameters for the HParams page.

Needs the package tensorboard only; neither torch nor TensorFlow.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput
from penstock.pipeline.runs.listing import flat, scalars
from penstock.registry.runs import Run, curves_of
from penstock.storage.blobs import BlobStore
from penstock.training.extras import training_libraries


@contextmanager
def opened(to: str, blobs: BlobStore, product: str) -> Iterator[Callable[[Run], bool]]:
    """A function that writes a run into its folder TO/PRODUCT/NUMBER-RUNG, and answers False when it is there.

    Raises BadInput for a folder that cannot be written, Unavailable without tensorboard.
    """
    if "://" in to:
        raise BadInput("TensorBoard reads files: name a folder, not an address", where="--to")
    folder = Path(to) / product
    with training_libraries("writing for TensorBoard", extra="tracking"):  # before a folder is left behind
        import tensorboard  # noqa: F401
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot write here: {error.strerror}", where=str(folder)) from None
    yield lambda run: _put(folder, blobs, run)


def _put(folder: Path, blobs: BlobStore, run: Run) -> bool:
    """Whole or not at all: it is written beside and then named."""
    target = folder / f"{run.number:04d}-{re.sub(r'[^A-Za-z0-9._-]', '_', run.rung)}"
    if target.exists():
        return False
    part = folder / f".{target.name}.{os.getpid()}"
    try:
        _write(part, run, scalars(run, curves_of(blobs, run)))
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return True


def _write(folder: Path, run: Run, points: list[tuple[str, float, int, float]]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for plugin_tag, content in _session(run):
        value = Summary.Value(tag=plugin_tag)
        value.metadata.plugin_data.plugin_name = "hparams"
        value.metadata.plugin_data.content = content
        writer.add_event(Event(wall_time=run.created_at.timestamp(), step=0, summary=Summary(value=[value])))
    for tag, at_s, step, number in points:
        value = Summary.Value(tag=tag, simple_value=number)
        writer.add_event(Event(wall_time=at_s, step=step, summary=Summary(value=[value])))
    writer.close()


def _session(run: Run) -> list[tuple[str, bytes]]:
    """The messages by which the HParams page knows a run: its parameters, and how it ended."""
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

    ended = run.created_at.timestamp()
    start = SessionStartInfo(group_name=f"{run.product}/{run.number}", start_time_secs=ended - run.seconds)
    for name, value in {"rung": run.rung, "kind": run.kind, "seed": run.seed, **flat(run.parameters)}.items():
        _set(start.hparams[name], value)
    status = api_pb2.STATUS_SUCCESS if run.state == "done" else api_pb2.STATUS_FAILURE
    end = SessionEndInfo(status=status, end_time_secs=ended)
    version = metadata.PLUGIN_DATA_VERSION
    return [
        (
            metadata.SESSION_START_INFO_TAG,
            HParamsPluginData(version=version, session_start_info=start).SerializeToString(),
        ),
        (metadata.SESSION_END_INFO_TAG, HParamsPluginData(version=version, session_end_info=end).SerializeToString()),
    ]


def _set(field: Any, value: Any) -> None:
    if isinstance(value, bool):
        field.bool_value = value
    elif isinstance(value, int | float):
        field.number_value = value
    else:
        field.string_value = str(value)
