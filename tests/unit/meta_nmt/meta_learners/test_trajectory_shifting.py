"""Trajectories that go on from episode to episode: what the learner does with them."""

import pytest
import torch

from meta_nmt.meta_learners import Episode, Visit
from meta_nmt.meta_learners.maml import FOMAML, FOMAMLSettings
from meta_nmt.meta_learners.trajectory_shifting import TrajectorySettings, TrajectoryShifting

ALPHA, VISITS = 0.1, 5


def quadratic(params, batch):
    """1/2 |theta - batch|^2: its gradient is theta - batch."""
    return 0.5 * (params["theta"] - batch).square().sum()


def start(*values):
    return {"theta": torch.tensor(values, dtype=torch.float64, requires_grad=True)}


class ConstantRate(TrajectoryShifting):
    """Steps of one rate along the whole trajectory, so that where it goes is easy to say."""

    def rule(self, names, steps=None):
        return super().rule(names)


def learner(theta, rule="sgd", kind=ConstantRate):
    return kind(TrajectorySettings(rule, ALPHA, trajectory_visits=VISITS), theta, list(theta))


def run(shifting, theta, task, trajectory, support, query, loss=quadratic):
    visit = Visit(task, trajectory, torch.arange(len(theta["theta"])), len(theta["theta"]))
    return shifting.episode(Episode(loss, theta, ["theta"], support, query, visit))


def test_a_task_goes_on_from_its_displacement_and_shifts_with_theta():
    one, two = start(1.0, -2.0), start(3.0, 0.5)
    shifting = learner(one)
    support, query = torch.tensor([5.0, 5.0]), torch.tensor([-1.0, 4.0])
    first = run(shifting, one, "aa", 0, [support], [query])
    delta = -ALPHA * (one["theta"] - support)
    torch.testing.assert_close(first.gradients["theta"], one["theta"] + delta - query)
    run(shifting, one, "bb", 0, [query], [support])  # another task's is its own
    second = run(shifting, two, "aa", 0, [support], [query])  # theta has moved meanwhile: what was kept is the distance
    delta = delta - ALPHA * (two["theta"] + delta - support)
    torch.testing.assert_close(second.gradients["theta"], two["theta"] + delta - query)
    anew = run(shifting, two, "aa", 1, [support], [query])
    torch.testing.assert_close(anew.gradients["theta"], two["theta"] - ALPHA * (two["theta"] - support) - query)


def test_the_rate_falls_to_zero_over_a_trajectory():
    theta, support, query = start(1.0, -2.0), torch.tensor([5.0, 5.0]), torch.tensor([0.0, 0.0])
    shifting, point = learner(theta, kind=TrajectoryShifting), theta["theta"].detach().clone()
    for number in range(2 * VISITS):  # two inner steps an episode
        point -= ALPHA * (1 - number / (2 * VISITS)) * (point - support)
        if number % 2:
            result = run(shifting, theta, "aa", 0, [support, support], [query])
            torch.testing.assert_close(result.gradients["theta"], point - query)


def test_adam_keeps_its_moments_along_the_way():
    theta = start(1.0, -2.0)
    shifting, points = learner(theta, "adam"), torch.randn(6, 2, dtype=torch.float64)
    reference = torch.nn.Parameter(theta["theta"].detach().clone())
    adam = torch.optim.Adam([reference], lr=ALPHA, betas=(0.9, 0.98), eps=1e-8)
    for point in points:
        quadratic({"theta": reference}, point).backward()
        adam.step()
        adam.zero_grad()
        result = run(shifting, theta, "aa", 0, [point], [torch.zeros(2)])
        torch.testing.assert_close(result.gradients["theta"], reference.detach(), msg="theta + delta, as query is 0")


def test_without_a_visit_it_is_fomaml():
    theta, batches = start(1.0, -2.0), [torch.randn(2) for _ in range(4)]
    shifting = TrajectoryShifting(TrajectorySettings("adam", ALPHA, support_weight=0.3), theta, ["theta"])
    fomaml = FOMAML(FOMAMLSettings("adam", ALPHA, support_weight=0.3), theta, ["theta"])
    episode = Episode(quadratic, theta, ["theta"], batches[:3], batches[3:])
    for _ in range(2):
        ours, theirs = shifting.episode(episode), fomaml.episode(episode)
        torch.testing.assert_close(ours.gradients, theirs.gradients)
        torch.testing.assert_close(ours.support_losses + ours.query_losses, theirs.support_losses + theirs.query_losses)


def test_rows_that_an_episode_brings_are_those_of_its_task():
    """theta has no rows of its own; an episode has rows 4 and 1 of 6, then 1 and 2."""
    empty, weight = torch.zeros(0, 1, dtype=torch.float64), torch.ones(1, dtype=torch.float64, requires_grad=True)
    shifting = learner({"rows": empty, "theta": weight})

    def loss_fn(params, batch):
        return (params["rows"][:, 0] * batch).sum() + 0 * params["theta"].sum()

    def visit(rows, batch):
        theta = {"rows": torch.zeros(2, 1, dtype=torch.float64, requires_grad=True), "theta": weight}
        seen = []

        def spy(params, batch):
            seen.append(params["rows"].detach().clone())
            return loss_fn(params, batch)

        batches = [torch.tensor(batch)]
        shifting.episode(
            Episode(spy, theta, ["rows", "theta"], batches, batches, Visit("aa", 0, torch.tensor(rows), 6))
        )
        return [list(map(float, points)) for points in seen]

    assert visit([4, 1], [1.0, 2.0]) == [[0, 0], pytest.approx([-0.1, -0.2])], "before and after the step"
    assert visit([1, 2], [1.0, 1.0]) == [pytest.approx([-0.2, 0]), pytest.approx([-0.3, -0.1])], "row 1 goes on"


def test_a_trajectory_that_is_lost_starts_anew():
    theta, support, query = start(1.0, -2.0), torch.tensor([5.0, 5.0]), torch.tensor([0.0, 0.0])
    shifting = learner(theta)
    first = run(shifting, theta, "aa", 0, [support], [query])
    run(shifting, theta, "aa", 0, [support], [query], loss=lambda params, batch: quadratic(params, batch) / 0)
    torch.testing.assert_close(run(shifting, theta, "aa", 0, [support], [query]).gradients, first.gradients)


def test_an_episode_that_raises_leaves_the_trajectory_where_it_was():
    theta, support, query = start(1.0, -2.0), torch.tensor([5.0, 5.0]), torch.tensor([0.0, 0.0])
    whole, broken = learner(theta), learner(theta)
    for shifting in (whole, broken):
        run(shifting, theta, "aa", 0, [support], [query])

    def fails(params, batch):
        if batch is query:
            raise RuntimeError("out of memory")
        return quadratic(params, batch)

    with pytest.raises(RuntimeError, match="out of memory"):
        run(broken, theta, "aa", 0, [support], [query], loss=fails)
    expected = run(whole, theta, "aa", 0, [support], [query])
    torch.testing.assert_close(run(broken, theta, "aa", 0, [support], [query]).gradients, expected.gradients)
