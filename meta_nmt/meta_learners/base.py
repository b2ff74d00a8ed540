"""What every meta-learner takes and gives, and the registry that `--meta-learner` chooses from."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from meta_nmt.meta_learners.inner_loop import InnerLoopResult, LossFunction, Parameters, UpdateRule, adapt

META_PREFIX = "meta_learner."  # of a learner's own parameters, among gradients and in checkpoints


@dataclass(frozen=True)
class MetaLearnerSettings:
    """What a learner may be told; each says in ``uses`` which of these it reads.

    rule: the inner optimiser, at rate alpha.
    alpha: the inner rate itself; where a learner learns its rates, they start there.
    support_weight: share of the support gradients in the outer update, 0 to 1 (fomaml, cts, lslr).
    checkpoint_inner_steps: keep no inner step's graph, recompute each in the backward pass (second order).
    head: regular expression for whole names, the parameters that the inner loop moves (anil).
    lstm_hidden: hidden units of the LSTM's layers (lstm).
    """

    rule: UpdateRule
    alpha: float
    support_weight: float = 0.0
    checkpoint_inner_steps: bool = False
    head: str = ".*"
    lstm_hidden: int = 20


@dataclass
class EpisodeResult:
    """gradients: one task's share of the outer update, by name (a name may be absent: no gradient), those of
    the learner's own parameters under META_PREFIX; support_losses and query_losses: scalars per batch, detached."""

    gradients: Parameters
    support_losses: list[Tensor]
    query_losses: list[Tensor]


@dataclass(frozen=True)
class Visit:
    """Whose episode comes next, for a learner that keeps something of a task from one to the next.

    task: its name; trajectory: another one than at the task's last visit starts anew; rows (U,): which of the task's
    ``vocabulary`` rows are the episode's, in its order; visits: of a whole trajectory.
    """

    task: Hashable
    trajectory: Hashable
    rows: Tensor
    vocabulary: int
    visits: int


class MetaLearner(nn.Module):
    """Turns one task's episode into a gradient with respect to theta and to its own parameters.

    It never writes to theta. It is a module so that what it learns itself (Meta-SGD's rates, the LSTM's
    weights) is trained, saved and resumed with the model.

    Args:
        settings: see there.
        theta: the model's parameters by name; their shapes are what matters. One with no rows (0, D) brings
            any number of rows in an episode.
        adapted: names of those that the inner loop moves.

    Raises:
        ValueError: a setting does not fit; the message begins with its name.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"rule", "alpha"})  # fields of the settings that it reads
    learned_rule: ClassVar[bool] = False  # whether `rule` is learnt, and so to be used at meta-test too
    keeps_trajectories: ClassVar[bool] = False  # whether an episode goes on from its task's last; `visit` says which

    def __init__(self, settings: MetaLearnerSettings, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__()
        self.settings = settings

    def inner_names(self, adapted: Sequence[str]) -> list[str]:
        """Those of ``adapted`` that the inner loop moves."""
        return list(adapted)

    def rule(self, names: Sequence[str], steps: int | None = None) -> UpdateRule:
        """The inner rule for parameters ``names``, in this order; ``steps``: of the fine-tuning that it is for, where
        that is known."""
        return self.settings.rule

    def visit(self, visit: Visit) -> None:
        """Announces the next episode; one that is tried again is announced again."""

    def episode(
        self,
        loss_fn: LossFunction,
        theta: Mapping[str, Tensor],
        adapted: Sequence[str],
        support: Sequence[Any],
        query: Sequence[Any],
    ) -> EpisodeResult:
        """loss_fn(parameters, batch) is a scalar, normalised by the batch's own tokens; ``adapted`` names the
        parameters that the inner loop may move."""
        raise NotImplementedError

    def adapt(
        self, loss_fn: LossFunction, theta: Mapping[str, Tensor], adapted: Sequence[str], support: Sequence[Any]
    ) -> InnerLoopResult:
        """What it does at meta-test: the inner loop, with no graph kept."""
        names = self.inner_names(adapted)
        return adapt(loss_fn, theta, names, support, self.rule(names, len(support)))


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


def parameter_key(name: str) -> str:
    """A model's parameter as a key of a learner's nn.ParameterDict, whose names may have no dots."""
    return name.replace(".", "/")


def average(gradients: Sequence[Parameters], weights: Sequence[float]) -> Parameters:
    """Weighted sum of gradient dictionaries; a name that is absent from one counts as zero there. A single one of
    weight 1 is itself the sum."""
    if len(gradients) == 1 and weights[0] == 1:
        return gradients[0]
    total: Parameters = {}
    for grads, weight in zip(gradients, weights, strict=True):
        for name, grad in grads.items():
            if name in total:
                total[name].add_(grad, alpha=weight)
            else:
                total[name] = grad * weight
    return total


def mixed(query: Sequence[Parameters], support: Sequence[Parameters], support_weight: float) -> Parameters:
    """(1 - w) * mean over the query batches' gradients + w * mean over those of the support; with w = 0 the latter are
    not looked at."""
    weights = [(1 - support_weight) / len(query)] * len(query)
    if not support_weight:
        return average(query, weights)
    return average([*query, *support], [*weights, *[support_weight / len(support)] * len(support)])
