"""What the loop must know of the machine: whether half precision is quicker on it, and whether its memory ran out."""

from __future__ import annotations


def half_precision_helps(device: str) -> bool:
    """Whether the device ("cpu", "cuda") multiplies bfloat16 itself: then a step takes half the time; emulated, it
    takes longer."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def has_gpu() -> bool:
    """Whether torch is there and sees one."""
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return bool(torch.cuda.is_available())


def out_of_memory(error: BaseException) -> bool:
    """Whether the error means that memory ran out: torch says so in several ways."""
    import torch

    text = str(error).lower()
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in text or "out of memory" in text
    )
