"""--bf16-autocast, in meta-training and in fine-tuning: the gradient of float32 up to rounding, in float32."""

import pytest
import torch
from fairseq import tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from tiny_task import build

from meta_nmt.cli import adapt
from meta_nmt.tasks import episode_loss


class Backward:
    """Of an optimiser, what a task's training step asks for."""

    def backward(self, loss):
        loss.backward()


def gradients(model):
    return {name: p.grad.flatten() for name, p in model.named_parameters() if p.grad is not None}


def assert_rounded(exact, rounded):
    assert exact.keys() == rounded.keys()
    assert all(gradient.dtype == torch.float32 for gradient in rounded.values())
    assert not torch.equal(torch.cat(list(exact.values())), torch.cat(list(rounded.values()))), "nothing was rounded"
    for name, gradient in exact.items():
        if gradient.norm() > 1e-6:
            assert torch.cosine_similarity(gradient, rounded[name], dim=0) > 0.98, name


@pytest.mark.parametrize("learner", ["joint", "fomaml", "maml"])
@pytest.mark.parametrize("top_k", ["0", "4"])
def test_meta_training(data, monkeypatch, learner, top_k):
    monkeypatch.setattr(episode_loss, "PIECE_TOKENS", 25)
    rule = ["--inner-optimizer", "sgd"] if learner == "fomaml" else []
    found = []
    for precision in ([], ["--bf16-autocast"]):
        task, model, criterion = build(data, "--meta-learner", learner, "--ulr-top-k", top_k, *rule, *precision)
        dataset = task.dataset("train")
        task.train_step(dataset.collater([dataset[0], dataset[1]]), model.float(), criterion, None, 0)
        found.append(gradients(model))
    assert_rounded(*found)


def test_fine_tuning(data, tmp_path):
    found = []
    for precision in ([], ["--bf16-autocast"]):
        argv = [str(data), "--from-scratch", "--arch", "ulr_transformer_tiny", "--dropout", "0", "--source-lang", "dd"]
        cfg = convert_namespace_to_omegaconf(adapt.parse_args([*argv, "--save-dir", str(tmp_path), *precision]))
        task = tasks.setup_task(cfg.task)
        task.load_dataset("train")
        torch.manual_seed(0)
        model, criterion = task.build_model(cfg.model), task.build_criterion(cfg.criterion)
        dataset = task.dataset("train")
        task.train_step(dataset.collater([dataset[i] for i in range(4)]), model, criterion, Backward(), 0)
        found.append(gradients(model))
    assert_rounded(*found)
