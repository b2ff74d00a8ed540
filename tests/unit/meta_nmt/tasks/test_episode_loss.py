"""The loss of an episode's batches, as a whole and in pieces."""

import pytest
import torch
from tiny_task import build, sample_of

from data_prep.base.errors import InputError
from meta_nmt.modules.ulr_embedding import ULREmbedding
from meta_nmt.tasks import episode_loss
from meta_nmt.tasks.episode_loss import split_batch


@pytest.mark.parametrize("learner", ["joint", "fomaml", "maml", "reptile", "lstm"])
@pytest.mark.parametrize("unit", [[], ["--sentence-avg"]])
def test_a_batch_in_pieces_gives_the_gradient_of_the_whole(data, monkeypatch, learner, unit):
    found, split = [], episode_loss.split_batch
    # Adam makes a step of any size of gradients that are nothing but rounding
    rule = ["--inner-optimizer", "sgd"] if learner in ("fomaml", "reptile") else []
    for tokens in (10**9, 25):
        monkeypatch.setattr(episode_loss, "PIECE_TOKENS", tokens)
        task, model, criterion = build(data, "--meta-learner", learner, *unit, *rule)
        seen, lookups, lexical = [], [], ULREmbedding.lexical
        monkeypatch.setattr(ULREmbedding, "lexical", lambda m, rows, of=lexical, n=lookups: n.append(1) or of(m, rows))
        monkeypatch.setattr(episode_loss, "split_batch", lambda *args, seen=seen: seen.append(split(*args)) or seen[-1])
        loss, size, log = task.train_step(sample_of(task), model, criterion, None, 0)
        assert max(map(len, seen)) == 1 if tokens > 25 else max(map(len, seen)) > 2
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        monkeypatch.setattr(ULREmbedding, "lexical", lexical)
        found.append((loss, size, {k: torch.as_tensor(v) for k, v in log.items()}, len(lookups), gradients))
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-10)


def test_pieces_keep_one_pieces_activations(data):
    """What autograd holds on to between the forward and the backward pass."""
    task, model, criterion = build(data)
    episode = sample_of(task, 1)["episodes"][0]
    held = []
    for pieces in (1, 4):
        loss = task._loss(model, criterion, episode)
        loss.restart(pieces)
        size = 0

        def count(tensor):
            nonlocal size
            size += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss(task._theta(model, episode), episode["query"][0])
        held.append(size)
    assert held[1] < held[0] / 10, held


def test_split_batch_loses_no_sentence(data):
    task, _, _ = build(data)
    batch = sample_of(task, 1)["episodes"][0]["query"][0]
    sentences = len(batch["target"])
    for pieces in (1, 2, 3, sentences, 2 * sentences):
        parts = split_batch(batch, pieces, 1)
        assert len(parts) == min(pieces, sentences)
        assert torch.equal(torch.cat([p["net_input"]["src_tokens"] for p in parts]), batch["net_input"]["src_tokens"])
        assert sum(p["ntokens"] for p in parts) == batch["ntokens"]
        assert sum(p["nsentences"] for p in parts) == sentences


@pytest.mark.parametrize("gradients", [{"other": torch.ones(2)}, {"weight": torch.ones(3)}])
def test_a_gradient_that_fits_no_parameter_is_named(gradients):
    parameters = {"weight": torch.nn.Parameter(torch.ones(2))}
    with pytest.raises(InputError, match=f"gradient of {min(gradients)} must fit the model"):
        episode_loss.accumulate_gradients(parameters, gradients)
