"""Who is a worker, and what workers sum."""

import pytest
import torch

from meta_nmt.runs import workers
from meta_nmt.tasks.faults import is_out_of_memory


def test_launched_by_torchrun(monkeypatch):
    for name in (*workers.TORCHRUN, "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert not workers.launched() and workers.is_first()
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert not workers.is_first(), "srun started it beside others"
    for name, value in zip(workers.TORCHRUN, ("localhost", "1", "2", "0", "0"), strict=True):
        monkeypatch.setenv(name, value)
    assert workers.launched() and workers.is_first()
    monkeypatch.setenv("RANK", "1")
    assert not workers.is_first()


def test_alone_the_sum_over_workers_is_the_number():
    assert workers.count() == 1
    assert workers.total(7, torch.device("cpu")) == 7


def test_the_system_says_out_of_memory_as_we_read_it():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55)
    assert is_out_of_memory(caught.value), caught.value
