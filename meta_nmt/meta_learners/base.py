"""The interface of every meta-learner, and the registry that `--meta-learner` chooses from."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from meta_nmt.meta_learners.inner_loop import InnerLoopResult, LossFunction, Parameters, UpdateRule, adapt
from meta_nmt.meta_learners.settings import InnerRule, Settings, check_declaration

META_PREFIX = "meta_learner."  # begins the names of a learner's own parameters, among gradients and in checkpoints


@dataclass(frozen=True)
class Visit:
    """Whose episode it is, for a learner that keeps something of a task from one episode to the next.

    task: the name of the task.
    trajectory: the name of the trajectory; another one than at the task's last visit starts anew. None where the
        learner keeps no trajectories.
    rows: (U,) which of the task's ``vocabulary`` rows the episode brings, in its order.
    vocabulary: how many rows the task has.
    """

    task: Hashable
    trajectory: Hashable
    rows: Tensor
    vocabulary: int


@dataclass(frozen=True)
class Episode:
    """One task, as a learner gets it.

    loss: a function; loss(parameters, batch) is a scalar, normalised by the batch's own tokens.
    theta: the parameters by name, never written to.
    adapted: names of the parameters that the inner loop may move.
    support, query: batches of any kind that the loss understands; a support batch for each inner step.
    visit: whose episode it is; None at meta-test, where no learner knows the task.
    """

    loss: LossFunction
    theta: Mapping[str, Tensor]
    adapted: Sequence[str]
    support: Sequence[Any]
    query: Sequence[Any] = ()
    visit: Visit | None = None


@dataclass
class EpisodeResult:
    """What a learner makes of one task.

    gradients: the task's share of the outer update, by name. A name without a gradient may be absent. The learner's own
        parameters have META_PREFIX before their names.
    support_losses, query_losses: a scalar for each batch, detached.
    """

    gradients: Parameters
    support_losses: list[Tensor]
    query_losses: list[Tensor]


class MetaLearner(nn.Module):
    """A learner turns one task's episode into a gradient with respect to theta and to the learner's own parameters.

    It never writes to theta. It is a module so that what it learns itself (Meta-SGD's rates, the LSTM's
    weights) is trained, saved and resumed with the model.

    Args:
        settings: an object of the class's ``settings_type``.
        theta: the model's parameters by name, of which only the shapes matter. A parameter with no rows (0, D) has any
            number of rows in an episode.
        adapted: names of the parameters that the inner loop moves.

    Raises:
        SettingError: a setting does not fit the model.
    """

    settings_type: ClassVar[type[Settings]] = InnerRule  # what a user may set
    group: ClassVar[str] = "emb_enc"  # what it adapts by default: `parameter_groups.select_parameters`
    inner_loop: ClassVar[bool] = True  # whether an episode has one; joint training has none
    learned_rule: ClassVar[bool] = False  # whether `rule` is learnt, and so used at meta-test too
    keeps_trajectories: ClassVar[bool] = (
        False  # whether an episode goes on where its task's last ended (`Episode.visit`)
    )
    one_worker: ClassVar[bool] = False  # whether it may not be trained by several workers
    settings: Any  # each class gives it its own type

    def __init__(self, settings: Any, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__()
        self.settings = settings

    def meet(self, tasks: Mapping[Hashable, int]) -> None:
        """Called once, before training, with the names of the tasks and how many rows each has, for own parameters."""

    def inner_names(self, adapted: Sequence[str]) -> list[str]:
        """The names among ``adapted`` that the inner loop moves."""
        return list(adapted)

    def rule(self, names: Sequence[str], steps: int | None = None) -> UpdateRule:
        """The inner rule for parameters ``names``, in this order.

        ``steps``: how many steps the fine-tuning has that the rule is for; None where that is not known.
        """
        rule: UpdateRule = self.settings.rule()
        return rule

    def episode(self, episode: Episode) -> EpisodeResult:
        """One task's share of the outer update, and its losses."""
        raise NotImplementedError

    def adapt(self, episode: Episode) -> InnerLoopResult:
        """Adapt at meta-test: the inner loop on the support set, with no graph kept. No query set is needed."""
        names = self.inner_names(episode.adapted)
        rule = self.rule(names, len(episode.support))
        return adapt(episode.loss, episode.theta, names, episode.support, rule)


META_LEARNERS: dict[str, type[MetaLearner]] = {}
ON_REGISTRATION: list[
    Callable[[], None]
] = []  # called after each registration: who offers learners then offers the new one


def register_meta_learner(name: str) -> Callable[[type], type]:
    """A class decorator that makes a meta-learner available as ``--meta-learner name``.

    Raises:
        ValueError: the name is taken, the class is no MetaLearner, or a setting cannot be a flag.
    """

    def register(cls: type) -> type:
        if name in META_LEARNERS:
            raise ValueError(f"meta-learner {name!r} is already registered, as {META_LEARNERS[name].__name__}")
        if not issubclass(cls, MetaLearner):
            raise ValueError(f"meta-learner {name!r} must be derived from MetaLearner, but is {cls.__name__}")
        check_declaration(cls.settings_type)
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
    """The name of a model's parameter as a key of an nn.ParameterDict, whose keys may have no dots."""
    return name.replace(".", "/")


def average(gradients: Sequence[Parameters], weights: Sequence[float] | None = None) -> Parameters:
    """The weighted sum of gradient dictionaries; their mean if no weights are given.

    A name that is absent from a dictionary counts as zero there. A single dictionary of weight 1 is returned as it is.
    """
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
    """(1 - w) * the mean of the query batches' gradients + w * the mean of the support batches' gradients.

    With w = 0 the support gradients are not looked at.
    """
    weights = [(1 - support_weight) / len(query)] * len(query)
    if not support_weight:
        return average(query, weights)
    return average([*query, *support], [*weights, *[support_weight / len(support)] * len(support)])
