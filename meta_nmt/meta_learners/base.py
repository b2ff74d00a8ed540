"""What every meta-learner takes and gives, and the registry that `--meta-learner` chooses from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from meta_nmt.meta_learners.inner_loop import LossFunction, Parameters, UpdateRule


@dataclass(frozen=True)
class MetaLearnerSettings:
    """rule: the inner optimiser; support_weight: share of the support gradients in the outer update, 0 to 1."""

    rule: UpdateRule
    support_weight: float = 0.0


@dataclass
class EpisodeResult:
    """gradients: one task's share of the outer update, by name (a name may be absent: no gradient);
    support_losses and query_losses: scalars per batch, detached."""

    gradients: Parameters
    support_losses: list[Tensor]
    query_losses: list[Tensor]


class MetaLearner(Protocol):
    """Turns one task's episode into a gradient with respect to theta, and never writes to theta."""

    def __init__(self, settings: MetaLearnerSettings) -> None: ...

    def episode(
        self,
        loss_fn: LossFunction,
        theta: Mapping[str, Tensor],
        adapted: Sequence[str],
        support: Sequence[Any],
        query: Sequence[Any],
    ) -> EpisodeResult:
        """loss_fn(parameters, batch) is a scalar, normalised by the batch's own tokens; ``adapted`` names the
        parameters that the inner loop moves."""
        ...


META_LEARNERS: dict[str, type[MetaLearner]] = {}


def register_meta_learner(name: str) -> Callable[[type], type]:
    """Class decorator: makes a meta-learner available as ``--meta-learner name``.

    Raises:
        ValueError: the name is taken.
    """

    def register(cls: type) -> type:
        if name in META_LEARNERS:
            raise ValueError(f"meta-learner {name!r} is already registered, as {META_LEARNERS[name].__name__}")
        META_LEARNERS[name] = cls
        return cls

    return register


def average(gradients: Sequence[Parameters], weights: Sequence[float]) -> Parameters:
    """Weighted sum of gradient dictionaries; a name that is absent from one counts as zero there."""
    total: Parameters = {}
    for grads, weight in zip(gradients, weights, strict=True):
        for name, grad in grads.items():
            if name in total:
                total[name].add_(grad, alpha=weight)
            else:
                total[name] = grad * weight
    return total
