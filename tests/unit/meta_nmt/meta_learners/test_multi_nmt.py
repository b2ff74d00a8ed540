"""Joint training with residual rows: whose rows move, and by what."""

import pytest
import torch

from meta_nmt.meta_learners import META_PREFIX, Episode, SettingError, Visit
from meta_nmt.meta_learners.joint import Joint
from meta_nmt.meta_learners.multi_nmt import MultiNMT, MultiNMTSettings
from meta_nmt.meta_learners.settings import Settings

WIDTH = 3
TASKS = {"aa": 5, "b.b": 4}
AA, BB = f"{META_PREFIX}rows.aa/in/rows", f"{META_PREFIX}rows.b/b/in/rows"
SHARED = f"{META_PREFIX}rows.in/rows"
IN_PLAY = torch.tensor([4, 1])


def loss(theta, batch):
    """1/2 sum over the rows in play, and the shared vector: |row + shared - batch|^2."""
    return 0.5 * (theta["in.rows"] + theta["shared"] - batch).square().sum()


def model():
    """Parameters as a model without a language has them, and as an episode of two rows has them."""
    shared = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    return {"in.rows": torch.zeros(0, WIDTH), "shared": shared}, {
        "in.rows": torch.zeros(2, WIDTH, requires_grad=True), "shared": shared,
    }  # fmt: skip


def learner(own_rows=False, row_dropout=0.0):
    multi = MultiNMT(MultiNMTSettings(own_rows, row_dropout), model()[0], ["shared"])
    multi.meet(TASKS)
    with torch.no_grad():
        for number, rows in enumerate(multi.rows.values()):
            rows.copy_(torch.arange(rows.numel()).reshape(rows.shape) + 100.0 * number)
    return multi


def episode(visit=True):
    visit = Visit("aa", None, IN_PLAY, TASKS["aa"]) if visit else None
    return Episode(loss, model()[1], ["shared"], [torch.zeros(WIDTH)], [torch.ones(WIDTH)], visit)


@pytest.mark.parametrize(("own_rows", "name"), [(False, SHARED), (True, AA)])
def test_its_rows_are_added_and_those_in_play_have_a_gradient(own_rows, name):
    """Against autograd through the whole table."""
    multi = learner(own_rows)
    result = multi.episode(episode())
    table = multi.get_parameter(name.removeprefix(META_PREFIX)).detach().clone().requires_grad_()
    shared = model()[1]["shared"]
    losses = [loss({"in.rows": table[IN_PLAY], "shared": shared}, batch) for batch in (0.0, 1.0)]
    of_table, of_shared = torch.autograd.grad(sum(losses) / 2, [table, shared])
    assert set(result.gradients) == {name, "shared"}, "no other table's rows, and none of the model's"
    torch.testing.assert_close(result.gradients[name], of_table)
    torch.testing.assert_close(result.gradients["shared"], of_shared)
    assert of_table[[0, 2, 3]].abs().sum() == 0 < of_table[IN_PLAY].abs().min()
    assert [float(x) for x in result.support_losses + result.query_losses] == [float(x.detach()) for x in losses]
    assert all(rows.grad is None for rows in multi.rows.values()), "a learner never writes to p.grad"


def test_a_new_language_has_no_rows_and_row_dropout_1_never_uses_them():
    joint = Joint(Settings(), model()[0], ["shared"]).episode(episode())
    for other in (learner().episode(episode(visit=False)), learner(row_dropout=1.0).episode(episode())):
        assert set(other.gradients) == set(joint.gradients)
        for name, gradient in joint.gradients.items():
            torch.testing.assert_close(other.gradients[name], gradient)


def test_row_dropout_is_a_share_of_the_episodes_and_follows_the_seed():
    torch.manual_seed(1)
    multi = learner(row_dropout=0.25)
    kept = [SHARED in multi.episode(episode()).gradients for _ in range(400)]
    assert 0.68 < sum(kept) / len(kept) < 0.82
    torch.manual_seed(1)
    assert kept == [SHARED in multi.episode(episode()).gradients for _ in range(400)]
    with pytest.raises(SettingError, match="row_dropout must be at least 0 and at most 1"):
        MultiNMTSettings(row_dropout=1.5)


@pytest.mark.parametrize(
    ("own_rows", "shapes"), [(False, {SHARED: (5, WIDTH)}), (True, {AA: (5, WIDTH), BB: (4, WIDTH)})]
)
def test_rows_are_parameters_of_its_own(own_rows, shapes):
    parameters = learner(own_rows).named_parameters()
    assert {f"{META_PREFIX}{name}": tuple(p.shape) for name, p in parameters} == shapes
