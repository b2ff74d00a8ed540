"""The flags of meta-training that are derived from the settings of the learners."""

from dataclasses import dataclass

import pytest

from meta_nmt.meta_learners import META_LEARNERS, InnerRule, MetaLearner, register_meta_learner, setting
from meta_nmt.tasks.meta_translation_config import TaskConfig, refresh, setting_flags


@dataclass(frozen=True)
class Some(InnerRule):
    share: float = setting(0.5, "a share", least=0, most=1)
    count: int = setting(3, "a number", least=1)


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
