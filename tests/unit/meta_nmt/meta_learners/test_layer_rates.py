"""Learned rates for layers: what moves them, and what they do to a rule."""

import math

import pytest
import torch

from meta_nmt.meta_learners import META_PREFIX, Episode, Visit
from meta_nmt.meta_learners.layer_rates import JUDGED, LSLR, SPEED, layer_of
from meta_nmt.meta_learners.trajectory_shifting import TrajectorySettings

ALPHA, VISITS = 0.1, 8
NAMES = ["encoder.layers.0.fc1.weight", "encoder.layers.0.fc2.weight", "encoder.layers.1.fc1.weight", "transform"]


def quadratic(params, batch):
    """1/2 sum over the parameters of |theta - batch|^2: the gradient of each is theta - batch."""
    return sum(0.5 * (value - batch).square().sum() for value in params.values())


def start(names=NAMES, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.randn(3, generator=generator, dtype=torch.float64).requires_grad_() for n in names}


def learner(theta, rule="sgd", visits=VISITS):
    settings = TrajectorySettings(rule, ALPHA, trajectory_visits=visits)
    return LSLR(settings, theta, list(theta)).double()


def visit(rates, theta, support, query, loss=quadratic, trajectory=0):
    visit = Visit("aa", trajectory, torch.zeros(0, dtype=torch.long), 0)
    return rates.episode(Episode(loss, theta, list(theta), [support], [query], visit))


def own(result):
    return {n.removeprefix(META_PREFIX): g for n, g in result.gradients.items() if n.startswith(META_PREFIX)}


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("encoder.layers.2.self_attn.k_proj.bias", "encoder.layers.2"),
        ("encoder.layers.10.fc1.weight", "encoder.layers.10"),
        ("encoder.embed_tokens.residual", "encoder.embed_tokens.residual"),
        ("encoder.layer_norm.weight", "encoder.layer_norm.weight"),
    ],
)
def test_the_layer_of_a_parameter(name, layer):
    assert layer_of(name) == layer


def test_the_last_quarter_judges_by_gradient_and_displacement():
    """Against plain subtraction, with rates that fall and factors that are not 1."""
    theta, support, query = start(), torch.tensor(2.0), torch.tensor(-1.0)
    rates = learner(theta)
    factors = {"encoder/layers/0": 2.0, "encoder/layers/1": 0.5, "transform": 1.0}
    with torch.no_grad():
        for key, value in factors.items():
            rates.log_factor[key].fill_(math.log(value) / SPEED)
    point = {name: value.detach().clone() for name, value in theta.items()}
    for number in range(VISITS):
        result = own(visit(rates, theta, support, query))
        for name, value in point.items():
            factor = factors[layer_of(name).replace(".", "/")]
            value -= factor * ALPHA * (1 - number / VISITS) * (value - support)
        if number + 1 <= JUDGED * VISITS:
            assert not result, f"visit {number}: too early"
            continue
        products = {name: ((value - query) * (value - theta[name])).sum() for name, value in point.items()}
        expected = {
            "log_factor.encoder/layers/0": products[NAMES[0]] + products[NAMES[1]],
            "log_factor.encoder/layers/1": products[NAMES[2]],
            "log_factor.transform": products["transform"],
        }
        torch.testing.assert_close(result, expected)


def test_the_product_is_the_derivative_by_the_log_of_the_factor():
    """Exactly so where the steps' directions are constant, as those of a linear loss are."""
    slopes = {name: torch.randn(3, dtype=torch.float64) for name in NAMES}

    def linear_or_quadratic(params, batch):
        return quadratic(params, 0.7) if batch else sum((slopes[n] * value).sum() for n, value in params.items())

    def end(shift=0.0):
        theta = start()
        rates = learner(theta)
        with torch.no_grad():
            rates.log_factor["encoder/layers/0"].fill_(shift / SPEED)
        for _ in range(VISITS):
            result = visit(rates, theta, 0, 1, linear_or_quadratic)
        return result

    rise = (end(1e-5).query_losses[0] - end(-1e-5).query_losses[0]) / 2e-5
    torch.testing.assert_close(own(end())["log_factor.encoder/layers/0"], rise, rtol=1e-6, atol=0)


def test_rates_find_how_far_each_layer_should_go():
    """Unseen sentences want the first layer where the support wants it, the second where it is."""
    theta = {name: torch.zeros(3, dtype=torch.float64, requires_grad=True) for name in NAMES[1:3]}

    def loss(params, batch):
        wanted = {NAMES[1]: 1.0, NAMES[2]: 1.0 if batch == "support" else 0.0}
        return sum(0.5 * (value - wanted[name]).square().sum() for name, value in params.items())

    rates = learner(theta)
    outer = torch.optim.Adam(rates.parameters(), lr=2e-3)
    for number in range(60 * VISITS):
        result = own(visit(rates, theta, "support", "query", loss, number // VISITS))
        if result:
            for name, p in rates.named_parameters():
                p.grad = result[name]
            outer.step()
    assert rates.factor(NAMES[1]) > 3 and rates.factor(NAMES[2]) < 1 / 3


def test_fine_tuning_ends_at_a_rate_of_zero_however_long_it_is():
    theta, target = start(NAMES[:1]), torch.tensor(5.0)
    rates = learner(theta)
    with torch.no_grad():
        rates.log_factor["encoder/layers/0"].fill_(math.log(2) / SPEED)
    expected = theta[NAMES[0]].detach().clone()
    for step in range(20):
        expected -= 2 * ALPHA * (1 - step / 20) * (expected - target)
    adapted = rates.adapt(Episode(quadratic, theta, NAMES[:1], [target] * 20)).theta_prime
    torch.testing.assert_close(adapted[NAMES[0]], expected)
    rule, state, params = rates.rule(NAMES[:1], 20), None, [theta[NAMES[0]].detach()]
    for _ in range(20):
        params, state = rule(params, [params[0] - target], state, torch.tensor(0.0))
    torch.testing.assert_close(params[0], expected)
