"""What every meta-learner takes and gives, and the registry that `--meta-learner` chooses from."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from meta_nmt.meta_learners.inner_loop import InnerLoopResult, LossFunction, Parameters, UpdateRule, adapt
from meta_nmt.meta_learners.settings import InnerRule, Settings

META_PREFIX = "meta_learner."  # of a learner's own parameters, among gradients and in checkpoints


@dataclass(frozen=True)
class Visit:
    """Whose episode it is, for a learner that keeps something of a task from one to the next.

    task: its name; trajectory: another one than at the task's last visit starts anew; rows (U,): which of the task's
    ``vocabulary`` rows are the episode's, in its order.
    """

    task: Hashable
    trajectory: Hashable
    rows: Tensor
    vocabulary: int


@dataclass(frozen=True)
class Episode:
    """One task, as a learner gets it.

    loss: loss(parameters, batch) is a scalar, normalised by the batch's own tokens.
    theta: the parameters by name, never written to.
    adapted: names of those that the inner loop may move.
    support, query: batches, whatever the loss understands; a support batch for each inner step.
    visit: whose episode it is, for learners that keep trajectories.
    """

    loss: LossFunction
    theta: Mapping[str, Tensor]
    adapted: Sequence[str]
    support: Sequence[Any]
    query: Sequence[Any] = ()
    visit: Visit | None = None


@dataclass
class EpisodeResult:
    """gradients: one task's share of the outer update, by name (a name may be absent: no gradient), those of
    the learner's own parameters under META_PREFIX; support_losses and query_losses: scalars per batch, detached."""

    gradients: Parameters
    support_losses: list[Tensor]
    query_losses: list[Tensor]


class MetaLearner(nn.Module):
    """Turns one task's episode into a gradient with respect to theta and to its own parameters.

    It never writes to theta. It is a module so that what it learns itself (Meta-SGD's rates, the LSTM's
    weights) is trained, saved and resumed with the model.

    Args:
        settings: of the class's ``settings_type``.
        theta: the model's parameters by name; their shapes are what matters. One with no rows (0, D) brings
            any number of rows in an episode.
        adapted: names of those that the inner loop moves.

    Raises:
        SettingError: a setting does not fit the model.
    """

    settings_type: ClassVar[type[Settings]] = InnerRule  # what it may be told
    group: ClassVar[str] = "emb_enc"  # what it adapts unless told otherwise: `parameter_groups.select_parameters`
    learned_rule: ClassVar[bool] = False  # whether `rule` is learnt, and so to be used at meta-test too
    keeps_trajectories: ClassVar[bool] = False  # whether an episode goes on from its task's last (`Episode.visit`)
    settings: Any  # each class says which

    def __init__(self, settings: Any, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__()
        self.settings = settings

    def inner_names(self, adapted: Sequence[str]) -> list[str]:
        """Those of ``adapted`` that the inner loop moves."""
        return list(adapted)

    def rule(self, names: Sequence[str], steps: int | None = None) -> UpdateRule:
        """The inner rule for parameters ``names``, in this order; ``steps``: of the fine-tuning that it is for, where
        that is known."""
        rule: UpdateRule = self.settings.rule()
        return rule

    def episode(self, episode: Episode) -> EpisodeResult:
        """A task's share of the outer update."""
        raise NotImplementedError

    def adapt(self, episode: Episode) -> InnerLoopResult:
        """What it does at meta-test: the inner loop on the support set, with no graph kept. No query set is needed."""
        names = self.inner_names(episode.adapted)
        rule = self.rule(names, len(episode.support))
        return adapt(episode.loss, episode.theta, names, episode.support, rule)


META_LEARNERS: dict[str, type[MetaLearner]] = {}
ON_REGISTRATION: list[Callable[[], None]] = []  # called after each: who offers learners offers the new one too


def register_meta_learner(name: str) -> Callable[[type], type]:
    """Class decorator: makes a meta-learner available as ``--meta-learner name``.

    Raises:
        ValueError: the name is taken, or a setting cannot be a flag.
    """

    def register(cls: type) -> type:
        if name in META_LEARNERS:
            raise ValueError(f"meta-learner {name!r} is already registered, as {META_LEARNERS[name].__name__}")
        META_LEARNERS[name] = cls
        try:
            for notify in ON_REGISTRATION:
                notify()
        except BaseException:
            del META_LEARNERS[name]
            raise
        return cls

    return register


def parameter_key(name: str) -> str:
    """A model's parameter as a key of a learner's nn.ParameterDict, whose names may have no dots."""
    return name.replace(".", "/")


def average(gradients: Sequence[Parameters], weights: Sequence[float] | None = None) -> Parameters:
    """The weighted sum of gradient dictionaries, their mean if no weights are given; a name that is absent from one
    counts as zero there. A single one of weight 1 is itself the sum."""
    weights = [1 / len(gradients)] * len(gradients) if weights is None else weights
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
