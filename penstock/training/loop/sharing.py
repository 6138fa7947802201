"""What workers who train together exchange, by torch.distributed: gradients, one decision, and proof of a common start.

Who they are and how they found each other, it does not know: the process group is there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.errors import Conflict
from penstock.core.hashing import digest_of
from penstock.training.loop.checkpoints import Identity, sha256_of


def sum_over_all(parameters: Sequence[Any], total: Any) -> None:
    """Replace each parameter's gradient, and `total`, by the sum over all workers: the same bits for everyone."""
    import torch
    import torch.distributed as together

    for each in parameters:
        if each.grad is None:  # a worker without a row of this batch, or a parameter that none of them used
            each.grad = torch.zeros_like(each)
    waiting = [together.all_reduce(tensor, async_op=True) for tensor in (*(each.grad for each in parameters), total)]
    for work in waiting:
        work.wait()


def as_rank_0(number: float) -> float:
    """Rank 0's number, for everyone."""
    import torch
    import torch.distributed as together

    tensor = torch.tensor(number, dtype=torch.float64)
    together.broadcast(tensor, src=0)
    return float(tensor)


def check_same_start(module: Any, step: int, identity: Identity) -> None:
    """Raises Conflict where a worker begins elsewhere than rank 0: their mean gradient would belong to no model."""
    import torch
    import torch.distributed as together

    parts = {**vars(identity), "step": step, "parameters": sha256_of(module.state_dict())}
    mine = torch.tensor([int(digest_of(value)[:12], 16) for value in parts.values()])  # 48 bits each
    everyone = [torch.empty_like(mine) for _ in range(together.get_world_size())]
    together.all_gather(everyone, mine)
    for rank, theirs in enumerate(everyone):
        other = [name for name, same in zip(parts, (theirs == everyone[0]).tolist(), strict=True) if not same]
        if other:
            raise Conflict(
                f"worker {rank} does not start from what worker 0 starts from: another {' and '.join(other)}",
                where="training with several workers",
                hint="every worker needs the same Penstock and the same workspace folder, checkpoints included",
            )
