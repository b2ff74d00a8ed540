"""Settings of meta-learners: each learner declares its own settings, and flags are derived from the declarations.

    @dataclass(frozen=True)
    class MySettings(InnerRule):
        decay: float = setting(0.9, "share of the old direction that a step keeps", least=0, below=1)

is a flag ``--decay`` with its help, default and check, wherever the learner is offered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, Self, get_args, get_type_hints

from meta_nmt.meta_learners.inner_loop import INNER_OPTIMIZERS, UpdateRule

RATES = {"adam": 1e-3, "sgd": 0.1}  # inner rates of the rules where none is given


class SettingError(ValueError):
    """A setting that a learner cannot take. setting: its name; reason: what its value must be, and what it is."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"{setting} {reason}")
        self.setting, self.reason = setting, reason


def setting(
    default: Any,
    help: str,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    choices: Sequence[str] = (),
    shapes: bool = False,
) -> Any:
    """A field of a learner's settings.

    Args:
        default: the default; None where the learner finds the value itself, and ``help`` then says how.
        help: what the setting is, with its unit.
        least, most, above, below: bounds of a number; every number must be finite.
        choices: the words that are allowed.
        shapes: whether the learner's own parameters have other shapes with another value.
    """
    bounds = {"least": least, "most": most, "above": above, "below": below}
    return field(default=default, metadata={"help": help, "choices": tuple(choices), "shapes": shapes, **bounds})


@dataclass(frozen=True)
class Settings:
    """The settings of a learner: fields made by ``setting``. This class has none, for a learner without settings.

    Raises:
        SettingError: a value is out of its bounds.
    """

    def __post_init__(self) -> None:
        for error in broken(type(self), vars(self)):
            raise error

    @classmethod
    def fitting(cls, values: Mapping[str, Any]) -> Self:
        """The settings that take those of ``values`` that have a field here."""
        return cls(**{name: values[name] for name in names_of(cls) if name in values})


def types_of(kind: type[Settings]) -> dict[str, type]:
    """Types of a learner's settings by name; of a setting that may be None, the other type."""
    hints = get_type_hints(kind)
    return {
        name: next(t for t in (*get_args(hints[name]), hints[name]) if t is not type(None)) for name in names_of(kind)
    }


def check_declaration(kind: Any) -> None:
    """ValueError unless every setting of a kind can be a flag, and every default is within its bounds."""
    if not (isinstance(kind, type) and issubclass(kind, Settings) and "__dataclass_fields__" in vars(kind)):
        raise ValueError(f"settings_type must be a frozen dataclass derived from Settings, but is {kind!r}")
    for f in fields(kind):
        if not re.fullmatch("[a-z][a-z0-9_]*", f.name) or "help" not in f.metadata:
            raise ValueError(f"setting {f.name} must have a name of small letters, and be made by `setting`")
        if types_of(kind)[f.name] not in (int, float, str, bool):
            raise ValueError(f"setting {f.name} must be of type int, float, str or bool, but is {f.type!r}")
        if f.default is True:
            raise ValueError(f"setting {f.name} must be False by default, since its flag sets it, but is True")
    for error in broken(kind, {f.name: f.default for f in fields(kind)}):
        raise ValueError(f"the default of setting {error}")


def names_of(kind: type[Settings]) -> list[str]:
    """Names of a learner's settings, in order."""
    return [f.name for f in fields(kind)]


def broken(kind: type[Settings], values: Mapping[str, Any]) -> Iterator[SettingError]:
    """Everything that is wrong with values for a kind of settings; a value that is absent, or None, is the default."""
    for f in fields(kind):
        value = values.get(f.name)
        if value is not None and (must := _requirement(f, value)):
            yield SettingError(f.name, f"must be {must}, but is {value!r}")


def _requirement(f: Field[Any], value: Any) -> str | None:
    """What a value must be, in words; None where it is good."""
    meta = f.metadata
    if meta["choices"]:
        return None if value in meta["choices"] else f"one of {', '.join(meta['choices'])}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    bounds = [
        (value >= meta["least"], "at least", meta["least"]),
        (value <= meta["most"], "at most", meta["most"]),
        (value > meta["above"], "above", meta["above"]),
        (value < meta["below"], "below", meta["below"]),
    ]
    if math.isfinite(value) and all(holds for holds, _, _ in bounds):
        return None
    if math.isfinite(meta["above"]) and math.isfinite(meta["below"]):
        return f"between {meta['above']:g} and {meta['below']:g}"
    return " and ".join(f"{word} {bound:g}" for _, word, bound in bounds if math.isfinite(bound)) or "finite"


def optimizer_setting(default: str) -> Any:
    """The field ``inner_optimizer``, which names the inner rule."""
    return setting(
        default,
        "inner rule: adam (its state made anew in each episode, or in each trajectory where there are any) or sgd",
        choices=tuple(INNER_OPTIMIZERS),
    )


@dataclass(frozen=True)
class InnerRule(Settings):
    """Settings of an inner rule and its rate alpha. Adam is the default, as in fine-tuning."""

    inner_optimizer: str = optimizer_setting("adam")
    inner_lr: float | None = setting(
        None,
        f"inner learning rate alpha; if not given, {RATES['adam']:g} for adam and {RATES['sgd']:g} for sgd",
        above=0,
    )

    @property
    def alpha(self) -> float:
        """The inner rate: ``inner_lr``, or else the default of the rule."""
        return RATES[self.inner_optimizer] if self.inner_lr is None else self.inner_lr

    def rule(self) -> UpdateRule:
        """The inner rule at a constant rate."""
        return INNER_OPTIMIZERS[self.inner_optimizer](self.alpha)
