"""Who is a worker, and what workers sum."""

from argparse import Namespace

import pytest
import torch

from data_prep.base.errors import InputError
from meta_nmt.runs import workers


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in (*workers.TORCHRUN, "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


def flags(**given: object) -> Namespace:
    usual = {"distributed_port": -1, "distributed_init_method": None, "distributed_rank": 0}
    return Namespace(**{**usual, **given})


def test_launched_by_torchrun(monkeypatch):
    assert not workers.launched() and workers.is_first(flags())
    for name, value in zip(workers.TORCHRUN, ("localhost", "1", "2", "0", "0"), strict=True):
        monkeypatch.setenv(name, value)
    assert workers.launched() and workers.is_first(flags())
    monkeypatch.setenv("RANK", "1")
    assert not workers.is_first(flags())


def test_slurm_numbers_the_workers_of_a_run_only_where_the_flags_ask_for_it(monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert workers.is_first(flags()), "a run of its own, beside others in an outer job"
    assert not workers.is_first(flags(distributed_port=12345)), "srun started it beside others"


def test_the_flags_may_number_the_workers():
    given = {"distributed_init_method": "tcp://localhost:1"}
    assert workers.is_first(flags(**given)) and not workers.is_first(flags(**given, distributed_rank=1))


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK"])
def test_a_variable_that_is_no_number_is_named(monkeypatch, name):
    for variable, value in zip(workers.TORCHRUN, ("localhost", "1", "2", "0", "0"), strict=True):
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv(name, "many")
    with pytest.raises(InputError, match=f"{name} of the environment must be a number, but is 'many'"):
        workers.is_first(flags())


def test_alone_the_sum_over_workers_is_the_number():
    assert workers.count() == 1
    assert workers.total(7, torch.device("cpu")) == 7
