"""The LSTM meta-learner against gradient descent, finite differences and its paper's preprocessing."""

import math

import pytest
import torch

from meta_nmt.meta_learners import META_PREFIX, Episode, adapt
from meta_nmt.meta_learners.inner_loop import SGD
from meta_nmt.meta_learners.lstm_meta_learner import CLIP_NORM, LSTMMetaLearner, LSTMSettings, preprocess

ALPHA = 0.05


def task(seed):
    """A batch: inputs and targets of a small regression."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(6, n, generator=generator, dtype=torch.float64) for n in (3, 2))


def loss_fn(params, batch):
    hidden = torch.tanh(batch[0] @ params["inner"] + params["bias"])
    return (hidden @ params["outer"] - batch[1]).square().mean()


def start():
    generator = torch.Generator().manual_seed(7)
    shapes = {"inner": (3, 4), "bias": (4,), "outer": (4, 2)}
    return {n: torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for n, s in shapes.items()}


def make(cls=LSTMMetaLearner, adapted=("inner", "bias", "outer"), spread=0.3):
    """Weights larger than at the start, so that every gate depends on every input."""
    learner = cls(LSTMSettings(ALPHA, lstm_hidden=5), start(), adapted).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in learner.parameters():
            weight.add_(spread * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return learner


class ForcedGates(LSTMMetaLearner):
    """f = 1 and i = alpha: gradient descent."""

    def gates(self, grad, loss, theta, state):
        return torch.ones_like(theta), torch.full_like(theta, self.settings.inner_lr), None


def test_forced_gates_are_gradient_descent_bit_for_bit():
    theta, support = start(), [task(n) for n in range(4)]
    ours = make(ForcedGates).adapt(Episode(loss_fn, theta, list(theta), support)).theta_prime
    peer = adapt(loss_fn, theta, list(theta), support, SGD(ALPHA)).theta_prime
    for name in theta:
        assert torch.equal(ours[name], peer[name]), f"{name} differs by {(ours[name] - peer[name]).abs().max():.1e}"


def test_unforced_gates_are_close_to_gradient_descent_at_the_start():
    theta, support = start(), [task(0)]
    ours = make(spread=0.0).adapt(Episode(loss_fn, theta, list(theta), support)).theta_prime["outer"]
    peer = adapt(loss_fn, theta, list(theta), support, SGD(ALPHA)).theta_prime["outer"]
    assert not torch.equal(ours, peer), "the LSTM's gates must have a say"
    torch.testing.assert_close(ours, peer, rtol=0.01, atol=0.01)


def surrogate(learner, theta, adapted, support, query):
    """<c_T, v> with the gradients, the losses and v as constants: what episode() differentiates. A function of
    (c_0, weights)."""
    at, state, steps = dict(theta), None, []
    cells = [theta[n].detach() for n in adapted]
    for batch in support:
        loss = loss_fn(at, batch)
        grads = torch.autograd.grad(loss, [at[n] for n in adapted])
        steps.append((grads, loss.detach()))
        with torch.no_grad():
            cells, state = learner.step(cells, grads, state, loss.detach())
        at.update((n, c.requires_grad_()) for n, c in zip(adapted, cells, strict=True))
    outer = torch.autograd.grad(sum(loss_fn(at, q) for q in query) / len(query), [at[n] for n in adapted])

    def value(cells):
        state = None
        with torch.no_grad():
            for grads, loss in steps:
                cells, state = learner.step(cells, grads, state, loss)
            return float(sum((c * v).sum() for c, v in zip(cells, outer, strict=True)))

    return value


def central_difference(value, tensor, i, size=1e-5):
    flat = tensor.detach().view(-1)
    kept = float(flat[i])
    sides = []
    for moved in (kept + size, kept - size):
        flat[i] = moved
        sides.append(value())
    flat[i] = kept
    return (sides[0] - sides[1]) / (2 * size)


@pytest.mark.parametrize("adapted", [["inner", "bias", "outer"], ["bias", "outer"]])
def test_gradients_equal_finite_differences_with_the_learners_gradients_as_constants(adapted, monkeypatch):
    monkeypatch.setattr("meta_nmt.meta_learners.lstm_meta_learner.CLIP_NORM", math.inf)
    theta, support, query = start(), [task(n) for n in range(3)], [task(8), task(9)]
    learner = make(adapted=adapted)
    gradients = learner.episode(Episode(loss_fn, theta, adapted, support, query)).gradients
    assert set(gradients) == set(theta) | {META_PREFIX + n for n, _ in learner.named_parameters()}, "names"
    value = surrogate(learner, theta, adapted, support, query)
    cells = [theta[n].detach().clone() for n in adapted]
    checked = {**dict(zip(adapted, cells, strict=True)), **{META_PREFIX + n: p for n, p in learner.named_parameters()}}
    for name, tensor in checked.items():
        for i in {0, tensor.numel() // 2, tensor.numel() - 1}:
            expected = central_difference(lambda: value(cells), tensor, i)
            got = float(gradients[name].view(-1)[i])
            assert got == pytest.approx(expected, rel=1e-5, abs=1e-9), f"{name}[{i}]"


def test_a_parameter_outside_the_inner_loop_gets_its_query_gradient():
    theta, support, query = start(), [task(0)], [task(1)]
    learner = make(adapted=["bias"])
    got = learner.episode(Episode(loss_fn, theta, ["bias"], support, query)).gradients["inner"]
    theta_prime = learner.adapt(Episode(loss_fn, theta, ["bias"], support)).theta_prime
    (expected,) = torch.autograd.grad(loss_fn(theta_prime, query[0]), [theta_prime["inner"]])
    assert torch.equal(got, expected)


def test_only_the_lstms_gradient_is_clipped(monkeypatch):
    theta, arguments = start(), (list(start()), [task(0)] * 2, [task(1)])

    def large(params, batch):
        return 1e4 * loss_fn(params, batch)

    learner = make()
    clipped = learner.episode(Episode(large, theta, *arguments)).gradients
    monkeypatch.setattr("meta_nmt.meta_learners.lstm_meta_learner.CLIP_NORM", math.inf)
    whole = learner.episode(Episode(large, theta, *arguments)).gradients
    own = [name for name in whole if name.startswith(META_PREFIX)]
    norms = [float(torch.cat([g[n].flatten() for n in own]).norm()) for g in (clipped, whole)]
    assert norms[1] > CLIP_NORM, "nothing to clip: the test says nothing"
    assert norms[0] == pytest.approx(CLIP_NORM, rel=1e-4)
    scale = norms[0] / norms[1]
    for name in whole:
        expected = whole[name] * scale if name in own else whole[name]
        torch.testing.assert_close(clipped[name], expected, rtol=1e-5, atol=0)


def test_theta_is_untouched_even_when_the_query_raises():
    theta = start()
    before = {name: p.detach().clone() for name, p in theta.items()}

    def fails_on_query(params, batch):
        if batch is None:
            raise RuntimeError("out of memory")
        return loss_fn(params, batch)

    make().episode(Episode(loss_fn, theta, list(theta), [task(0)] * 2, [task(1)]))
    with pytest.raises(RuntimeError, match="out of memory"):
        make().episode(Episode(fails_on_query, theta, list(theta), [task(0)], [None]))
    for name, p in theta.items():
        assert torch.equal(p, before[name]), f"{name} was written to"
        assert p.grad is None, f"{name} got a gradient"


def test_each_coordinate_has_a_state_of_its_own_and_shares_the_weights():
    """Coordinates in another order give the same steps in that order; other coordinates' values do not matter."""
    learner, order = make(), torch.randperm(12, generator=torch.Generator().manual_seed(0))
    theta = torch.linspace(-2, 2, 12, dtype=torch.float64)
    grads = [torch.linspace(1, -3, 12, dtype=torch.float64), torch.linspace(0, 5, 12, dtype=torch.float64).square()]
    loss = torch.tensor(0.7, dtype=torch.float64)

    def unroll(pick):
        cells, state = [theta[pick]], None
        for grad in grads:
            cells, state = learner.step(cells, [grad[pick]], state, loss)
        return cells[0]

    whole = unroll(torch.arange(12))
    torch.testing.assert_close(unroll(order), whole[order], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(unroll(torch.tensor([5])), whole[5:6], rtol=1e-12, atol=1e-12)


def test_any_number_of_rows():
    """Residual rows: none when the learner is made, three in one episode and five in the next."""
    empty = {"rows": torch.zeros(0, 2, dtype=torch.float64, requires_grad=True)}
    learner = LSTMMetaLearner(LSTMSettings(ALPHA), empty, ["rows"]).double()
    for rows in (3, 5, 0):
        theta = {"rows": torch.ones(rows, 2, dtype=torch.float64, requires_grad=True)}
        result = learner.episode(
            Episode(lambda p, b: (p["rows"] - b).square().sum(), theta, ["rows"], [2.0, 2.0], [3.0])
        )
        assert result.gradients["rows"].shape == (rows, 2)


def test_preprocessing_of_the_paper():
    x = torch.tensor([math.e, -math.exp(-10), math.exp(-11), 0.0], dtype=torch.float64)
    expected = [[0.1, 1.0], [-1.0, -1.0], [-1.0, math.exp(-1)], [-1.0, 0.0]]
    torch.testing.assert_close(preprocess(x), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_rate_that_no_gate_can_have_is_refused(alpha):
    with pytest.raises(ValueError, match=f"inner_lr must be between 0 and 1, but is {alpha}"):
        LSTMSettings(alpha)
