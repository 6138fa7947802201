"""Runs a job with several workers on Ray: on a cluster of its own on this machine, or on the one RAY_ADDRESS names.

The same contract as `executors.run_child`. Never without token authentication: who reaches a Ray cluster runs code on
it. Imports no Ray: a child process does (see ray_driver.py).
"""

from __future__ import annotations

import importlib.util
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from penstock.core.errors import BadInput, Unavailable
from penstock.core.installing import install_hint
from penstock.runtime.executors import run_child
from penstock.runtime.progress import Progress, no_progress
from penstock.runtime.wire import JsonObject

DRIVER = "penstock.runtime.ray_driver"


@dataclass(frozen=True)
class Cluster:
    """address: HOST:PORT of one that runs already; "" for one of our own, which ends with the job."""

    address: str
    token: str = field(repr=False)


def run_workers(
    module: str, job: str, arguments: JsonObject, on_progress: Progress = no_progress, *, workers: int
) -> JsonObject:
    """Run `module.JOBS[job]` in `workers` processes at once; answer what rank 0 answers, and tell what it tells.

    Each finds arguments["world"] = [rank, size], and those before it in `torch.distributed`. When one is lost, all
    begin again, from the checkpoint that the job keeps; three times at most. Raises the error that a worker raised,
    BadInput or Conflict where Ray would run without a token, Unavailable when Ray or its workers cannot run,
    Interrupted after `stop_children`.
    """
    if workers < 1:
        raise BadInput(f"{workers} workers cannot train", where="--workers", hint="give 1 or more")
    if importlib.util.find_spec("ray") is None:
        hint = install_hint("train", "scale")
        raise Unavailable("training on Ray needs the package 'ray', which is not installed", hint=hint)
    asked = {"module": module, "job": job, "arguments": arguments, "workers": workers}
    return run_child(DRIVER, "drive", {**asked, "cluster": asdict(cluster_from(os.environ))}, on_progress)


def cluster_from(environ: Mapping[str, str]) -> Cluster:
    """The cluster that Ray's own environment variables name, and its token. Raises BadInput without one.

    A cluster of our own gets a token that nobody else knows and no file holds, unless RAY_AUTH_TOKEN gives one.
    """
    mode = environ.get("RAY_AUTH_MODE", "token")
    if mode.lower() != "token":
        raise BadInput(
            "Ray would run without authentication: whoever reaches it could run code and read the data",
            where=f"RAY_AUTH_MODE={mode}",
            hint="unset RAY_AUTH_MODE, or set it to token",
        )
    address = environ.get("RAY_ADDRESS", "").strip()
    token = _token(environ, joining=address not in ("", "local"))
    if address in ("", "local"):
        return Cluster("", token or secrets.token_hex(32))
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        hint = "give HOST:PORT of the head node (`ray start --head` says it), or unset it for a cluster of its own"
        raise BadInput(f"cannot join {address!r}", where="RAY_ADDRESS", hint=hint)
    if not token:
        raise BadInput(
            f"no token for the Ray cluster at {address}",
            where="RAY_ADDRESS",
            hint="set RAY_AUTH_TOKEN_PATH to the file that holds it (or RAY_AUTH_TOKEN); a cluster without token "
            "authentication is not joined",
        )
    return Cluster(address, token)


def _token(environ: Mapping[str, str], *, joining: bool) -> str:
    """Where Ray looks for it, in Ray's order; the file in the home folder only for a cluster that runs already."""
    if given := environ.get("RAY_AUTH_TOKEN", "").strip():
        return given
    named = environ.get("RAY_AUTH_TOKEN_PATH", "")
    file = Path(named) if named else Path.home() / ".ray" / "auth_token"
    if not named and not joining:
        return ""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        if not named:
            return ""
        raise BadInput("there is no such file", where=f"RAY_AUTH_TOKEN_PATH={named}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the token cannot be read: {error}", where=str(file)) from None
