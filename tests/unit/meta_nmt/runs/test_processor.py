"""What this machine computes fast is what torch says of it."""

import pytest
import torch

from meta_nmt.runs.processor import multiplies_bfloat16


@pytest.mark.parametrize("cuda, gpu, avx, amx", [(1, 1, 0, 0), (1, 0, 1, 1), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)])
def test_the_device_that_trains_decides(monkeypatch, cuda, gpu, avx, amx):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bool(gpu))
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bool(avx))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: bool(amx))
    assert multiplies_bfloat16() == bool(gpu if cuda else avx or amx)
