"""Who is a worker, and what workers sum."""

import torch

from meta_nmt.runs import workers


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
