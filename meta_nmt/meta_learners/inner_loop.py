"""The inner loop: a few gradient steps on a task's support set, from theta to theta_prime.

Fast weights are functional: theta is a dictionary of tensors that is never written to, so an exception in
an episode leaves the model as it was. It is pure torch; a batch may be anything that the loss function understands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

Parameters = dict[str, Tensor]


class LossFunction(Protocol):
    """The loss of a batch at some parameters: a scalar, normalised by the batch's own tokens."""

    def __call__(self, params: Parameters, batch: Any, /) -> Tensor: ...


@runtime_checkable
class PiecewiseLoss(LossFunction, Protocol):
    """A loss function that offers a batch in parts, whose losses add up to the loss of the batch.

    First-order gradients are then taken part by part. The graph of a part is freed before the next graph is made, so
    memory is that of one part.
    """

    def parts(self, batch: Any) -> Sequence[Any]:
        """The parts of a batch; the batch itself alone where it is small enough."""
        ...

    def shared(self, params: Parameters, batch: Any) -> Parameters:
        """Tensors by name that all parts of a batch share: computed once, and added to the parameters of each part."""
        ...


class UpdateRule(Protocol):
    """One step on the fast weights, differentiable where gradients are enabled.

    ``state`` is None at the first step of an episode, then what the step before returned: tensors, numbers, and
    tuples and lists of these. ``loss`` is the scalar that ``grads`` are the gradients of; only the LSTM looks at it.
    """

    def __call__(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], state: Any, loss: Tensor
    ) -> tuple[list[Tensor], Any]: ...


def map_tensors(function: Callable[[Tensor], Tensor], state: Any) -> Any:
    """A rule's state with ``function`` applied to its tensors."""
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, (tuple, list)):
        return type(state)(map_tensors(function, part) for part in state)
    return state


@dataclass(frozen=True)
class SGD:
    """theta' = theta - alpha * g (MAML, Finn et al. 2017, equation 1)."""

    alpha: float

    def __call__(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], state: None, loss: Tensor
    ) -> tuple[list[Tensor], None]:
        return list(torch._foreach_add(list(params), list(grads), alpha=-self.alpha)), None


@dataclass(frozen=True)
class Adam:
    """Adam with its state made anew in each episode (Kingma & Ba 2015, algorithm 1).

    MetaNMT's own code has this inner rule; fine-tuning uses Adam too. The first step moves each coordinate by about
    alpha, for a gradient of any size.
    """

    alpha: float
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-8

    def __call__(
        self,
        params: Sequence[Tensor],
        grads: Sequence[Tensor],
        state: tuple[int, list[Tensor], list[Tensor] | None] | None,
        loss: Tensor,
    ) -> tuple[list[Tensor], tuple[int, list[Tensor], list[Tensor] | None]]:
        if state is None:  # bias corrected, both moments are those of g alone; a second step makes them
            scale = list(torch._foreach_abs(list(grads)))
            torch._foreach_add_(scale, self.eps)
            moved = [torch.addcdiv(p, g, s, value=-self.alpha) for p, g, s in zip(params, grads, scale, strict=True)]
            return moved, (1, list(grads), None)
        steps_before, first, second = state
        if second is None:
            second = list(torch._foreach_mul(first, first))
            torch._foreach_mul_(second, 1 - self.beta2)
            first = list(torch._foreach_mul(first, 1 - self.beta1))
        step = steps_before + 1
        first = list(torch._foreach_lerp(first, list(grads), 1 - self.beta1))
        second = list(torch._foreach_mul(second, self.beta2))
        torch._foreach_addcmul_(second, list(grads), list(grads), value=1 - self.beta2)
        scale = list(torch._foreach_div(_square_roots(second), (1 - self.beta2**step) ** 0.5))
        torch._foreach_add_(scale, self.eps)
        alpha = self.alpha / (1 - self.beta1**step)
        # not torch._foreach_addcdiv: its backward pass fails on some shapes (torch 2.13)
        moved = [torch.addcdiv(p, m, s, value=-alpha) for p, m, s in zip(params, first, scale, strict=True)]
        return moved, (step, first, second)


def _square_roots(values: list[Tensor]) -> list[Tensor]:
    """Square roots whose derivative at exactly 0 is 0.

    The true derivative is infinite there. Times the derivative of g^2, which is 0, it would be NaN; but Adam depends on
    such a g through the first moment alone.
    """
    if not torch.is_grad_enabled():
        return list(torch._foreach_sqrt(values))
    return [torch.where(v > 0, v, 1.0).sqrt() * (v > 0) for v in values]


@dataclass(frozen=True)
class FallingRate:
    """A rule whose rate falls from alpha to zero in a straight line over ``steps``, as in fine-tuning.

    rule: makes an update rule of a rate.
    """

    rule: Callable[[float], UpdateRule]
    alpha: float
    steps: int

    def __call__(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], state: tuple[int, Any] | None, loss: Tensor
    ) -> tuple[list[Tensor], tuple[int, Any]]:
        step, rule_state = state or (0, None)
        moved, rule_state = self.rule(self.alpha * (1 - step / self.steps))(params, grads, rule_state, loss)
        return moved, (step + 1, rule_state)


INNER_OPTIMIZERS: dict[str, Callable[[float], UpdateRule]] = {"sgd": SGD, "adam": Adam}


@dataclass
class InnerLoopResult:
    """What an inner loop ends with.

    theta_prime: the parameters by name; every adapted one is a new leaf, or with ``create_graph`` a function of theta.
    losses: a scalar for each step, taken before the step.
    gradients: a dictionary for each step, of the names in ``gradients_of``.
    """

    theta_prime: Parameters
    losses: list[Tensor]
    gradients: list[Parameters]


def differentiate(
    loss: Tensor,
    params: Mapping[str, Tensor],
    names: Sequence[str],
    create_graph: bool = False,
    gradient: Tensor | None = None,
) -> Parameters:
    """Gradients of ``loss`` by name; a parameter that it does not depend on is left out.

    ``gradient``: the gradient of a later quantity with respect to ``loss``. The result is then that of the later one.
    """
    inputs = [params[name] for name in names]
    grads = torch.autograd.grad(loss, inputs, gradient, create_graph=create_graph, allow_unused=True)
    return {name: grad for name, grad in zip(names, grads, strict=True) if grad is not None}


def loss_and_gradients(
    loss_fn: LossFunction, params: Parameters, batch: Any, names: Sequence[str]
) -> tuple[Tensor, Parameters]:
    """The loss, detached, and its first-order gradients by name; part by part for a `PiecewiseLoss`."""
    piecewise = loss_fn if isinstance(loss_fn, PiecewiseLoss) else None
    parts = piecewise.parts(batch) if piecewise else [batch]
    shared = piecewise.shared(params, batch) if piecewise and len(parts) > 1 else {}
    leaves = {name: value.detach().requires_grad_() for name, value in shared.items()}
    losses, gradients = [], Parameters()
    for part in parts:
        loss = loss_fn(params | leaves, part)
        _add(gradients, differentiate(loss, params | leaves, [*names, *leaves]))
        losses.append(loss.detach())
    for name, value in shared.items():
        if name in gradients:
            _add(gradients, differentiate(value, params, names, gradient=gradients.pop(name)))
    return torch.stack(losses).sum(), gradients


def gradients_of_each(
    loss_fn: LossFunction, params: Parameters, batches: Sequence[Any]
) -> tuple[list[Tensor], list[Parameters]]:
    """For each batch, its loss, detached, and its gradients by name, at ``params`` taken as constants."""
    losses, gradients = [], []
    for batch in batches:
        loss, of_batch = loss_and_gradients(loss_fn, params, batch, list(params))
        gradients.append(of_batch)
        losses.append(loss)
    return losses, gradients


def _add(total: Parameters, gradients: Parameters) -> None:
    for name, gradient in gradients.items():
        if name in total:
            total[name].add_(gradient)
        else:
            total[name] = gradient


@dataclass
class InnerStep:
    """One step of an inner loop.

    theta: the parameters after the step.
    state: the state of the rule after the step.
    loss: the loss before the step, detached.
    gradients: those of the names in ``gradients_of``.
    """

    theta: Parameters
    state: Any
    loss: Tensor
    gradients: Parameters


def inner_step(
    loss_fn: LossFunction,
    theta: Parameters,
    adapted: Sequence[str],
    batch: Any,
    rule: UpdateRule,
    state: Any = None,
    gradients_of: Sequence[str] = (),
    create_graph: bool = False,
) -> InnerStep:
    """One step of ``rule`` on the parameters named in ``adapted``; each becomes a new leaf unless ``create_graph``."""
    names = list(dict.fromkeys([*adapted, *gradients_of]))
    if create_graph:
        loss = loss_fn(theta, batch)
        grads = differentiate(loss, theta, names, create_graph=True)
    else:
        loss, grads = loss_and_gradients(loss_fn, theta, batch, names)
    params = [theta[name] for name in adapted]
    zeros_for_unused = [grads[n] if n in grads else torch.zeros_like(p) for n, p in zip(adapted, params, strict=True)]
    with torch.set_grad_enabled(create_graph):
        moved, state = rule(params, zeros_for_unused, state, loss)
    if not create_graph:
        moved = [p.detach().requires_grad_() for p in moved]
    stepped = {**theta, **dict(zip(adapted, moved, strict=True))}
    return InnerStep(stepped, state, loss.detach(), {name: grads[name] for name in gradients_of if name in grads})


def adapt(
    loss_fn: LossFunction,
    theta: Mapping[str, Tensor],
    adapted: Sequence[str],
    support: Sequence[Any],
    rule: UpdateRule,
    gradients_of: Sequence[str] = (),
    create_graph: bool = False,
) -> InnerLoopResult:
    """The inner loop: a step of ``rule`` for each batch of ``support``, on the parameters named in ``adapted`` only.

    It is of first order unless ``create_graph``: theta_prime is cut off from theta. ``gradients_of`` names further
    parameters whose support gradients are wanted, since the outer update may use them. They cost almost nothing beside
    the gradients of the step itself.
    """
    inner = InnerLoopResult(dict(theta), [], [])
    state = None
    for batch in support:
        step = inner_step(loss_fn, inner.theta_prime, adapted, batch, rule, state, gradients_of, create_graph)
        inner.theta_prime, state = step.theta, step.state
        inner.losses.append(step.loss)
        inner.gradients.append(step.gradients)
    return inner
