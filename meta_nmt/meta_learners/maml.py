"""Model-agnostic meta-learning, second order (`maml`) and first order (`fomaml`).

Finn, Abbeel and Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", ICML 2017
(arXiv 1703.03400), algorithm 1; the form that MetaNMT uses (Gu et al. 2018, arXiv 1808.08437, section 3.2):

    theta'_k = inner loop from theta on the support set of task k
    theta   <- theta - beta * mean_k grad_theta L_k(theta'_k(theta); query set)

Both take the query gradient g at theta'. First order (section 5.2 of MAML, and MetaNMT) applies g to theta as
it is; second order multiplies it by the inner loop's Jacobian, (d theta' / d theta)^T g, exactly: for one SGD
step (I - alpha * Hessian of the support loss) g.

Deviations:
- any inner rule, and a support batch of its own for each inner step;
- ``checkpoint_inner_steps`` keeps only theta'_k of each step, and recomputes the graph of the step on the way back: the
  memory of one step for any number of steps, and the same gradient;
- fomaml: ``support_weight`` w mixes in the support gradients g_s, which were computed for the inner steps
  anyway: (1 - w) * query gradient + w * mean over steps of g_s. w = 0 is the paper; summing them is what
  Reptile (Nichol et al. 2018, arXiv 1803.02999, equation 27) does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import get_device_states, set_device_states

from meta_nmt.meta_learners.base import (
    META_PREFIX,
    Episode,
    EpisodeResult,
    MetaLearner,
    average,
    mixed,
    register_meta_learner,
)
from meta_nmt.meta_learners.inner_loop import (
    Parameters,
    UpdateRule,
    adapt,
    gradients_of_each,
    inner_step,
    map_tensors,
)
from meta_nmt.meta_learners.settings import InnerRule, Settings, optimizer_setting, setting


def checkpoint_setting() -> Any:
    """The field ``checkpoint_inner_steps``, which learners of second order share."""
    return setting(
        False,
        "keep no inner step's activations, recompute them on the way back: the memory of one inner step however many "
        "there are, about a quarter more time",
    )


@dataclass(frozen=True)
class MAMLSettings(InnerRule):
    """Settings of maml, whose inner rule is SGD by default.

    An inner step that is differentiated should be SGD's. Almost everywhere Adam's first step has the derivative 0, as
    the sign has; near a gradient of 0 its derivative is huge.
    """

    inner_optimizer: str = optimizer_setting("sgd")
    checkpoint_inner_steps: bool = checkpoint_setting()


@register_meta_learner("maml")
class MAML(MetaLearner):
    """The query gradient with respect to theta, through every inner step, and with respect to what `rule` learns."""

    settings_type: ClassVar[type[Settings]] = MAMLSettings

    def episode(self, episode: Episode) -> EpisodeResult:
        theta, names = episode.theta, self.inner_names(episode.adapted)
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
            unroll = _recomputed if self.settings.checkpoint_inner_steps else _recorded
            inputs = {**theta, **{META_PREFIX + name: p for name, p in self.named_parameters()}}
            theta_prime, losses, pull_back = unroll(episode, names, self.rule(names), inputs)
            query_losses, gradients = gradients_of_each(episode.loss, theta_prime, episode.query)
            direct = average(gradients)
            through = pull_back({name: direct.pop(name) for name in names if name in direct})
        return EpisodeResult(average([direct, through], [1.0, 1.0]), losses, query_losses)


def support_weight_setting() -> Any:
    """The field ``support_weight``, which several learners share."""
    return setting(0.0, "share, 0 to 1, of the support gradients in the outer update; 0 is the paper", least=0, most=1)


@dataclass(frozen=True)
class FOMAMLSettings(InnerRule):
    """Settings of fomaml."""

    support_weight: float = support_weight_setting()


@register_meta_learner("fomaml")
class FOMAML(MetaLearner):
    """First-order MAML: the query gradient is taken at theta' and applied to theta as it is."""

    settings_type = FOMAMLSettings
    settings: FOMAMLSettings

    def episode(self, episode: Episode) -> EpisodeResult:
        theta, names, weight = episode.theta, self.inner_names(episode.adapted), self.settings.support_weight
        gradients_of = list(theta) if weight else ()
        inner = adapt(episode.loss, theta, names, episode.support, self.rule(names), gradients_of=gradients_of)
        query_losses, gradients = gradients_of_each(episode.loss, inner.theta_prime, episode.query)
        return EpisodeResult(mixed(gradients, inner.gradients, weight), inner.losses, query_losses)


# theta_prime as new leaves; the support losses; and a function that turns a gradient with respect to the adapted
# entries of theta_prime into one with respect to ``inputs``, which are theta and what the rule learns
Unrolled = tuple[Parameters, list[Tensor], Callable[[Parameters], Parameters]]
RandomState = Callable[[], AbstractContextManager[None]]


def _recorded(episode: Episode, names: Sequence[str], rule: UpdateRule, inputs: Parameters) -> Unrolled:
    """Unroll the inner loop and keep the graph of every step."""
    inner = adapt(episode.loss, episode.theta, names, episode.support, rule, create_graph=True)
    leaves = {name: inner.theta_prime[name].detach().requires_grad_() for name in names}
    return {**episode.theta, **leaves}, inner.losses, lambda vector: _product(inner.theta_prime, inputs, vector)


def _recomputed(episode: Episode, names: Sequence[str], rule: UpdateRule, inputs: Parameters) -> Unrolled:
    """Unroll the inner loop and keep theta'_k and the rule's state at each step.

    `pull_back` makes the graphs of the steps again, one at a time.
    """
    tape: list[tuple[Any, Parameters, Any, RandomState]] = []
    losses: list[Tensor] = []
    theta_k, state = dict(episode.theta), None
    for batch in episode.support:
        tape.append((batch, theta_k, state, _random_state(next(iter(episode.theta.values())))))
        step = inner_step(episode.loss, theta_k, names, batch, rule, state)
        theta_k, state = step.theta, step.state
        losses.append(step.loss)

    def through_one(
        batch: Any, theta_k: Parameters, state: Any, random_state: RandomState, vector: Parameters
    ) -> Parameters:
        state = map_tensors(lambda t: t.detach().requires_grad_(), state)
        with random_state():
            step = inner_step(episode.loss, theta_k, names, batch, rule, state, create_graph=True)
        outputs = {**step.theta, **_named_tensors(step.state)}
        return _product(outputs, {**inputs, **theta_k, **_named_tensors(state)}, vector)

    def pull_back(vector: Parameters) -> Parameters:
        direct: list[Parameters] = []
        for batch, theta_k, state, random_state in reversed(tape):
            gradients = through_one(batch, theta_k, state, random_state, vector)
            moved = [*names, *(name for name in gradients if name not in inputs)]
            vector = {name: gradients.pop(name) for name in moved if name in gradients}
            direct.append(gradients)
        return average([*direct, vector], [1.0] * (len(direct) + 1))

    return theta_k, losses, pull_back


def _product(outputs: Parameters, inputs: Parameters, vector: Parameters) -> Parameters:
    """The product (d outputs / d inputs)^T vector by name; an input that no output depends on is left out."""
    names = [name for name in vector if outputs[name].requires_grad]
    if not names:
        return {}
    grads = torch.autograd.grad(
        [outputs[name] for name in names],
        list(inputs.values()),
        [vector[name] for name in names],
        allow_unused=True,
    )
    return {name: grad for name, grad in zip(inputs, grads, strict=True) if grad is not None}


def _named_tensors(state: Any) -> Parameters:
    """The tensors of a rule's state, in their order."""
    tensors: Parameters = {}
    map_tensors(lambda tensor: tensors.setdefault(f"state {len(tensors)}", tensor), state)
    return tensors


def _random_state(tensor: Tensor) -> RandomState:
    """A context in which the random generators of the CPU and of the tensor's device are as they are now.

    So dropout is the same in a recomputation. After the context the generators go on as before it.
    """
    cpu_state = torch.get_rng_state()
    devices, states = get_device_states(tensor)

    @contextmanager
    def replay() -> Iterator[None]:
        with torch.random.fork_rng(devices):
            torch.set_rng_state(cpu_state)
            set_device_states(devices, states)
            yield

    return replay
