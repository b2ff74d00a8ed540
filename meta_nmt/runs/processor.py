"""What this machine computes fast."""

from __future__ import annotations

import torch


def multiplies_bfloat16() -> bool:
    """Whether the device that trains multiplies bfloat16 itself.

    NVIDIA's GPUs do from Ampere on, and processors with AVX512-BF16 or AMX.
    """
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
