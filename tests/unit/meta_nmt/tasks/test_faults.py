"""Faults inside a meta-step: a task that is not finite is left out, one that needs too much memory is run in pieces."""

import logging

import pytest
import torch
from tiny_task import build, sample_of

from meta_nmt.tasks import faults
from meta_nmt.tasks.faults import GIVE_UP_AFTER, IN_A_ROW, StepError, is_out_of_memory

LEARNERS = ["joint", "fomaml", "maml", "reptile", "anil", "meta_sgd", "lstm"]


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def spoil(task, model, criterion, where, value=float("nan"), only=None):
    """Makes the loss of the episodes' support or query batches ``value``, where ``only(batch)`` holds."""
    forward, calls = type(criterion).forward, []

    class Spoilt(type(criterion)):
        def forward(self, network, batch, reduce=True):
            loss, size, log = forward(self, network, batch, reduce)
            calls.append(batch)
            if any(batch is other for other in where) and (only is None or only(batch)):
                loss = loss * value
            return loss, size, log

    criterion.__class__ = Spoilt
    return calls


@pytest.mark.parametrize("part", ["support", "query"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_task_that_is_not_finite_is_left_out(data, caplog, learner, part, value):
    task, model, criterion = build(data, "--meta-learner", learner)
    sample = sample_of(task, 3)
    good = {"episodes": [sample["episodes"][0], sample["episodes"][2]]}
    task.train_step(good, model, criterion, None, 0)
    expected = gradients(model)
    model.zero_grad()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    spoil(task, model, criterion, sample["episodes"][1][part], value)
    with caplog.at_level(logging.WARNING):
        loss, size, log = task.train_step(sample, model, criterion, None, 0)
    assert size == 2, "the trainer divides by the tasks that were used"
    assert log["skipped_tasks"] == 1 and torch.isfinite(loss)
    assert all(bool(torch.isfinite(torch.as_tensor(v)).all()) for v in log.values()), log
    assert f"left out a task of {sample['episodes'][1]['language']} at update 0" in caplog.text
    found = gradients(model)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), f"{name} has something of the task that was left out"
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters()), "theta was touched"


def test_a_gradient_that_is_not_finite_is_left_out_too(data):
    """The loss is finite, its derivative is not: the square root at 0."""
    task, model, criterion = build(data)
    forward = type(criterion).forward

    class Steep(type(criterion)):
        def forward(self, network, batch, reduce=True):
            loss, size, log = forward(self, network, batch, reduce)
            return loss + (loss - loss).sqrt(), size, log

    criterion.__class__ = Steep
    _, size, log = task.train_step(sample_of(task), model, criterion, None, 0)
    assert size == 0 and log["skipped_tasks"] == 2
    assert not gradients(model)


def test_three_in_a_row_of_one_language_name_it(data, caplog):
    task, model, criterion = build(data)
    sample = sample_of(task, 1)
    language = sample["episodes"][0]["language"]
    spoil(task, model, criterion, sample["episodes"][0]["query"])
    for update in range(IN_A_ROW):
        assert f"{language}: {IN_A_ROW} tasks in a row" not in caplog.text
        task.train_step(sample, model, criterion, None, update)
    assert f"{language}: {IN_A_ROW} tasks in a row" in caplog.text
    assert "--source-langs" in caplog.text, "it says what to do"


class Steps:
    """An optimiser that counts its steps."""

    count = 0

    def step(self):
        self.count += 1


def test_an_update_without_a_task_is_no_step_and_many_end_the_run(data):
    task, model, criterion = build(data)
    sample, optimizer = sample_of(task), Steps()
    task.train_step(sample, model, criterion, None, 0)
    task.optimizer_step(optimizer, model, 0)
    assert optimizer.count == 1
    spoil(task, model, criterion, [b for e in sample["episodes"] for b in e["query"]])
    with pytest.raises(StepError, match=f"every task of the last {GIVE_UP_AFTER} updates.*--lr"):
        for update in range(1, 100):
            task.train_step(sample, model, criterion, None, update)
            task.optimizer_step(optimizer, model, update)
    assert update == GIVE_UP_AFTER and optimizer.count == 1, "no step without a gradient"


def limit_memory(monkeypatch, criterion, most, error):
    """A machine on which more than ``most`` sentences at a time are too many."""
    forward, seen = type(criterion).forward, []

    class Limited(type(criterion)):
        def forward(self, network, batch, reduce=True):
            seen.append(len(batch["target"]))
            if seen[-1] > most:
                raise error
            return forward(self, network, batch, reduce)

    criterion.__class__ = Limited
    return seen


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
    MemoryError(),
]


@pytest.mark.parametrize("learner", LEARNERS)
def test_an_episode_out_of_memory_is_run_in_pieces_with_the_same_gradient(data, monkeypatch, learner):
    task, model, criterion = build(data, "--meta-learner", learner)
    sample = sample_of(task)
    _, _, whole = task.train_step(sample, model, criterion, None, 0)
    expected = gradients(model)
    model.zero_grad()
    seen = limit_memory(monkeypatch, criterion, 4, OUT_OF_MEMORY[0])
    _, size, log = task.train_step(sample, model, criterion, None, 0)
    assert max(seen) > 4 and size == 2 and log["split_tasks"] == 2
    for name, value in expected.items():
        torch.testing.assert_close(model.get_parameter(name).grad, value, rtol=1e-4, atol=1e-6, msg=name)
    for key in ("loss", "ntokens", "nsentences", "sample_size", "train_tokens", "support_batches"):
        torch.testing.assert_close(float(log[key]), float(whole[key]), rtol=1e-5, atol=0, msg=key)


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_what_counts_as_out_of_memory_and_when_it_is_too_much(data, monkeypatch, error):
    task, model, criterion = build(data)
    limit_memory(monkeypatch, criterion, 0, error)
    with pytest.raises(StepError, match="needs more memory than there is, a sentence at a time") as caught:
        task.train_step(sample_of(task), model, criterion, None, 0)
    assert "out of memory" not in str(caught.value), "fairseq would take it for one that it may step over"
    assert faults.is_out_of_memory(error) and not faults.is_out_of_memory(RuntimeError("size mismatch"))


def test_the_system_says_out_of_memory_as_we_read_it():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55)
    assert is_out_of_memory(caught.value), caught.value
