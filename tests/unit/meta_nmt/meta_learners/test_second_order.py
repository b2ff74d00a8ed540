"""The meta-gradients through the inner loop against finite differences of an inner loop written with torch.optim."""

import pytest
import torch
from learners import make
from torch import nn

from meta_nmt.meta_learners import Episode, SettingError
from meta_nmt.meta_learners.anil import ANIL
from meta_nmt.meta_learners.inner_loop import SGD, Adam
from meta_nmt.meta_learners.maml import FOMAML, MAML
from meta_nmt.meta_learners.meta_sgd import MetaSGD

ALPHA = 0.1
RULES = {"sgd": SGD(ALPHA), "adam": Adam(ALPHA)}
OPTIMISERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, ALPHA),
    "adam": lambda parameters: torch.optim.Adam(parameters, ALPHA, betas=(0.9, 0.98), eps=1e-8),
}
HEAD = r"2\..*"


def network(dropout=0.0):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Dropout(dropout)).double()


NETWORK = network()


def batches(count, first=0, rows=6):
    """Inputs (rows, 2) and targets (rows, 1) of a smooth function, with other noise in each."""
    made = []
    for i in range(count):
        generator = torch.Generator().manual_seed(100 + first + i)
        x = torch.randn(rows, 2, generator=generator, dtype=torch.float64)
        made.append((x, torch.sin(x.sum(1, keepdim=True)) + 0.3 * torch.randn(rows, 1, generator=generator).double()))
    return made


def loss_fn(parameters, batch):
    return nn.functional.mse_loss(torch.func.functional_call(NETWORK, parameters, batch[0]), batch[1])


def start():
    return {name: p.detach().clone().requires_grad_() for name, p in NETWORK.named_parameters()}


def objective(theta, support, query, optimiser, moves=lambda name: True):
    """Mean query loss after the inner loop, with an ordinary module and torch.optim."""
    model = network()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(theta[name])
    inner = optimiser([p for name, p in model.named_parameters() if moves(name)])
    for x, y in support:
        inner.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        inner.step()
    with torch.no_grad():
        return sum(nn.functional.mse_loss(model(x), y) for x, y in query) / len(query)


def finite_differences(function, theta, step=1e-5):
    """Central differences of ``function(theta)``, coordinate by coordinate."""
    found = {}
    for name, value in theta.items():
        gradient = torch.zeros_like(value).flatten()
        for i in range(value.numel()):
            ends = []
            for sign in (1, -1):
                moved = {n: v.detach().clone() for n, v in theta.items()}
                moved[name].view(-1)[i] += sign * step
                ends.append(function(moved))
            gradient[i] = (ends[0] - ends[1]) / (2 * step)
        found[name] = gradient.view_as(value)
    return found


def relative_error(gradients, expected):
    assert gradients.keys() == expected.keys(), "a gradient for each parameter"
    ours, theirs = (torch.cat([g[name].flatten() for name in expected]) for g in (gradients, expected))
    return float((ours - theirs).norm() / theirs.norm())


def settings(rule="sgd", **more):
    return {"inner_optimizer": rule, "inner_lr": ALPHA} | more


@pytest.mark.parametrize("checkpoint", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("steps", [1, 3])
def test_maml_equals_finite_differences(rule, steps, checkpoint):
    theta, support, query = start(), batches(steps), batches(2, first=50)
    learner = make(MAML, settings(rule, checkpoint_inner_steps=checkpoint), theta, list(theta))
    result = learner.episode(Episode(loss_fn, theta, list(theta), support, query))
    expected = finite_differences(lambda t: objective(t, support, query, OPTIMISERS[rule]), theta)
    error = relative_error(result.gradients, expected)
    assert error < 1e-5, f"relative error {error}"
    assert len(result.support_losses) == steps and len(result.query_losses) == 2, "one loss a batch"


@pytest.mark.parametrize("rule, steps", [("sgd", 1), ("sgd", 3), ("adam", 3)])
def test_without_the_second_order_term_it_is_another_gradient(rule, steps):
    """FOMAML's gradient is far from finite differences, so that the test above can fail."""
    theta, support, query = start(), batches(steps), batches(2, first=50)
    episode = Episode(loss_fn, theta, list(theta), support, query)
    second, first = (make(cls, settings(rule), theta, list(theta)).episode(episode).gradients for cls in (MAML, FOMAML))
    assert relative_error(first, second) > 0.01, "the second-order term must be worth something here"


def test_parameters_that_stay_get_their_mixed_second_derivative():
    theta, support, query = start(), batches(3), batches(1, first=50)
    adapted = ["0.weight", "2.bias"]
    result = make(MAML, settings(), theta, adapted).episode(Episode(loss_fn, theta, adapted, support, query))
    expected = finite_differences(
        lambda t: objective(t, support, query, OPTIMISERS["sgd"], lambda name: name in adapted), theta
    )
    assert relative_error(result.gradients, expected) < 1e-5


@pytest.mark.parametrize("checkpoint", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("rule", RULES)
def test_anil_equals_finite_differences(rule, checkpoint):
    theta, support, query = start(), batches(3), batches(2, first=50)
    learner = make(ANIL, settings(rule, head_params=HEAD, checkpoint_inner_steps=checkpoint), theta, list(theta))
    result = learner.episode(Episode(loss_fn, theta, list(theta), support, query))
    expected = finite_differences(
        lambda t: objective(t, support, query, OPTIMISERS[rule], lambda name: name.startswith("2.")), theta
    )
    error = relative_error(result.gradients, expected)
    assert error < 1e-5, f"relative error {error}"


def test_the_body_of_anil_does_not_move_in_the_inner_loop():
    theta, seen = start(), []

    def spy(parameters, batch):
        seen.append({name: p.detach().clone() for name, p in parameters.items()})
        return loss_fn(parameters, batch)

    learner = make(ANIL, settings(head_params=HEAD), theta, list(theta))
    learner.episode(Episode(spy, theta, list(theta), batches(3), batches(1, first=50)))
    adapted = learner.adapt(Episode(loss_fn, theta, list(theta), batches(3))).theta_prime
    for name, value in theta.items():
        ends = [seen[-1][name], adapted[name]]
        moved = [not torch.equal(value, end) for end in ends]
        assert moved == [name.startswith("2.")] * 2, f"{name} moved: {moved}"


@pytest.mark.parametrize("head, words", [("(", "must be a regular"), ("9.*", "must .* matches none")])
def test_anil_refuses_a_head_that_is_none(head, words):
    with pytest.raises(SettingError, match=f"head_params {words}"):
        make(ANIL, settings(head_params=head), start(), list(start()))


@pytest.mark.parametrize("steps", [1, 3])
def test_meta_sgd_with_constant_rates_equals_maml(steps):
    theta, support, query = start(), batches(steps), batches(2, first=50)
    ours = (
        make(MetaSGD, settings(), theta, list(theta))
        .episode(Episode(loss_fn, theta, list(theta), support, query))
        .gradients
    )
    maml = (
        make(MAML, settings(), theta, list(theta))
        .episode(Episode(loss_fn, theta, list(theta), support, query))
        .gradients
    )
    for name, gradient in maml.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-12, atol=1e-14, msg=name)


def rated_objective(theta, alpha, support, query):
    """Mean query loss after steps at a rate for each coordinate, by plain backward()."""
    model = network()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(theta[name])
    for x, y in support:
        model.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        with torch.no_grad():
            for name, p in model.named_parameters():
                p -= alpha[name] * p.grad
    with torch.no_grad():
        return sum(nn.functional.mse_loss(model(x), y) for x, y in query) / len(query)


@pytest.mark.parametrize("checkpoint", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("steps", [1, 3])
def test_meta_sgd_equals_finite_differences_in_theta_and_alpha(steps, checkpoint):
    theta, support, query = start(), batches(steps), batches(2, first=50)
    learner = make(MetaSGD, settings(checkpoint_inner_steps=checkpoint), theta, list(theta))
    with torch.no_grad():  # rates that differ, one of them negative
        for rates in learner.alpha.values():
            rates += 0.05 * torch.randn_like(rates)
        learner.alpha["0/bias"][0] = -0.1
    alpha = {name: learner.alpha[name.replace(".", "/")].detach().clone() for name in theta}
    gradients = learner.episode(Episode(loss_fn, theta, list(theta), support, query)).gradients
    in_alpha = {name: gradients.pop("meta_learner.alpha." + name.replace(".", "/")) for name in theta}
    expected = finite_differences(lambda t: rated_objective(t, alpha, support, query), theta)
    assert relative_error(gradients, expected) < 1e-5, "theta"
    expected = finite_differences(lambda a: rated_objective(theta, a, support, query), alpha)
    assert relative_error(in_alpha, expected) < 1e-5, "alpha"


def test_meta_sgd_has_one_rate_a_column_for_rows_that_come_with_the_episode():
    def table_loss(parameters, batch):
        return ((parameters["table"] - batch) ** 2).sum()

    learner = make(MetaSGD, settings(), {"table": torch.zeros(0, 3)}, ["table"])
    assert [tuple(p.shape) for p in learner.parameters()] == [(1, 3)]
    theta = {"table": torch.zeros(5, 3, requires_grad=True)}
    gradients = learner.episode(Episode(table_loss, theta, ["table"], [torch.ones(5, 3)], [torch.ones(5, 3)])).gradients
    assert gradients["table"].shape == (5, 3)
    assert gradients["meta_learner.alpha.table"].shape == (1, 3)


class Saved:
    """What autograd keeps for the backward pass, and how much of it at once."""

    def __init__(self):
        self.now = self.peak = 0

    class Kept:
        def __init__(self, owner, tensor):
            self.owner, self.tensor = owner, tensor.detach()  # with its graph it would hold itself
            owner.now += tensor.numel()
            owner.peak = max(owner.peak, owner.now)

        def __del__(self):
            self.owner.now -= self.tensor.numel()

    def __enter__(self):
        self.hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: self.Kept(self, t), lambda kept: kept.tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *error):
        self.hooks.__exit__(*error)


@pytest.mark.parametrize("cls", [MAML, ANIL, MetaSGD])
@pytest.mark.parametrize("rule", RULES)
def test_recomputed_inner_steps_give_the_same_gradient_from_less_memory(monkeypatch, cls, rule):
    """With dropout on, so that the same random numbers must come again, and be left as they would have been."""
    monkeypatch.setitem(globals(), "NETWORK", network(dropout=0.5))
    theta, support, query = start(), batches(5, rows=50), batches(2, first=50)
    gradients, peaks, after = [], [], []
    for checkpoint in (False, True):
        learner = make(cls, settings(rule, head_params=HEAD, checkpoint_inner_steps=checkpoint), theta, list(theta))
        torch.manual_seed(3)
        with Saved() as saved:
            gradients.append(learner.episode(Episode(loss_fn, theta, list(theta), support, query)).gradients)
        peaks.append(saved.peak)
        after.append(torch.get_rng_state())
    assert relative_error(gradients[1], gradients[0]) < 1e-12
    assert peaks[1] < peaks[0] / 2, f"five steps kept {peaks[0]} numbers, recomputed {peaks[1]}"
    assert torch.equal(after[0], after[1]), "the random numbers that follow must not depend on it"


def test_adam_is_differentiable_where_a_gradient_is_exactly_zero():
    """There it depends on g through the first moment alone: theta' = theta - alpha * g / eps."""
    theta = {"at the minimum": torch.zeros(1, dtype=torch.float64, requires_grad=True)}
    names = list(theta)

    def distance(parameters, target):
        return ((parameters["at the minimum"] - target) ** 2).sum()

    gradient = (
        make(MAML, settings("adam"), theta, names)
        .episode(Episode(distance, theta, names, [0.0], [1.0]))
        .gradients[names[0]]
    )
    torch.testing.assert_close(gradient, torch.tensor([-2 * (1 - ALPHA * 2 / 1e-8)], dtype=torch.float64))
