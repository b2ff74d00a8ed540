"""The inner loop: a few gradient steps on a task's support set, from theta to theta_prime.

Fast weights are functional: theta is a dictionary of tensors that is never written to, so an exception in
an episode leaves the model as it was. Pure torch; a batch is whatever the loss function understands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

Parameters = dict[str, Tensor]
LossFunction = Callable[[Parameters, Any], Tensor]


class UpdateRule(Protocol):
    """One step on the fast weights. ``state`` is None at the first step of an episode."""

    def __call__(self, params: Sequence[Tensor], grads: Sequence[Tensor], state: Any) -> tuple[list[Tensor], Any]: ...


@dataclass(frozen=True)
class SGD:
    """theta' = theta - alpha * g (MAML, Finn et al. 2017, equation 1)."""

    alpha: float

    def __call__(self, params: Sequence[Tensor], grads: Sequence[Tensor], state: None) -> tuple[list[Tensor], None]:
        return list(torch._foreach_add(list(params), list(grads), alpha=-self.alpha)), None


@dataclass(frozen=True)
class Adam:
    """Adam with its state made anew in each episode (Kingma & Ba 2015, algorithm 1).

    The inner rule of MetaNMT's own code; fine-tuning uses Adam too. With one step it moves each coordinate
    by about alpha, whatever the size of its gradient.
    """

    alpha: float
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-8

    def __call__(
        self,
        params: Sequence[Tensor],
        grads: Sequence[Tensor],
        state: tuple[int, list[Tensor], list[Tensor]] | None,
    ) -> tuple[list[Tensor], tuple[int, list[Tensor], list[Tensor]]]:
        if state is None:
            zeros = [torch.zeros_like(p) for p in params]
            state = (0, zeros, list(torch._foreach_clone(zeros)))
        step, first, second = state[0] + 1, state[1], state[2]
        torch._foreach_lerp_(first, list(grads), 1 - self.beta1)
        torch._foreach_mul_(second, self.beta2)
        torch._foreach_addcmul_(second, list(grads), list(grads), value=1 - self.beta2)
        scale = torch._foreach_sqrt(second)
        torch._foreach_div_(scale, (1 - self.beta2**step) ** 0.5)
        torch._foreach_add_(scale, self.eps)
        alpha = self.alpha / (1 - self.beta1**step)
        return list(torch._foreach_addcdiv(list(params), first, list(scale), value=-alpha)), (
            step,
            first,
            second,
        )


INNER_OPTIMIZERS: dict[str, Callable[[float], UpdateRule]] = {"sgd": SGD, "adam": Adam}


@dataclass
class InnerLoopResult:
    """theta_prime: the adapted dictionary, every adapted entry a new leaf; losses: one scalar a step,
    before the step; gradients: one dictionary a step, of the names asked for."""

    theta_prime: Parameters
    losses: list[Tensor]
    gradients: list[Parameters]


def differentiate(loss: Tensor, params: Mapping[str, Tensor], names: Sequence[str]) -> Parameters:
    """Gradients of ``loss`` by name; a parameter that the loss does not depend on is left out."""
    grads = torch.autograd.grad(loss, [params[name] for name in names], allow_unused=True)
    return {name: grad for name, grad in zip(names, grads, strict=True) if grad is not None}


def adapt(
    loss_fn: LossFunction,
    theta: Mapping[str, Tensor],
    adapted: Sequence[str],
    support: Sequence[Any],
    rule: UpdateRule,
    gradients_of: Sequence[str] = (),
) -> InnerLoopResult:
    """One step of ``rule`` for each batch of ``support``, on the parameters named in ``adapted`` only.

    First order: theta_prime is cut off from theta. ``gradients_of`` names further parameters whose support
    gradients are wanted (the outer update may use them; they cost almost nothing beside the step's own).
    """
    theta_prime = dict(theta)
    wanted = list(dict.fromkeys([*adapted, *gradients_of]))
    losses, gradients, state = [], [], None
    for batch in support:
        loss = loss_fn(theta_prime, batch)
        grads = differentiate(loss, theta_prime, wanted)
        with torch.no_grad():
            params = [theta_prime[name] for name in adapted]
            moved, state = rule(
                params,
                [grads.get(name, torch.zeros_like(p)) for name, p in zip(adapted, params, strict=True)],
                state,
            )
        theta_prime.update((name, p.detach().requires_grad_()) for name, p in zip(adapted, moved, strict=True))
        losses.append(loss.detach())
        gradients.append({name: grads[name] for name in gradients_of if name in grads})
    return InnerLoopResult(theta_prime, losses, gradients)
