"""The meta-gradients against closed forms and torch's own optimisers."""

import pytest
import torch

from meta_nmt.meta_learners import (
    FOMAML,
    META_LEARNERS,
    Joint,
    MetaLearnerSettings,
    adapt,
    register_meta_learner,
    select_parameters,
)
from meta_nmt.meta_learners.inner_loop import SGD, Adam

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


def adapted_by_hand(theta, support, steps):
    """theta' = c + (I - alpha H)^n (theta - c), the closed form of n gradient steps on one quadratic."""
    shrink = torch.eye(SIZE, dtype=torch.float64) - ALPHA * support.hessian
    return support.center + torch.linalg.matrix_power(shrink, steps) @ (theta - support.center)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("tasks", [1, 4])
def test_fomaml_gradient_equals_the_closed_form(steps, tasks):
    learner, theta = FOMAML(MetaLearnerSettings(SGD(ALPHA))), start()
    total, expected = torch.zeros(SIZE, dtype=torch.float64), torch.zeros(SIZE, dtype=torch.float64)
    for task in range(tasks):
        support, query = Quadratic(2 * task), Quadratic(2 * task + 1)
        total += learner.episode(loss_fn, theta, ["theta"], [support] * steps, [query]).gradients["theta"]
        expected += query.gradient(adapted_by_hand(theta["theta"].detach(), support, steps))
    torch.testing.assert_close(total, expected, rtol=1e-12, atol=1e-12, msg=f"{steps} steps, {tasks} tasks")


def test_support_weight_mixes_in_the_support_gradients():
    support, query, theta = Quadratic(0), Quadratic(1), start()
    result = FOMAML(MetaLearnerSettings(SGD(ALPHA), 0.3)).episode(loss_fn, theta, ["theta"], [support] * 2, [query])
    by_hand = theta["theta"].detach()
    steps = [support.gradient(adapted_by_hand(by_hand, support, n)) for n in (0, 1)]
    expected = 0.7 * query.gradient(adapted_by_hand(by_hand, support, 2)) + 0.3 * (steps[0] + steps[1]) / 2
    torch.testing.assert_close(result.gradients["theta"], expected, rtol=1e-12, atol=1e-12)


def test_joint_averages_all_batches_at_theta():
    batches, theta = [Quadratic(n) for n in range(3)], start()
    result = Joint(MetaLearnerSettings(SGD(ALPHA))).episode(loss_fn, theta, ["theta"], batches[:2], batches[2:])
    expected = sum(b.gradient(theta["theta"].detach()) for b in batches) / 3
    torch.testing.assert_close(result.gradients["theta"], expected, rtol=1e-12, atol=1e-12)
    assert (len(result.support_losses), len(result.query_losses)) == (2, 1), "one loss a batch"


@pytest.mark.parametrize(
    "rule, peer",
    [
        (SGD(ALPHA), lambda p: torch.optim.SGD(p, ALPHA)),
        (Adam(ALPHA), lambda p: torch.optim.Adam(p, ALPHA, betas=(0.9, 0.98), eps=1e-8)),
    ],
)
def test_inner_rules_equal_torch_optimisers(rule, peer):
    batches, theta = [Quadratic(n) for n in range(4)], start()
    ours = adapt(loss_fn, theta, ["theta"], batches, rule).theta_prime["theta"]
    parameter = torch.nn.Parameter(theta["theta"].detach().clone())
    optimizer = peer([parameter])
    for batch in batches:
        optimizer.zero_grad()
        loss_fn({"theta": parameter}, batch).backward()
        optimizer.step()
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


def test_theta_survives_an_episode_that_raises():
    theta = start()
    before = theta["theta"].detach().clone()

    def fails_on_query(params, batch):
        if batch is None:
            raise RuntimeError("out of memory")
        return loss_fn(params, batch)

    with pytest.raises(RuntimeError, match="out of memory"):
        FOMAML(MetaLearnerSettings(SGD(ALPHA))).episode(fails_on_query, theta, ["theta"], [Quadratic(0)], [None])
    assert torch.equal(theta["theta"], before), "theta changed"
    assert theta["theta"].grad is None, "theta got a gradient"


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
]


@pytest.mark.parametrize(
    "group, expected",
    [
        ("emb", [0, 3]),
        ("emb_enc", [0, 2, 3, 4]),
        ("all", [0, 2, 3, 4, 5]),
        (r".*layers\.0.*", [4, 5]),
    ],
)
def test_groups(group, expected):
    assert select_parameters(NAMES, group) == [NAMES[i] for i in expected]


@pytest.mark.parametrize("group", ["(", "decoder", ""])
def test_a_group_that_selects_nothing_is_refused(group):
    with pytest.raises(ValueError, match="must be emb, emb_enc, all or a regular expression"):
        select_parameters(NAMES, group)
