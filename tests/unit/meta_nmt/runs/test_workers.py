"""What ends a run from outside, in one line; who is a worker."""

import pytest
import torch

from data_prep.base.errors import InputError
from meta_nmt.runs import workers
from meta_nmt.tasks.faults import is_out_of_memory


@pytest.mark.parametrize(
    "error, words",
    [
        (InputError("a.txt: must be text"), "a.txt: must be text"),
        (OSError(28, "No space left on device", "a.pt"), "No space left on device"),
        (BrokenPipeError(32, "Broken pipe"), "Broken pipe"),
        (InputError("Caught InputError in DataLoader worker process 0.\nOriginal Traceback:\n"
                    "data_prep.base.errors.InputError: bin/a: must be whole"), "bin/a: must be whole"),
        (RuntimeError("\n\n-- Process 1 terminated with the following error:\nTraceback\n"
                      "data_prep.base.errors.InputError: `--x` must be 1\n"), "`--x` must be 1"),
        (RuntimeError("process 1 terminated with signal SIGKILL"), "a worker was ended from outside (SIGKILL)"),
        (RuntimeError("[..gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:2"), "another worker ended"),
        (RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed."), "DataLoader worker (pid 12)"),
        (RuntimeError("CUDA out of memory."), "more memory is needed"),
        (FloatingPointError("gradients are Nan/Inf"), "--lr"),
        (RuntimeError("size mismatch"), None),
        (KeyError("a"), None),
    ],
)  # fmt: skip
def test_explain(error, words):
    found = workers.explain(error)
    assert found is None if words is None else words in found, found
    assert words is None or "\n" not in found


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
