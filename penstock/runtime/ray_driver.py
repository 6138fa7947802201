"""The child process of `ray_cluster.run_workers`: opens the cluster, starts the workers, and starts them again when one
is lost. Run as `python -m penstock.runtime.ray_driver drive`; whatever it started ends with it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from socket import AF_INET
from typing import Any

import psutil

from penstock.core.errors import Conflict, Unavailable
from penstock.runtime import wire
from penstock.runtime.child import MEMORY_HINT, run_job
from penstock.runtime.progress import Progress
from penstock.runtime.ray_worker import Worker
from penstock.runtime.wire import JsonObject

MOST_LOSSES = 3
MOST_STARTS = 3  # of a cluster of our own
START_S = 180.0  # until all workers run: importing torch beside eight other processes took 40 s
ANSWER_S = 10.0  # of the head node, to a first question
STAGE = "workers"
# Ray's smallest, in bytes: workers exchange through torch, only short texts go through Ray.
OBJECTS = 80 * 2**20


def drive(arguments: JsonObject, progress: Progress) -> JsonObject:
    """Run the job and answer rank 0's result. Raises what `run_workers` says."""
    workers = arguments["workers"]
    asked = wire.dumps({name: arguments[name] for name in ("module", "job", "arguments")})
    progress(STAGE, 0, workers, "starting Ray")
    with _cluster(**arguments["cluster"], workers=workers) as where:
        share = _share(where, workers)
        for _ in range(MOST_LOSSES):
            try:
                return _run_group(asked, workers, share, progress)
            except _Lost as lost:
                reason = str(lost)
            progress(STAGE, 0, workers, f"{reason}; starting again")
    raise Unavailable(
        f"a worker was lost {MOST_LOSSES} times, the last time: {reason}",
        where=where,
        hint=f"{MEMORY_HINT}; what was trained is kept: the same command goes on from there",
    )


class _Lost(Exception):
    """A worker is gone; not the job's fault as far as we know."""


@contextmanager
def _cluster(*, address: str, token: str, workers: int) -> Iterator[str]:
    """A cluster to run on, left or ended afterwards. Answers its HOST:PORT."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ.setdefault("RAY_worker_niceness", "0")  # on top of ours, where Ray adds 15
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "3")  # of 30 s each to find the cluster; 20 else
    own: JsonObject = {}
    if address:
        _check_token(address, token)
    if not address or _on_loopback(address):
        # its name speaks of other systems; what it does everywhere is to keep all of Ray on 127.0.0.1, where Ray would
        # take this machine's address in the network for it
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if not address:
        folder = tempfile.mkdtemp(prefix="penstock-ray-", dir="/tmp")  # sockets' paths must stay below 107 bytes
        guard = _guard(folder)  # noqa: F841 - it acts when its pipe closes, so it must not be collected
        own = {
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": folder,
            "num_cpus": max(workers, os.cpu_count() or 1),
            "object_store_memory": OBJECTS,
            "include_dashboard": False,
        }
    opened = _opened(address, own)
    try:
        where = str(opened.address_info["gcs_address"])
        _check_token(where, token)
        yield where
    finally:
        import_module("ray").shutdown()


def _opened(address: str, own: JsonObject) -> Any:
    """Ray's context. A node of our own has 30 s to start: on a busy machine it may need a second try."""
    ray = import_module("ray")
    reason = ""
    for _ in range(1 if address else MOST_STARTS):
        others = {child.pid for child in psutil.Process().children()}
        try:
            return ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **own)
        except Exception as error:  # noqa: BLE001 - Ray raises bare exceptions here
            reason = _first_line(error)
        for child in psutil.Process().children():  # what the failed start left
            if child.pid not in others:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
    if address:
        hint = "the machine that runs penstock must be a node of the cluster: ray start --address=HOST:PORT"
        raise Unavailable(f"cannot join the Ray cluster: {reason}", where=address, hint=hint)
    raise Unavailable(f"Ray does not start here: {reason}", where="ray", hint="is the machine busy? try again later")


def _on_loopback(address: str) -> bool:
    """Whether the cluster listens on 127.0.0.1 and on no address that other machines could reach."""
    host, _, port = address.rpartition(":")
    if host not in ("127.0.0.1", "localhost"):
        return False
    each = (entry.address for found in psutil.net_if_addrs().values() for entry in found if entry.family == AF_INET)
    return not any(_answers(other, int(port)) for other in each if not other.startswith("127."))


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _guard(folder: str) -> subprocess.Popen[bytes]:
    """Ends our process group and removes Ray's folder as soon as this process is gone, however it went: killed, it
    leaves two of Ray's agents behind for ever."""
    script = 'read _; kill -KILL "-$1"; sleep 1; rm -rf "$2"'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, "guard", str(os.getpgrp()), folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _check_token(address: str, token: str) -> None:
    """Raises Conflict where the head node answers without the token, Unavailable where it does not answer with it.

    It is asked in its own protocol: a Ray client sends a token to whoever it finds, and does not notice that nobody
    checks it.
    """
    grpc = import_module("grpc")

    def ask(*metadata: tuple[str, str]) -> Any:
        with grpc.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),)) as channel:
            question = channel.unary_unary("/ray.rpc.NodeInfoGcsService/GetClusterId")
            try:
                question(b"", timeout=ANSWER_S, metadata=metadata, wait_for_ready=True)
            except grpc.RpcError as error:
                return error.code()
        return grpc.StatusCode.OK

    code = ask()
    if code == grpc.StatusCode.OK:
        raise Conflict(
            "this Ray cluster answers without a token: whoever reaches it could run code and read the data",
            where=address,
            hint="start its nodes with RAY_AUTH_MODE=token (Ray 2.52 or newer), or unset RAY_ADDRESS",
        )
    if code != grpc.StatusCode.UNAUTHENTICATED:
        raise Unavailable(f"the Ray cluster does not answer ({code.name.lower()})", where=address)
    if ask(("authorization", f"Bearer {token}")) != grpc.StatusCode.OK:
        raise Unavailable(
            "the Ray cluster does not accept this token",
            where=address,
            hint="RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH must give the token that its nodes were started with",
        )


def _share(where: str, workers: int) -> dict[str, float]:
    """What each worker gets: a GPU if there is one for each, and as many processors as can be had for all."""
    ray = import_module("ray")
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    processors = [int(node.get("CPU", 0)) for node in nodes]
    for each in range(max(processors, default=0), 0, -1):
        if sum(have // each for have in processors) >= workers:
            gpus = sum(int(node.get("GPU", 0)) for node in nodes) >= workers
            return {"num_cpus": each, "num_gpus": int(gpus)}
    raise Conflict(
        f"the Ray cluster has {sum(processors)} processors, too few for {workers} workers",
        where=where,
        hint="give fewer --workers, or add nodes",
    )


def _run_group(asked: str, workers: int, share: dict[str, float], progress: Progress) -> JsonObject:
    ray = import_module("ray")
    kind: Any = ray.remote(Worker).options(max_concurrency=2, **share)  # one call runs the job, the other asks about it
    group = [kind.remote() for _ in range(workers)]
    try:
        meeting = _meeting(group)
        progress(STAGE, workers, workers, "running")
        return _answer(
            group, [each.run.remote(asked, meeting, rank, workers) for rank, each in enumerate(group)], progress
        )
    finally:
        for each in group:
            ray.kill(each)


def _meeting(group: list[Any]) -> tuple[str, int]:
    """Where rank 0 listens, once all are there."""
    ray = import_module("ray")
    try:
        hosts = ray.get([each.host.remote() for each in group], timeout=START_S)
        meeting: tuple[str, int] = ray.get(group[0].open_door.remote(hosts[0]), timeout=START_S)
    except ray.exceptions.GetTimeoutError:
        hint = "other work holds its processors; wait, or give fewer --workers"
        raise Unavailable(f"{len(group)} workers did not start in {START_S:.0f} s", where="ray", hint=hint) from None
    except ray.exceptions.RayError as error:
        raise _Lost(f"a worker did not start: {_first_line(error)}") from None
    return meeting


def _answer(group: list[Any], running: list[Any], progress: Progress) -> JsonObject:
    """Rank 0's result, once all have ended. Raises the first error that a worker answers, _Lost when one is gone."""
    ray = import_module("ray")
    ranks = {each: rank for rank, each in enumerate(running)}
    result: JsonObject = {}
    news = group[0].told.remote()
    while running:
        ended, _ = ray.wait([*running, news], timeout=None)
        try:
            found = ray.get(ended[0])
        except ray.exceptions.RayError as error:
            raise _Lost(f"worker {ranks.get(ended[0], 0)} died: {_first_line(error)}") from None
        if ended[0] == news:
            _pass_on(found, progress)
            news = group[0].told.remote()
            continue
        running.remove(ended[0])
        answer = wire.loads(found)
        if "lost" in answer:
            raise _Lost(answer["lost"])
        if "error" in answer:
            raise wire.error_from_json(answer["error"])
        if ranks[ended[0]] == 0:
            result = answer["result"]
    with suppress(ray.exceptions.RayError):
        _pass_on(ray.get(news), progress)
    return result


def _pass_on(lines: list[str], progress: Progress) -> None:
    for line in lines:
        progress(*wire.loads(line))


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


if __name__ == "__main__":
    run_job({"drive": drive})
