"""What an interrupted job goes on from: checkpoints, in folders named by what is trained, and unchanged surroundings.

It knows no rung, and does not read a checkpoint: the loop does, and refuses one of other data, recipe or code.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from penstock.core.errors import Broken, Conflict, PenstockError, Unavailable
from penstock.core.hashing import digest_of, sha256_of_file
from penstock.pipeline.climb.judging import code_version
from penstock.registry.runs import Settings
from penstock.runtime.house import House
from penstock.runtime.workflows import step
from penstock.workspace.loader import product_of
from penstock.workspace.records import Product, dump

STALE_DAYS = 7  # nobody runs the same command again after that, and an encoder's checkpoint is some hundred MB
_SECONDS_PER_DAY = 86_400


def checkpoint_folder(house: House, product: str, version_id: str, name: str, asked: Settings) -> Path:
    """Of one training, named by its content: the same command finds it again after whatever ended the first.

    name: of the attempt. asked: what else decides what comes out, as JSON values; the product's seed, its backbone and
    the code are added. Who judged the training removes it.
    """
    stated = house.workspace.products[product]
    content = [product, version_id, name, dict(asked), stated.seed, _backbone(house, stated), code_version()]
    return _root(house) / digest_of(content)[:32]


def remove_checkpoint(folder: Path, error: PenstockError | None = None) -> None:
    """Remove it once its training is judged, or ended with an error; not after one that the same command can overcome,
    such as a killed process, nor where the error points into it: the last good state before a loss was not finite."""
    points = isinstance(error, Broken) and error.where is not None and Path(error.where).is_relative_to(folder)
    if not isinstance(error, Unavailable) and not points:
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale(house: House) -> None:
    """Remove checkpoints that nothing was written to for a week."""
    for folder in _root(house).glob("*"):
        with suppress(FileNotFoundError):  # its training ended this moment
            written = max(each.stat().st_mtime for each in (folder, *folder.rglob("*")))
            if time.time() - written > STALE_DAYS * _SECONDS_PER_DAY:
                shutil.rmtree(folder, ignore_errors=True)


def check_unchanged(house: House, product: str) -> None:
    """The first step of a job: records what it is begun with. Raises Conflict in a resumed job where that changed: its
    later steps would be others than those recorded, or mix old data with new words."""
    now = _surroundings(house, product)
    begun = step("begun with", _begun_with, now)
    changed = [part for part in now if begun.get(part) != now[part]]
    if changed:
        raise Conflict(
            f"the job that was interrupted cannot go on, since this changed: {', '.join(changed)}",
            where=product,
            hint="that job is ended; run the command again: it starts anew",
        )


def _begun_with(now: dict[str, str]) -> dict[str, str]:
    return now


def _surroundings(house: House, name: str) -> dict[str, str]:
    """Digests, by how people call each part."""
    product = product_of(house.workspace, name)
    options = [value for value in product.options.values() if isinstance(value, str)]  # some name a file
    files = [house.folder / each for each in (product.data, product.test or product.data)]
    files += [file for each in options if (file := house.folder / each).suffix]
    return {
        f"[products.{name}]": digest_of(dump(product)),
        "its backbone": digest_of(_backbone(house, product)),
        "[costs]": digest_of(dump(house.workspace.costs)),
        "its data files": digest_of([_file_digest(file, house.workspace.state) for file in files]),
        "Penstock or its libraries": code_version(),
    }


def _backbone(house: House, product: Product) -> Settings | None:
    return None if product.backbone is None else dump(house.workspace.backbones[product.backbone])


def _file_digest(path: Path, state: Path) -> str | None:
    """None: there is none, as for an option that names no file. A folder of many images is told by sizes and times."""
    try:
        if path.is_file():
            return sha256_of_file(path)
        if path.is_dir():
            found = [(each, each.stat()) for each in sorted(path.rglob("*")) if state not in each.parents]
            return digest_of([[str(each), stat.st_size, stat.st_mtime_ns] for each, stat in found])
    except OSError:
        return None  # the reader of the data says what is wrong with it
    return None


def _root(house: House) -> Path:
    return house.workspace.state.resolve() / "runs"
