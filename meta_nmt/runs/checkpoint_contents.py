"""The contents of a checkpoint: the one place where the bytes of a checkpoint become objects, each of them checked.

A checkpoint may come from a stranger. Torch's protection (`weights_only`) keeps code out of its pickle. But fairseq
would resolve `${oc.env:NAME}` in its configuration, run text of it as Python (`adaptive_softmax_cutoff`, the layers of
other architectures), open files that it names, and allot memory for whatever sizes it says. So here:

- all values are tensors, plain values, and numbers of NumPy; no text may hold ``${`` or be ``???``;
- the configuration has at most MOST_VALUES values, no deeper than DEEPEST, and no number or text that is out of bounds;
- weights are finite, real, and as large in the file as they say that they are;
- of the configuration only known fields are taken; of the model's, numbers, switches and choices, but no free text:
  that is paths, which are of no use once the weights are there, and code;
- the sizes of the model are those of its weights.

Every checkpoint is loaded by `load`, and fairseq loads by `load_for_fairseq` (meta_nmt/compat.py).
"""

from __future__ import annotations

import math
import re
import zipfile
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data_prep.base.errors import InputError

DEEPEST, MOST_VALUES, LONGEST = 12, 20_000, 100_000  # of a configuration: levels, values, characters of a text
MOST_POSITIONS = 100_000  # pieces of a sentence; a table of so many positions is made with the model
SIDES = ("encoder", "decoder")
NOT_TAKEN = ("encoder_layers_to_keep", "decoder_layers_to_keep")  # the weights tell how many layers there are
# field of a model -> lowest and highest value; `meta_nmt.cli.flag_checks` holds flags to them, too
MODEL_RANGES: dict[str, tuple[float, float]] = {
    **{
        f"{side}_{shape}": (1, math.inf)
        for side in SIDES
        for shape in ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")
    },
    **dict.fromkeys(("max_source_positions", "max_target_positions"), (1, MOST_POSITIONS)),
    **dict.fromkeys(("dropout", "attention_dropout", "activation_dropout", "adaptive_softmax_dropout"), (0, 1)),
    **dict.fromkeys(("encoder_layerdrop", "decoder_layerdrop", "quant_noise_pq", "quant_noise_scalar"), (0, 1)),
    **dict.fromkeys(("adaptive_softmax_factor", "quant_noise_pq_block_size"), (1, 1e6)),
    "base_layers": (0, 0),  # these need several workers, and models of one language have none
    "ulr_temperature": (1e-6, 1e6),
    "ulr_top_k": (0, 1e9),
}


def load(path: str | Path) -> dict[str, Any]:
    """Load all that a checkpoint holds, onto the CPU, as it was saved; its configuration is not interpreted.

    Raises:
        InputError: the file is missing or damaged, or holds what no checkpoint of a training run holds.
    """
    try:
        _refuse_packed(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch raises many types for a damaged file; all mean the same to the user
        reason = why_unreadable(error)
        raise InputError(f"{path}: must be a whole fairseq checkpoint, but cannot be loaded: {reason}") from None
    try:
        if not isinstance(state, dict):
            raise InputError(f"must be a dictionary, but is a {type(state).__name__}")
        _check_weights(state.get("model"))
        _check_configuration(state.get("cfg"))
        if state.get("args") is not None:
            raise InputError("must have its configuration in `cfg`, but has one in `args`, of fairseq before 0.11")
    except InputError as error:
        raise InputError(f"{path}: must be a fairseq checkpoint: it {error}") from None
    return state


def why_unreadable(error: Exception) -> str:
    """Torch's reason why it cannot load a file, in one line and without its advice to load the file unsafely."""
    text = str(error) or type(error).__name__
    if "WeightsUnpickler error: " in text:
        text = "it holds more than tensors and plain values: " + text.split("WeightsUnpickler error: ")[1]
    return text.strip().split("\n")[0].split(". This file can still be loaded")[0]


def load_for_fairseq(
    path: str | Path, arg_overrides: Mapping[str, Any] | None = None, load_on_all_ranks: bool = False
) -> dict[str, Any]:
    """Load a checkpoint as fairseq works with it: in the place of its ``load_checkpoint_to_cpu``.

    Raises:
        InputError: as `load`; or its configuration is not one of a model that is known.
    """
    from fairseq import checkpoint_utils  # here, since this module is loaded before fairseq is mended
    from omegaconf import OmegaConf

    state = load(path)
    try:
        configuration = _known_fields(state["cfg"], state["model"])
    except InputError as error:
        raise InputError(f"{path}: must be a fairseq checkpoint: its {error}") from None
    state["cfg"] = OmegaConf.create(configuration, flags={"allow_objects": True})
    if arg_overrides is not None:
        checkpoint_utils.overwrite_args_by_name(state["cfg"], arg_overrides)
    upgraded: dict[str, Any] = checkpoint_utils._upgrade_state_dict(state)
    return upgraded


def _refuse_packed(path: str | Path) -> None:
    """InputError for a zip file with compressed members, which may be a thousand times as large in memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise InputError(f"{path}: must be a checkpoint as torch saves it, but is compressed")


def _check_weights(model: Any) -> None:
    """InputError unless ``model`` maps names to tensors of finite, real numbers that are all in the file."""
    if not isinstance(model, dict) or not model or not all(isinstance(value, Tensor) for value in model.values()):
        raise InputError("holds no model")
    for name, value in model.items():
        plain = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
        if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise InputError(f"must hold the numbers of {str(name)[:80]!r}, but does not")
        if value.dtype.is_complex or not bool(value.isfinite().all()):
            numbers = "complex numbers" if value.dtype.is_complex else "some that are infinite or NaN"
            raise InputError(f"must hold finite numbers, but {str(name)[:80]!r} has {numbers}")


def _check_configuration(cfg: Any) -> None:
    """InputError unless a configuration is a dictionary of plain values, bounded in number, depth and size."""
    if not isinstance(cfg, dict) or not all(cfg.get(part) for part in ("model", "task")):
        raise InputError("must have the configuration of its model and task, but has none")
    for number, value in enumerate(_values(cfg)):
        if number == MOST_VALUES:
            raise InputError(f"must have a configuration of at most {MOST_VALUES} values, but has more")
        if must := requirement(value):
            raise InputError(f"must have {must} in its configuration, but has {_short(value)}")


def _values(value: Any, depth: int = 0) -> Iterator[Any]:
    """All keys and single values in nested containers; InputError where they are nested too deeply."""
    value = vars(value) if isinstance(value, Namespace) else value
    if not isinstance(value, (dict, list, tuple)):
        yield value
        return
    if depth == DEEPEST:
        raise InputError(f"must have a configuration of at most {DEEPEST} levels, but has more")
    yield None  # a container counts, too: thousands of empty ones are no configuration
    for item in [*value, *value.values()] if isinstance(value, dict) else value:
        yield from _values(item, depth + 1)


def requirement(value: Any) -> str | None:
    """What a value of a configuration must be, in words; None where it is good."""
    if isinstance(value, str):
        if len(value) > LONGEST:
            return f"texts of at most {LONGEST} characters"
        if "${" in value or value == "???":  # what OmegaConf would look up, in the environment too
            return "no references"
        return None if not re.search("[\ud800-\udfff\0]", value) else "Unicode text"
    if isinstance(value, int):
        return None if -(2**63) <= value < 2**63 else "whole numbers of 64 bits"
    return None if value is None or isinstance(value, float) else "plain values"


def _short(value: Any) -> str:
    """A value for a message: text in at most 80 characters, of all else the type."""
    return ascii(value[:80]) if isinstance(value, str) else f"a {type(value).__name__}"


def _known_fields(cfg: dict[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """The fields of a checked configuration that are known, each of its own type; InputError where one is not.

    A group or a field that is missing has fairseq's default. The fields of a task that is not loaded (of a user's own)
    are taken as they are: nothing reads them.
    """
    from fairseq.dataclass.configs import FairseqConfig
    from fairseq.tasks import TASK_DATACLASS_REGISTRY

    known: dict[str, Any] = {"_name": None}
    for name, entry in FairseqConfig.__dataclass_fields__.items():
        if hasattr(entry.type, "__dataclass_fields__"):
            known[name] = _fields_of_group(name, entry.type, cfg.get(name) or {})
    task = _mapping("task", cfg["task"])
    kind = TASK_DATACLASS_REGISTRY.get(str(task.get("_name")))
    known["task"] = task if kind is None else _fields_of_group("task", kind, task) | {"_name": task["_name"]}
    known |= dict.fromkeys(FairseqConfig.__dataclass_fields__.keys() - known.keys())
    known["model"] = _model_arguments(_mapping("model", cfg["model"]), weights)
    return known


def _mapping(name: str, value: Any) -> dict[str, Any]:
    fields = vars(value) if isinstance(value, Namespace) else value
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise InputError(f"configuration of {name} must be named values, but is a {type(value).__name__}")
    return fields


def _fields_of_group(name: str, kind: type, given: Any) -> dict[str, Any]:
    """The fields of a configuration dataclass: the given ones, and defaults where there is none."""
    known = kind.__dataclass_fields__  # type: ignore[attr-defined]
    defaults = {
        field: value for field, value in vars(kind()).items() if not (isinstance(value, str) and requirement(value))
    }
    # a number may have text as its default: that of device_id is LOCAL_RANK, which torchrun sets
    defaults = {field: int(v) if _is_number(known[field], v) else v for field, v in defaults.items()}
    given = _mapping(name, given)
    for field, value in given.items():
        if field in defaults and not _is_like(value, defaults[field]):
            raise InputError(f"{name}.{field} must be of type {type(defaults[field]).__name__}, but is {_short(value)}")
    return defaults | {field: value for field, value in given.items() if field in known}


def _is_number(field: Field[Any], default: Any) -> bool:
    return field.type is int and isinstance(default, str) and default.isdecimal()


def _is_like(value: Any, default: Any) -> bool:
    """Whether a value is of the type of a field's default, as far as the default tells it."""
    if value is None or default is None:
        return True
    if isinstance(default, (bool, str)):
        return isinstance(value, bool if isinstance(default, bool) else str)
    if isinstance(default, (int, float)):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return not isinstance(default, list) or isinstance(value, (list, tuple))


def _model_arguments(given: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Namespace:
    """The arguments from which a model is built that fits its weights."""
    arch = given.get("_name") or given.get("arch")
    takers = _model_fields(arch) if isinstance(arch, str) and len(arch) < 100 else None
    if takers is None:
        raise InputError(f"architecture must be one of ours or of a user, but is {_short(arch)}")
    arguments = Namespace(arch=arch, _name=arch)
    for name in sorted(takers.keys() & given.keys()):
        value, takes = given[name], takers[name]
        if value is not None and takes is not None:
            if not takes(value):
                raise InputError(f"model's {name} must be a value of that flag, but is {_short(value)}")
            low, high = MODEL_RANGES.get(name, (-math.inf, math.inf))
            if isinstance(value, (int, float)) and not low <= value <= high:
                raise InputError(f"model's {name} must be at least {low:g} and at most {high:g}, but is {value!r}")
            setattr(arguments, name, value)
    _check_sizes(arguments, weights)
    return arguments


def _model_fields(arch: str) -> dict[str, Callable[[Any], bool] | None] | None:
    """Which values each argument of an architecture takes, by its name; None for an argument that is not taken.

    None for an architecture that no model of ours, or of a user, has. One of a user's own that is not loaded has the
    arguments of ours.
    """
    from fairseq.models import ARCH_MODEL_REGISTRY
    from fairseq.models.transformer import TransformerModel

    if not re.fullmatch(r"transformer|ulr_transformer\w*", arch):
        return None
    kind = ARCH_MODEL_REGISTRY.get(arch) or ARCH_MODEL_REGISTRY["ulr_transformer"]
    parsers = ArgumentParser(add_help=False), ArgumentParser(add_help=False)
    for parser, model in zip(parsers, (kind, TransformerModel), strict=True):
        model.add_args(parser)
    own, of_fairseq = ({action.dest: action for action in parser._actions} for parser in parsers)
    takers = {name: _taker(action, is_own=name not in of_fairseq) for name, action in own.items()}
    return takers | dict.fromkeys(NOT_TAKEN) | {"decoder_output_dim": _is_whole}


def _taker(action: Action, is_own: bool) -> Callable[[Any], bool] | None:
    """Which values an argument takes; None for text of fairseq's own, which it would open or run."""
    if action.nargs == 0:
        return lambda value: isinstance(value, bool)
    if action.choices is not None:
        return lambda value: isinstance(value, str) and value in action.choices  # type: ignore[operator]
    if action.type is int:
        return _is_whole
    if action.type is float:
        return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if action.type in (str, None):
        return (lambda value: isinstance(value, str)) if is_own else None
    return lambda value: isinstance(value, (list, tuple)) and len(value) <= 100 and all(map(_is_whole, value))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31


def _check_sizes(arguments: Namespace, weights: Mapping[str, Tensor]) -> None:
    """InputError where the sizes of a model, as far as they are given, are not those of its weights."""
    for side in SIDES:
        layers = len({name.split(".")[2] for name in weights if re.match(rf"{side}\.layers\.\d+\.", name)})
        fc1 = weights.get(f"{side}.layers.0.fc1.weight")
        ffn, width = fc1.shape if fc1 is not None and fc1.dim() == 2 else (None, None)
        of_weights = {"layers": layers, "ffn_embed_dim": ffn, "embed_dim": width}
        if side == "decoder":
            table = weights.get("decoder.output_projection.weight")
            of_weights["output_dim"] = width if table is None or table.dim() != 2 else table.size(1)
        for name, size in of_weights.items():
            given = getattr(arguments, f"{side}_{name}", size)
            if given != size:
                raise InputError(f"model's {side}_{name} must be that of its weights, {size}, but is {given}")
        heads = getattr(arguments, f"{side}_attention_heads", 1)
        if width is not None and width % heads:
            raise InputError(f"model's {side}_attention_heads must divide its width {width}, but is {heads}")
