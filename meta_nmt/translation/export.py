"""Export of an adapted model to a translator folder, which fairseq and CTranslate2 load without meta_nmt.

The universal lexical representation of one language is folded into an ordinary embedding table: E[x] for every x of
its dictionary. The model is then fairseq's plain `transformer`.
"""

from __future__ import annotations

import json
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meta_nmt import plugin  # noqa: F401  plugs into fairseq, before it is loaded

# isort: split
import torch
from fairseq.models.transformer import TransformerModel, base_architecture

from data_prep.base.errors import InputError
from data_prep.base.extras import need
from data_prep.base.files import atomic, partial_folder, read_json, remove_partial, sha256, write_json, write_text
from data_prep.base.versions import versions
from meta_nmt.data.language_pack import language_folder, load_universal_names
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.modules.neighbours import nearest_universal
from meta_nmt.tasks.adapted import load_adapted
from meta_nmt.translation.export_formats import FORMATS
from meta_nmt.translation.fold import fold
from meta_nmt.translation.translator_folder import FORMAT, TranslatorFolder

NEAREST = 8  # universal tokens a source piece in neighbours.json
PACKAGES = ("torch", "fairseq-fixed", "ctranslate2", "sentencepiece")


def export(
    data: str | Path,
    checkpoint: str | Path,
    source_lang: str,
    out: str | Path,
    *,
    target_lang: str = "en",
    formats: Sequence[str] = FORMATS,
    quantization: str = "int8",
    force: bool = False,
) -> None:
    """Make the folder ``out`` a translator, or add a format to a translator of the same checkpoint.

    Args:
        data: the data folder that the checkpoint was adapted on.
        formats: some of FORMATS.
        quantization: one of QUANTIZATIONS, for the CTranslate2 model.
        force: take the place of another model in ``out``.

    All is made beside its place and then moved there. A kill leaves the translator that was there before, the new one,
    or an unfinished one, which the same command finishes.

    Raises:
        InputError: the checkpoint is not of this data folder, ``out`` holds another model, or CTranslate2 is not
            installed or cannot convert the model.
    """
    if "ctranslate2" in formats:
        need("ctranslate2", "export", "a model for CTranslate2")
    data, folder = Path(data), TranslatorFolder(Path(out))
    task, (model,) = load_adapted(data, [checkpoint], source_lang, target_lang)
    record = {
        "format": FORMAT,
        "source_lang": source_lang,
        "target_lang": target_lang,
        "checkpoint": sha256(checkpoint),
        "quantization": quantization if "ctranslate2" in formats else None,
        "versions": versions(PACKAGES),
    }
    record_before = _made_before(folder, record, force)
    names = load_universal_names(data, model.encoder.embed_tokens.keys.size(0))
    pieces = list(task.source_dictionary.symbols[task.source_dictionary.nspecial :])
    near = nearest_universal(model, task.source_dictionary, names, pieces, NEAREST)
    fold(model)
    args = transformer_arguments(read_checkpoint(checkpoint)["cfg"].model)
    folder.path.mkdir(parents=True, exist_ok=True)
    remove_partial(folder.path, deep=False)
    with partial_folder(folder.path, "translator") as work:
        new = TranslatorFolder(work)
        for lang, model_of_pieces in ((source_lang, new.source_pieces), (target_lang, new.target_pieces)):
            pack = language_folder(data, lang)
            _copy(pack.model, model_of_pieces)
            _copy(pack.dictionary, new.dictionary(lang))
        rounded = [[(name, round(weight, 4)) for name, weight in nearest] for nearest in near]
        write_text(new.neighbours, json.dumps(dict(zip(pieces, rounded, strict=True)), ensure_ascii=False) + "\n")
        if "fairseq" in formats:
            with atomic(new.torch_model) as temporary, open(temporary, "wb") as file:  # given a path, torch writes it
                torch.save(plain_checkpoint(model, args, source_lang, target_lang), file)
        if "ctranslate2" in formats:
            from meta_nmt.translation.ctranslate2_export import write_ctranslate2  # its package is of an extra

            write_ctranslate2(model, args, task, new, quantization)
        elif folder.ctranslate2_model.exists():
            record["quantization"] = record_before.get("quantization")
        digests_before = record_before.get("files")
        record["files"] = {**(digests_before if isinstance(digests_before, dict) else {}), **new.digests()}
        put_into_place(new, folder, record, afresh=not record_before)


def put_into_place(new: TranslatorFolder, folder: TranslatorFolder, record: dict[str, Any], afresh: bool) -> None:
    """Move the files of the translator ``new`` to ``folder``, and write its record there.

    Killed at any point, it leaves the old record with the old files, the new one with the new, or none.

    Args:
        afresh: remove all of a translator that is in ``folder``, also files that ``new`` does not have.
    """
    left = folder.files if afresh else [folder.record, folder.card]  # a card is of what was there before
    write_json(folder.unfinished, record)
    for path in left:
        if path != folder.unfinished:
            _remove(path)
    for path in new.files:
        place = folder.path / path.name
        _remove(place)
        path.replace(place)
    write_json(folder.record, record)  # last: a folder with a record is whole
    _remove(folder.unfinished)


def remove_translator(folder: TranslatorFolder) -> None:
    """Remove a translator, whole or not, and nothing else from its folder."""
    for path in folder.files:
        _remove(path)


def _remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that it holds; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _made_before(out: TranslatorFolder, record: dict[str, Any], force: bool) -> dict[str, Any]:
    """The record of the translator of the same model in ``out``, finished or not; {} where there is none.

    InputError, unless with ``force``, if there is another model or there are files of a translator without a record.
    """
    advice = "give another folder, or `--force` to write over it"
    made = next((path for path in (out.record, out.unfinished) if path.is_file()), None)
    if made is None:
        if out.files and not force:
            raise InputError(
                f"--out {out}: must be new or a translator folder, but holds {out.files[0].name}; {advice}"
            )
        return {}
    record_before = read_json(made)
    for name in ("source_lang", "target_lang", "checkpoint"):
        if not isinstance(record_before, dict) or record_before.get(name) != record[name]:
            if force:
                return {}
            raise InputError(
                f"--out {out}: must be new or hold the same model, but holds another ({name} differs); {advice}"
            )
    return record_before


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


def transformer_arguments(saved: Namespace) -> Namespace:
    """The arguments of a plain transformer, taken from those of a ulr_transformer."""
    parser = ArgumentParser(add_help=False)
    TransformerModel.add_args(parser)
    names = {action.dest for action in parser._actions}
    args = Namespace(**{name: value for name, value in vars(saved).items() if name in names})
    args.arch = "transformer"
    args.share_all_embeddings = False
    base_architecture(args)
    return args


def plain_checkpoint(model: Any, args: Namespace, source_lang: str, target_lang: str) -> dict[str, Any]:
    """A fairseq checkpoint of a folded model, of tensors and plain containers alone.

    Any fairseq loads it, with torch's protection (`weights_only`) on, and runs none of our code.
    """
    task = {"_name": "translation", "data": "", "source_lang": source_lang, "target_lang": target_lang}
    return {
        "args": None,
        "cfg": {"_name": None, "model": {"_name": "transformer", **vars(args)}, "task": task},
        "model": {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
                  if not name.startswith("meta_learner.")},
        "optimizer_history": [{"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}],
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
        "last_optimizer_state": None,
        "task_state": {},
    }  # fmt: skip
