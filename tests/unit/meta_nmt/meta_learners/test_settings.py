"""Settings of learners: their checks, and the flags that are derived from them."""

from dataclasses import dataclass

import pytest

from meta_nmt.meta_learners import META_LEARNERS, InnerRule, MetaLearner, SettingError, register_meta_learner, setting
from meta_nmt.meta_learners.maml import FOMAMLSettings
from meta_nmt.meta_learners.settings import broken
from meta_nmt.tasks.meta_translation_config import TaskConfig, refresh, setting_flags


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


@pytest.fixture
def registry(monkeypatch):
    """META_LEARNERS, as it was afterwards."""
    before = dict(META_LEARNERS)
    yield META_LEARNERS
    META_LEARNERS.clear()
    META_LEARNERS.update(before)
    refresh()


def test_a_setting_is_a_flag_with_help_default_and_type(registry):
    @register_meta_learner("some")
    class Learner(MetaLearner):
        settings_type = Some

    flag = setting_flags()["share"]
    assert (flag.type, flag.text()) == (float, "some: a share (default: 0.5)")
    fields = refresh().__dataclass_fields__
    assert fields["count"].default is None and "some: a number (default: 3)" in fields["count"].metadata["help"]
    assert "some" in fields["meta_learner"].metadata["help"], "the list of learners is derived"


@pytest.mark.parametrize("name, kind, message", [
    ("lstm_hidden", float, "lstm_hidden of meta-learner odd must be of type int"),
    ("seed", int, "must not be called seed"),
])  # fmt: skip
def test_a_setting_that_is_another_flag_is_refused(registry, name, kind, message):
    @dataclass(frozen=True)
    class Odd(InnerRule):
        pass

    odd = dataclass(frozen=True)(type("Odd", (Odd,), {"__annotations__": {name: kind}, name: setting(1, "odd")}))
    assert "seed" in TaskConfig.__dataclass_fields__
    with pytest.raises(ValueError, match=message):
        register_meta_learner("odd")(type("OddLearner", (MetaLearner,), {"settings_type": odd}))
