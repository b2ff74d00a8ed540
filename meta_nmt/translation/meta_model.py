"""A meta-trained model that can be given to others: its checkpoint, and what a new language needs of its data folder.

A new language needs the universal space (keys and names), the target language's pack (SentencePiece, dictionary,
vectors), hashes of the held-out text, and the record. A *meta model* folder holds these beside ``meta.pt``, which is
written last: a folder that has it is whole. It is all that meta-nmt-adapt needs to add a language.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_prep.base.data_folder import LAYOUT, DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import atomic, check_given, read_json, remove_partial, sha256, write_json, write_text
from data_prep.cleaning.held_out import read_held_out, write_held_out
from meta_nmt.cards import model_card
from meta_nmt.data.language_pack import load_universal_keys
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.runs import checkpoint_contents, cost
from meta_nmt.runs.run_folder import RunFolder
from meta_nmt.tasks.learner import useful_in_adaptation

CHECKPOINT = "meta.pt"
MOST_BYTES, MOST_CHECKPOINT = 1 << 32, 1 << 36  # of a table of a meta model, and of its checkpoint
KEYS = "encoder.embed_tokens.keys"  # of the universal tokens, in a checkpoint
RECORD = "meta.json"  # says from which checkpoint the folder is made


def check_meta(checkpoint: str | Path) -> dict[str, Any]:
    """The contents of a checkpoint that holds no language yet; InputError for any other checkpoint."""
    state = read_checkpoint(checkpoint)
    if len(state["model"]["encoder.embed_tokens.residual"]):
        raise InputError(f"{checkpoint}: must be meta-trained or joint, but is adapted to one language already")
    return state


def find_data(checkpoint: str | Path, data: str | Path | None = None) -> Path:
    """The folder with the universal space that a meta-trained checkpoint was trained in.

    It is ``data`` where that is given, or else the folder of the checkpoint (a meta model), or else the data folder
    that the checkpoint names.

    Raises:
        InputError: there is no such folder, or its universal tokens are not those of the checkpoint.
    """
    given = DataFolder(Path(checkpoint).parent)
    if data is None and given.record.is_file():  # a meta model, which somebody else may have made
        check_given(given.path, dict.fromkeys([Path(checkpoint), given.record], MOST_CHECKPOINT))
        held_out = [given.held_out, given.held_out_keys]
        check_given(given.path, dict.fromkeys([*needed_files(given), *held_out], MOST_BYTES))
    state = check_meta(checkpoint)
    trained_on = str(getattr(state["cfg"].task, "data", ""))
    places = [Path(data)] if data is not None else [Path(checkpoint).parent, Path(trained_on)]
    folder = next((place for place in places if DataFolder(place).record.is_file()), None)
    if folder is None:
        raise InputError(
            f"`--data` must name the data folder that {checkpoint} was trained on ({trained_on!r}), or a meta model's "
            f"folder: there is no {LAYOUT.record} in {', '.join(map(str, places))}"
        )
    keys = state["model"][KEYS].numpy()
    if not np.array_equal(load_universal_keys(folder).numpy(), keys):
        raise InputError(f"{folder}: must hold the universal tokens of {checkpoint}, but they differ; give `--data`")
    return folder


def needed_files(folder: DataFolder) -> list[Path]:
    """The files of a data folder that a new language needs, beside the hashes of held-out text."""
    pack = folder.pack(folder.english)
    return [*folder.universal.files, *pack.segmentation, pack.vectors]


def copy_universal(data: Path, out: Path, without: str | None = None) -> None:
    """Make ``out`` a data folder without source languages: record, universal space, target pack, held-out hashes.

    ``without``: a language to leave out of the record, so that it can be added anew.
    """
    folder = DataFolder(data)
    record = folder.read_record()
    for path in needed_files(folder):
        with atomic(out / path.relative_to(data)) as temporary:
            shutil.copyfile(path, temporary)
    write_held_out(DataFolder(out, folder.english), read_held_out(folder))
    languages = {lang: entry for lang, entry in record["languages"].items() if lang != without}
    write_json(DataFolder(out).record, record | {"languages": languages})


def weights(checkpoint: str | Path, half: bool) -> bytes:
    """A checkpoint as a file without optimiser state, which is twice as large as the model.

    ``half``: with parameters of 16 bits. The keys keep theirs, since they must be those of the universal space.
    """
    state = checkpoint_contents.load(checkpoint)
    state["last_optimizer_state"] = None
    state["model"] = useful_in_adaptation(state["cfg"]["task"].get("meta_learner", ""), state["model"])
    if half:
        short: dict[int, torch.Tensor] = {}  # by the place in memory: what is shared is written once
        for name, value in state["model"].items():
            if value.is_floating_point() and value.numel() and name != KEYS:
                state["model"][name] = short.setdefault(value.data_ptr(), value.half())
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def export_meta(
    data: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    card: Callable[[str], str] | None = None,
    *,
    half: bool = False,
    force: bool = False,
) -> Path:
    """Make the meta model folder ``out``, without optimiser state; returns the path of its checkpoint.

    Args:
        card: makes the text of its model card from the SHA-256 of its checkpoint.
        half: with parameters of 16 bits instead of 32.
        force: take the place of another meta model.

    Raises:
        InputError: ``out`` is a folder of another kind, or of another checkpoint, or ``data`` is of another one.
    """
    folder, out = find_data(checkpoint, data), Path(out)
    target, record, made_from = out / CHECKPOINT, out / RECORD, {"checkpoint": sha256(checkpoint)}
    made_from |= {"bits": "16"} if half else {}
    remove_partial(out, deep=False)
    of_this_kind = record.is_file() or (force and target.is_file())  # an earlier version wrote no such record
    if not of_this_kind and (others := sorted(path.name for path in out.glob("*"))):
        raise InputError(f"--out {out}: must be new, or made by `--to meta`, but holds {others[0]}")
    if record.is_file() and read_json(record) != made_from and not force:
        raise InputError(
            f"--out {out}: must be new or of the same checkpoint, but is of another; give another folder, or `--force`"
        )
    target.unlink(missing_ok=True)
    write_json(record, made_from)
    copy_universal(folder, out)
    RunFolder(out).costs.unlink(missing_ok=True)
    for entry in cost.history(checkpoint):
        cost.append(out, entry | {"parent": None})  # these records contain those of its parents
    content = weights(checkpoint, half)
    if card:
        write_text(out / model_card.FILE_NAME, card(hashlib.sha256(content).hexdigest()))
    with atomic(target) as temporary:
        temporary.write_bytes(content)
    return target
