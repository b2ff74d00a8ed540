"""Damaged, foreign and hostile checkpoints, to every command that reads one."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from arguments import arguments

from campaign.bad_input import HANDLED, PROOF, Case, Materials, replace
from campaign.runs import adapt_flags, train_flags

TRAIN, ADAPT, GENERATE, TRANSLATE = (
    "meta_nmt.cli.train", "meta_nmt.cli.adapt", "meta_nmt.cli.generate", "meta_nmt.cli.translate",
)  # fmt: skip
Change = Callable[[bytes], bytes]


class Hidden:
    """Runs what it is given when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


HOSTILE = {
    "a shell command": Hidden(os.system, f"touch {PROOF}"),
    "an expression": Hidden(eval, f"open('{PROOF}', 'w')"),
    "a file that is opened": Hidden(open, PROOF, "w"),
    "a statement": Hidden(exec, f"open('{PROOF}', 'w')"),
}


def state(change: Callable[[dict[str, Any]], Any]) -> Change:
    """A change of what the checkpoint holds."""

    def apply(content: bytes) -> bytes:
        saved = torch.load(io.BytesIO(content), weights_only=True)
        packed = io.BytesIO()
        torch.save(change(saved), packed)
        return packed.getvalue()

    return apply


def without(key: str) -> Change:
    return state(lambda saved: {name: value for name, value in saved.items() if name != key})


def with_value(key: str, value: Any) -> Change:
    return state(lambda saved: {**saved, key: value})


def in_model(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Change:
    return state(lambda saved: {**saved, "model": change(dict(saved["model"]))})


def legacy(value: Any) -> Change:
    def apply(_: bytes) -> bytes:
        packed = io.BytesIO()
        torch.save(value, packed, _use_new_zipfile_serialization=False)
        return packed.getvalue()

    return apply


def zip_of(names: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return packed.getvalue()


def in_settings(**values: Any) -> Change:
    """A change of the model's arguments."""
    return state(lambda s: {**s, "cfg": {**s["cfg"], "model": Namespace(**{**vars(s["cfg"]["model"]), **values})}})


def in_task(**values: Any) -> Change:
    return state(lambda s: {**s, "cfg": {**s["cfg"], "task": {**s["cfg"]["task"], **values}}})


WIDE = "encoder.embed_tokens.values"
DAMAGE: dict[str, Change] = {
    "empty": lambda b: b"",
    "cut to a byte": lambda b: b[:1],
    "cut to the first blocks": lambda b: b[:5000],
    "cut to a half": lambda b: b[: len(b) // 2],
    "cut by a byte": lambda b: b[:-1],
    "its first block zeroed": lambda b: bytes(4096) + b[4096:],
    "its middle zeroed": lambda b: b[: len(b) // 3] + bytes(9000) + b[len(b) // 3 + 9000 :],
    "text": lambda b: b"not a checkpoint\n",
    "a zip of other things": lambda b: zip_of({"readme": b"hello"}),
    "a zip without a pickle": lambda b: zip_of({"archive/version": b"3", "archive/data/0": b"1234"}),
    "a plain pickle": lambda b: pickle.dumps({"model": {}}),
    "a number": state(lambda s: 3),
    "a list": state(lambda s: [s]),
    "a tensor": state(lambda s: torch.zeros(3)),
    "nothing in it": state(lambda s: {}),
    "no model": without("model"),
    "no configuration": without("cfg"),
    "no extra state": without("extra_state"),
    "no history": without("optimizer_history"),
    "an empty history": with_value("optimizer_history", []),
    "a history that is text": with_value("optimizer_history", "long"),
    "configuration is nothing": with_value("cfg", None),
    "configuration is text": with_value("cfg", "transformer"),
    "configuration is empty": with_value("cfg", {}),
    "configuration without a task": state(lambda s: {**s, "cfg": {k: v for k, v in s["cfg"].items() if k != "task"}}),
    "configuration without a model": state(lambda s: {**s, "cfg": {k: v for k, v in s["cfg"].items() if k != "model"}}),
    "another architecture": state(lambda s: {**s, "cfg": {**s["cfg"], "model": Namespace(arch="lstm")}}),
    "model is a list": with_value("model", [1, 2]),
    "model is empty": with_value("model", {}),
    "model of numbers": in_model(lambda m: dict.fromkeys(m, 3)),
    "a parameter is missing": in_model(lambda m: {k: v for k, v in m.items() if "fc1" not in k}),
    "a parameter too many": in_model(lambda m: {**m, "encoder.more": torch.zeros(3)}),
    "another width": in_model(lambda m: {**m, WIDE: m[WIDE][:, :-1].clone()}),
    "other universal tokens": in_model(
        lambda m: {**m, "encoder.embed_tokens.keys": m["encoder.embed_tokens.keys"].flip(0)}
    ),
    "no universal tokens": in_model(lambda m: {k: v for k, v in m.items() if not k.endswith("embed_tokens.keys")}),
    "weights that are no numbers": in_model(lambda m: {k: v * float("nan") for k, v in m.items()}),
    "complex weights": in_model(lambda m: {k: v.to(torch.complex64) for k, v in m.items()}),
    "weights that are not in the file": in_model(lambda m: {**m, WIDE: torch.zeros(1).expand(10**6, 10**6)}),
    "no heads": in_settings(encoder_attention_heads=0),
    "layers that are not there": in_settings(decoder_layers=10**7),
    "positions without end": in_settings(max_source_positions=10**12),
    "hides a look at the environment": in_task(meta_learner="${oc.env:HOME}"),
    "hides text that fairseq would run": in_settings(adaptive_softmax_cutoff=f"open('{PROOF}', 'w')"),
    "hides another architecture, whose layers are run": in_settings(
        arch="fconv", _name="fconv", encoder_layers=f"open('{PROOF}', 'w')"
    ),
    **{f"hides {name}": with_value("more", value) for name, value in HOSTILE.items()},
    **{f"hides {name}, old format": legacy({"model": {}, "cfg": value}) for name, value in HOSTILE.items()},
    "hides a command in the model": in_model(lambda m: {**m, WIDE: HOSTILE["a shell command"]}),
    "hides a command in the configuration": with_value("cfg", HOSTILE["a shell command"]),
}  # fmt: skip
# what only some commands need
NOT_NEEDED = {
    "no extra state": {GENERATE, TRANSLATE},
    "no history": set(),
    "an empty history": {GENERATE, TRANSLATE},
    "a history that is text": {GENERATE, TRANSLATE},
}


def flags(command: str, folder: Path, materials: Materials, checkpoint: Path) -> list[str]:
    data = materials.data
    if command == TRAIN:
        return train_flags(data, folder / "save", "--max-update 1 --finetune-from-model {}", checkpoint)
    if command == ADAPT:
        return adapt_flags(data, checkpoint, folder / "save", "--max-update 1")
    replace(folder / "text", b"ddwaa\n")
    common = arguments("{} --path {} --source-lang dd --beam 1", data, checkpoint)
    if command == TRANSLATE:
        return [*common, *arguments("--input {}/text", folder)]
    return [*common, *arguments("--gen-subset test --results {}/results --max-len-a 0", folder)]


def with_damage(command: str, change: Change) -> Callable[[Path, Materials], list[str]]:
    def argv(folder: Path, materials: Materials) -> list[str]:
        replace(folder / "broken.checkpoint", change(materials.checkpoint.read_bytes()))
        return flags(command, folder, materials, folder / "broken.checkpoint")

    return argv


def cases() -> Iterator[Case]:
    for name, change in DAMAGE.items():
        hostile = name.startswith("hides")
        for command in (TRAIN, ADAPT, GENERATE, TRANSLATE) if hostile else (ADAPT, TRANSLATE):
            if command in NOT_NEEDED.get(name, ()):
                continue
            kind = "hostile checkpoints" if hostile else "damaged checkpoints"
            short = command.rsplit(".", 1)[1]
            yield Case(kind, f"{short}: {name}", command, with_damage(command, change), ("broken.checkpoint",))
    for command in (TRAIN, ADAPT, GENERATE, TRANSLATE):
        short = command.rsplit(".", 1)[1]
        for name, path in (("missing", "nowhere.pt"), ("a folder", ".")):
            yield Case("damaged checkpoints", f"{short}: {name}", command,
                       lambda f, m, c=command, p=path: flags(c, f, m, f / p), ())  # fmt: skip

    def last(change: Change, others: bool) -> Callable[[Path, Materials], list[str]]:
        def argv(folder: Path, materials: Materials) -> list[str]:
            good = materials.checkpoint.with_name("checkpoint_last.pt").read_bytes()
            replace(folder / "save/checkpoint_last.pt", change(good))
            if others:
                replace(folder / "save/checkpoint_best.pt", materials.checkpoint.read_bytes())
            return train_flags(materials.data, folder / "save", "--max-update 12")

        return argv

    for name in ("empty", "cut to a half", "text", "no history", "hides a shell command"):
        case = last(DAMAGE[name], False)
        yield Case("damaged checkpoints", f"the last: {name}", TRAIN, case, ("checkpoint_last.pt",))
        case = last(DAMAGE[name], True)
        yield Case("damaged checkpoints", f"the last, another is good: {name}", TRAIN, case, (), HANDLED)
