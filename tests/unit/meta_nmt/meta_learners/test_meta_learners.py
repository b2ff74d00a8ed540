"""The meta-gradients against closed forms and torch's own optimisers."""

import pytest
import torch
from learners import make

from meta_nmt.meta_learners import (
    META_LEARNERS,
    META_PREFIX,
    Episode,
    adapt,
    register_meta_learner,
    select_parameters,
)
from meta_nmt.meta_learners.inner_loop import SGD, Adam, FallingRate
from meta_nmt.meta_learners.joint import Joint
from meta_nmt.meta_learners.maml import FOMAML, MAML
from meta_nmt.meta_learners.reptile import Reptile

ALPHA = 0.05
SIZE = 4


class Quadratic:
    """L(theta) = 1/2 (theta - c)^T H (theta - c), with H positive definite."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        root = torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64)
        self.hessian = root @ root.T + torch.eye(SIZE, dtype=torch.float64)
        self.center = torch.randn(SIZE, generator=generator, dtype=torch.float64)

    def gradient(self, theta):
        return self.hessian @ (theta - self.center)


def loss_fn(params, batch):
    difference = params["theta"] - batch.center
    return 0.5 * difference @ batch.hessian @ difference


def start():
    return {"theta": torch.arange(1.0, SIZE + 1, dtype=torch.float64).requires_grad_()}


def settings(**more):
    return {"inner_optimizer": "sgd", "inner_lr": ALPHA, "head_params": ".*"} | more


def adapted_by_hand(theta, support, steps):
    """theta' = c + (I - alpha H)^n (theta - c), the closed form of n gradient steps on one quadratic."""
    shrink = torch.eye(SIZE, dtype=torch.float64) - ALPHA * support.hessian
    return support.center + torch.linalg.matrix_power(shrink, steps) @ (theta - support.center)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("tasks", [1, 4])
def test_fomaml_gradient_equals_the_closed_form(steps, tasks):
    learner, theta = make(FOMAML, settings(), start(), ["theta"]), start()
    total, expected = torch.zeros(SIZE, dtype=torch.float64), torch.zeros(SIZE, dtype=torch.float64)
    for task in range(tasks):
        support, query = Quadratic(2 * task), Quadratic(2 * task + 1)
        total += learner.episode(Episode(loss_fn, theta, ["theta"], [support] * steps, [query])).gradients["theta"]
        expected += query.gradient(adapted_by_hand(theta["theta"].detach(), support, steps))
    torch.testing.assert_close(total, expected, rtol=1e-12, atol=1e-12, msg=f"{steps} steps, {tasks} tasks")


@pytest.mark.parametrize("steps", [1, 3])
def test_maml_gradient_equals_the_closed_form(steps):
    """The query gradient at theta', times the Jacobian (I - alpha H)^n, transposed."""
    support, query, theta = Quadratic(0), Quadratic(1), start()
    learner = make(MAML, settings(), theta, ["theta"])
    gradient = learner.episode(Episode(loss_fn, theta, ["theta"], [support] * steps, [query])).gradients["theta"]
    jacobian = torch.linalg.matrix_power(torch.eye(SIZE, dtype=torch.float64) - ALPHA * support.hessian, steps)
    first_order = query.gradient(adapted_by_hand(theta["theta"].detach(), support, steps))
    torch.testing.assert_close(gradient, jacobian.T @ first_order, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(gradient, first_order, rtol=0.01), "the second-order term must be worth something"


@pytest.mark.parametrize("steps", [1, 3])
def test_reptile_gradient_equals_the_closed_form(steps):
    """Support and query are inner steps alike: n steps on one quadratic, then one on another."""
    support, query, theta = Quadratic(0), Quadratic(1), start()
    learner = make(Reptile, settings(), theta, ["theta"])
    gradient = learner.episode(Episode(loss_fn, theta, ["theta"], [support] * steps, [query])).gradients["theta"]
    before = theta["theta"].detach()
    after = adapted_by_hand(adapted_by_hand(before, support, steps), query, 1)
    torch.testing.assert_close(gradient, (before - after) / (ALPHA * (steps + 1)), rtol=1e-12, atol=1e-12)


def test_reptile_gives_parameters_that_stay_the_mean_gradient_along_the_way():
    """With SGD inside that is what it gives those that move, so a pair that is only ever summed gets the same."""
    theta = {name: start()["theta"] for name in ("moves", "stays")}

    def both(params, batch):
        return loss_fn({"theta": params["moves"] + params["stays"]}, batch)

    learner = make(Reptile, settings(), theta, ["moves"])
    gradients = learner.episode(Episode(both, theta, ["moves"], [Quadratic(0), Quadratic(1)], [Quadratic(2)])).gradients
    torch.testing.assert_close(gradients["stays"], gradients["moves"], rtol=1e-10, atol=1e-10)


def test_support_weight_mixes_in_the_support_gradients():
    support, query, theta = Quadratic(0), Quadratic(1), start()
    learner = make(FOMAML, settings(support_weight=0.3), theta, ["theta"])
    result = learner.episode(Episode(loss_fn, theta, ["theta"], [support] * 2, [query]))
    by_hand = theta["theta"].detach()
    steps = [support.gradient(adapted_by_hand(by_hand, support, n)) for n in (0, 1)]
    expected = 0.7 * query.gradient(adapted_by_hand(by_hand, support, 2)) + 0.3 * (steps[0] + steps[1]) / 2
    torch.testing.assert_close(result.gradients["theta"], expected, rtol=1e-12, atol=1e-12)


def test_joint_averages_all_batches_at_theta():
    batches, theta = [Quadratic(n) for n in range(3)], start()
    result = make(Joint, settings(), start(), ["theta"]).episode(
        Episode(loss_fn, theta, ["theta"], batches[:2], batches[2:])
    )
    expected = sum(b.gradient(theta["theta"].detach()) for b in batches) / 3
    torch.testing.assert_close(result.gradients["theta"], expected, rtol=1e-12, atol=1e-12)
    assert (len(result.support_losses), len(result.query_losses)) == (2, 1), "one loss a batch"


@pytest.mark.parametrize(
    "rule, peer",
    [
        (SGD(ALPHA), lambda p: torch.optim.SGD(p, ALPHA)),
        (Adam(ALPHA), lambda p: torch.optim.Adam(p, ALPHA, betas=(0.9, 0.98), eps=1e-8)),
        (FallingRate(SGD, ALPHA, 4), lambda p: torch.optim.SGD(p, ALPHA)),
        (FallingRate(Adam, ALPHA, 5), lambda p: torch.optim.Adam(p, ALPHA, betas=(0.9, 0.98), eps=1e-8)),
    ],
)
def test_inner_rules_equal_torch_optimisers(rule, peer):
    batches, theta = [Quadratic(n) for n in range(4)], start()
    ours = adapt(loss_fn, theta, ["theta"], batches, rule).theta_prime["theta"]
    parameter = torch.nn.Parameter(theta["theta"].detach().clone())
    optimizer = peer([parameter])
    total = rule.steps if isinstance(rule, FallingRate) else None
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / total if total else 1)
    for batch in batches:
        optimizer.zero_grad()
        loss_fn({"theta": parameter}, batch).backward()
        optimizer.step()
        schedule.step()
    torch.testing.assert_close(ours, parameter, rtol=1e-12, atol=1e-12)


def test_only_the_named_parameters_move_and_theta_is_never_written():
    theta = {name: torch.randn(SIZE, dtype=torch.float64, requires_grad=True) for name in ("moves", "stays")}
    before = {name: value.detach().clone() for name, value in theta.items()}

    def both(params, batch):
        return loss_fn({"theta": params["moves"] + params["stays"]}, batch)

    result = adapt(both, theta, ["moves"], [Quadratic(0)] * 2, SGD(ALPHA))
    assert not torch.equal(result.theta_prime["moves"], before["moves"]), "the adapted parameter must move"
    assert result.theta_prime["stays"] is theta["stays"], "the other one must be theta's own"
    for name, value in theta.items():
        assert torch.equal(value, before[name]), f"theta[{name!r}] was written to"


@pytest.mark.parametrize("fails_on", [0, 1, 2, 3])
@pytest.mark.parametrize("name", META_LEARNERS)
def test_theta_survives_an_episode_that_raises(name, fails_on):
    """Bit for bit, whichever of two support and two query batches runs out of memory; the learner's own as well."""
    theta, calls = start(), []
    learner = make(META_LEARNERS[name], settings(), theta, ["theta"]).double()
    before = {key: value.detach().clone() for key, value in [*theta.items(), *learner.state_dict().items()]}

    def fails(params, batch):
        calls.append(batch)
        if len(calls) > fails_on:
            raise RuntimeError("out of memory")
        return loss_fn(params, batch)

    batches = [Quadratic(n) for n in range(4)]
    with pytest.raises(RuntimeError, match="out of memory"):
        learner.episode(Episode(fails, theta, ["theta"], batches[:2], batches[2:]))
    for key, value in [*theta.items(), *learner.state_dict().items()]:
        assert torch.equal(value, before[key]), f"{key} changed"
    assert all(p.grad is None for p in [theta["theta"], *learner.parameters()]), "something got a gradient"


@pytest.mark.parametrize("name", META_LEARNERS)
def test_an_episode_writes_to_nothing_and_reports_each_batch(name):
    theta = {key: torch.randn(SIZE, dtype=torch.float64, requires_grad=True) for key in ("moves", "stays")}
    learner = make(META_LEARNERS[name], settings(), theta, ["moves"]).double()
    before = {key: value.detach().clone() for key, value in [*theta.items(), *learner.state_dict().items()]}

    def both(params, batch):
        return loss_fn({"theta": params["moves"] + params["stays"]}, batch)

    result = learner.episode(Episode(both, theta, ["moves"], [Quadratic(0), Quadratic(1)], [Quadratic(2)]))
    own = {META_PREFIX + key for key, _ in learner.named_parameters()}
    assert result.gradients.keys() == theta.keys() | own, "a gradient for each parameter"
    assert all(g.abs().sum() > 0 and g.isfinite().all() for n, g in result.gradients.items() if n in theta)
    assert (len(result.support_losses), len(result.query_losses)) == (2, 1), "one loss a batch"
    assert not any(loss.requires_grad for loss in result.support_losses + result.query_losses), "detached"
    inner = learner.adapt(Episode(both, theta, ["moves"], [Quadratic(0)]))
    assert inner.theta_prime["stays"] is theta["stays"], "what does not adapt is theta's own"
    assert inner.theta_prime["moves"].is_leaf and not torch.equal(inner.theta_prime["moves"], theta["moves"])
    for key, value in [*theta.items(), *learner.state_dict().items()]:
        assert torch.equal(value, before[key]), f"{key} changed"


def test_registry_refuses_a_name_twice():
    assert {"fomaml", "joint"} <= set(META_LEARNERS)
    with pytest.raises(ValueError, match="'joint' is already registered, as Joint"):
        register_meta_learner("joint")(FOMAML)


NAMES = [
    "encoder.embed_tokens.transform",
    "encoder.embed_tokens.values",
    "encoder.embed_tokens.special",
    "encoder.embed_tokens.residual",
    "encoder.layers.0.fc1.weight",
    "decoder.layers.0.fc1.weight",
    "encoder.layers.0.fc1.bias",
    "encoder.layers.0.self_attn_layer_norm.weight",
    "decoder.layer_norm.bias",
    "decoder.layernorm_embedding.weight",
    "decoder.embed_tokens.weight",
]


@pytest.mark.parametrize(
    "group, expected",
    [
        ("emb", [0, 3]),
        ("emb_enc", [0, 2, 3, 4, 6, 7]),
        ("all", [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("small", [0, 3, 6, 7, 8, 9]),
        (r".*layers\.0.*", [4, 5, 6, 7]),
    ],
)
def test_groups(group, expected):
    assert select_parameters(NAMES, group) == [NAMES[i] for i in expected]


@pytest.mark.parametrize("group", ["(", "decoder", ""])
def test_a_group_that_selects_nothing_is_refused(group):
    with pytest.raises(ValueError, match="must be emb, emb_enc, all, small or a regular expression"):
        select_parameters(NAMES, group)
