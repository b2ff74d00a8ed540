"""The update rule that a meta-learner learnt, in place of the optimiser's step in fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.meta_learners import MetaLearner
from meta_nmt.meta_learners.inner_loop import map_tensors
from meta_nmt.runs.checkpoints import read_checkpoint
from meta_nmt.tasks.learner import saved_meta_learner
from meta_nmt.tasks.ulr_translation_config import ULRTranslationConfig, check_workers


@dataclass
class LearnedRule:
    """The update rule that a meta-learner learnt, in fine-tuning.

    names: the parameters that the rule moves.
    steps: the steps of the whole fine-tuning; None where they are not known.
    state: the state of the rule after the updates so far.
    loss, size: sums over the batches of the next update.
    """

    learner: MetaLearner
    names: list[str]
    steps: int | None
    state: Any = None
    loss: float = 0.0
    size: float = 0.0

    @torch.no_grad()
    def step(self, parameters: dict[str, Tensor]) -> None:
        """Move the parameters by one step; their ``grad`` must be that of the loss per token."""
        params = [parameters[name] for name in self.names]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
        device = params[0].device
        rule = self.learner.to(device).rule(self.names, self.steps)
        state = map_tensors(lambda t: t.to(device), self.state)  # a resumed state comes from the CPU
        moved, self.state = rule(params, grads, state, torch.tensor(self.loss / self.size, device=device))
        for p, value in zip(params, moved, strict=True):
            p.copy_(value)
        self.loss = self.size = 0.0


def load_learned_rule(cfg: ULRTranslationConfig, names: list[str]) -> LearnedRule:
    """The rule that the checkpoint of ``--finetune-from-model`` holds. ``names``: the names of the model's parameters.

    Raises:
        InputError: there is no such checkpoint, it holds no rule, or the rule does not fit the other settings.
    """
    path = cfg.finetune_from_model
    if path is None:
        raise InputError("`--learned-rule` needs a meta-trained checkpoint: give `--finetune-from-model`")
    check_workers(cfg)
    learner, adapted = saved_meta_learner(path, read_checkpoint(path), names)
    if learner.keeps_trajectories and not cfg.max_update:
        raise InputError(
            "`--max-update` must be above 0 for a learned rule whose rates fall to zero over all updates, but is 0"
        )
    return LearnedRule(learner, adapted, cfg.max_update or None)
