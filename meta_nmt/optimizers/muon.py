"""Muon for the matrices of the hidden layers, and Adam for all other parameters.

Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/): the momentum of a matrix, made orthogonal by five
Newton-Schulz iterations, is its step. Its length is that of a usual step of Adam (Liu et al. 2025, arXiv 2502.16982,
section 2.2), so one learning rate and one schedule serve both. Embeddings, vectors and the query transform of ULR are
left to Adam: their rows are words, not directions of a hidden layer.
"""

# no `from __future__ import annotations`: fairseq reads the types of configuration fields at run time
from ast import literal_eval
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer, register_optimizer
from omegaconf import II
from torch import Tensor

HIDDEN = "hidden_matrix"  # the attribute of a parameter that Muon steps


def mark_hidden_matrices(model: torch.nn.Module) -> None:
    """Mark the matrices inside the layers of encoder and decoder, which Muon steps where it is chosen."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and ".layers." in name:
            setattr(parameter, HIDDEN, True)


@dataclass
class MuonConfig(FairseqDataclass):
    """The flags of the optimiser. Those of Adam hold for the parameters that Adam steps."""

    muon_momentum: float = field(default=0.95, metadata={"help": "momentum of the matrices of the hidden layers"})
    muon_lr_scale: float = field(default=1.0, metadata={"help": "learning rate of these matrices over that of Adam"})
    adam_betas: Any = field(default="(0.9, 0.98)", metadata={"help": "betas of Adam"})
    adam_eps: float = field(default=1e-8, metadata={"help": "epsilon of Adam"})
    weight_decay: float = field(default=0.0, metadata={"help": "decoupled weight decay"})
    lr: list[float] = II("optimization.lr")


class MuonAndAdam(torch.optim.Optimizer):
    """Both optimisers as one.

    Args:
        params: the parameters; those that ``mark_hidden_matrices`` has marked are Muon's.
        lr: the learning rate of both.
        momentum: that of Muon.
        lr_scale: learning rate of Muon over that of Adam.
        betas, eps: those of Adam.
        weight_decay: decoupled weight decay of both.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float,
        lr_scale: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        given = list(params)
        matrices = [p for p in given if getattr(p, HIDDEN, False)]
        others = [p for p in given if not getattr(p, HIDDEN, False)]
        self.parts: list[torch.optim.Optimizer] = []
        super().__init__(given, {"lr": lr})
        if others:
            self.parts.append(torch.optim.AdamW(others, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))
        if matrices:
            self.parts.append(
                torch.optim.Muon(
                    matrices, lr=lr * lr_scale, momentum=momentum, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
                )
            )
            self.parts[-1].param_groups[0]["lr_scale"] = lr_scale
        self._share_groups()

    def _share_groups(self) -> None:
        """Let the groups of the parts be ours, so that a rate set here is theirs."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of both."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of the parts."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the states of the parts."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()


@register_optimizer("muon", dataclass=MuonConfig)
class FairseqMuon(FairseqOptimizer):
    """What fairseq makes of ``--optimizer muon``."""

    def __init__(self, cfg: MuonConfig, params: Iterable[Tensor]) -> None:
        super().__init__(cfg)
        betas = literal_eval(cfg.adam_betas) if isinstance(cfg.adam_betas, str) else tuple(cfg.adam_betas)
        self._optimizer = MuonAndAdam(params, cfg.lr[0], cfg.muon_momentum, cfg.muon_lr_scale, betas, cfg.adam_eps, cfg.weight_decay)

    def set_lr(self, lr: float) -> None:
        """Set the rate of Adam, and that of Muon with it."""
        for group in self.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """The settings that a resumed run takes from its flags, and not from its checkpoint."""
        return {"lr": self.cfg.lr[0]}
