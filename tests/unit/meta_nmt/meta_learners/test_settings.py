"""Settings of learners, and their checks."""

from dataclasses import dataclass

import pytest

from meta_nmt.meta_learners import InnerRule, SettingError, setting
from meta_nmt.meta_learners.maml import FOMAMLSettings
from meta_nmt.meta_learners.settings import broken


@dataclass(frozen=True)
class Some(InnerRule):
    share: float = setting(0.5, "a share", least=0, most=1)
    rate: float = setting(0.1, "a rate", above=0, below=1)
    count: int = setting(3, "a number", least=1)
    way: str = setting("left", "a way", choices=("left", "right"))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"share": 1.5}, "share must be at least 0 and at most 1, but is 1.5"),
        ({"share": float("nan")}, "share must be at least 0 and at most 1, but is nan"),
        ({"rate": 0.0}, "rate must be between 0 and 1, but is 0.0"),
        ({"count": 0}, "count must be at least 1, but is 0"),
        ({"way": "up"}, "way must be one of left, right, but is 'up'"),
        ({"inner_optimizer": "momentum"}, "inner_optimizer must be one of sgd, adam, but is 'momentum'"),
        ({"inner_lr": float("inf")}, "inner_lr must be above 0, but is inf"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(values, message):
    with pytest.raises(SettingError) as refused:
        Some(**values)
    assert str(refused.value) == message and [refused.value.setting] == list(values)


def test_all_that_is_wrong_is_told_at_once():
    errors = list(broken(Some, {"share": 2, "count": 0, "way": "left", "inner_lr": None, "stranger": 1}))
    assert [error.setting for error in errors] == ["share", "count"]


def test_a_learner_takes_the_settings_that_it_has():
    assert FOMAMLSettings.fitting({"inner_lr": 0.2, "lstm_hidden": 5}) == FOMAMLSettings(inner_lr=0.2)
    assert (FOMAMLSettings().alpha, FOMAMLSettings("sgd").alpha, FOMAMLSettings(inner_lr=0.2).alpha) == (1e-3, 0.1, 0.2)
