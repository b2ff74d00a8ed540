"""Export of an adapted model to a translator folder, which fairseq and CTranslate2 load without meta_nmt.

The universal lexical representation of one language is folded into an ordinary embedding table: E[x] for every x of
its dictionary. The model is then fairseq's plain `transformer`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meta_nmt import plugin  # noqa: F401  plugs into fairseq, before it is loaded

# isort: split
import torch
from ctranslate2.converters import fairseq as ctranslate2_fairseq
from ctranslate2.converters.converter import Converter
from fairseq.models.transformer import TransformerModel, base_architecture

from data_prep.base.errors import InputError
from data_prep.base.files import PARTIAL, atomic, read_json, sha256, write_json, write_text
from data_prep.base.versions import versions
from meta_nmt.data.language_pack import language_folder, load_universal_names
from meta_nmt.modules.neighbours import nearest_universal
from meta_nmt.runs.checkpoints import read_checkpoint
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
) -> None:
    """Make the folder ``out`` a translator, or add a format to a translator of the same checkpoint.

    Args:
        data: the data folder that the checkpoint was adapted on.
        formats: some of FORMATS.
        quantization: one of QUANTIZATIONS, for the CTranslate2 model.

    Raises:
        InputError: the checkpoint is not of this data folder, ``out`` holds another model, or CTranslate2 cannot
            convert the model.
    """
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
    record_before = _made_before(folder, record)
    names = load_universal_names(data, model.encoder.embed_tokens.keys.size(0))
    pieces = list(task.source_dictionary.symbols[task.source_dictionary.nspecial :])
    near = nearest_universal(model, task.source_dictionary, names, pieces, NEAREST)
    fold(model)
    for lang, model_of_pieces in ((source_lang, folder.source_pieces), (target_lang, folder.target_pieces)):
        pack = language_folder(data, lang)
        _copy(pack.model, model_of_pieces)
        _copy(pack.dictionary, folder.dictionary(lang))
    rounded = [[(name, round(weight, 4)) for name, weight in nearest] for nearest in near]
    write_text(folder.neighbours, json.dumps(dict(zip(pieces, rounded, strict=True)), ensure_ascii=False) + "\n")
    args = transformer_arguments(read_checkpoint(checkpoint)["cfg"].model)
    if "fairseq" in formats:
        with atomic(folder.torch_model) as temporary:
            torch.save(plain_checkpoint(model, args, source_lang, target_lang), temporary)
    if "ctranslate2" in formats:
        _write_ctranslate2(_Plain(model, args, task), folder, quantization)
    else:
        record["quantization"] = record_before.get("quantization")
    write_json(folder.record, record)  # last: a folder with a record is whole


def _made_before(out: TranslatorFolder, record: dict[str, Any]) -> dict[str, Any]:
    """The record of the folder ``out``; {} where there is none. InputError if it is of another model."""
    if not out.record.is_file():
        return {}
    record_before = read_json(out.record)
    for name in ("source_lang", "target_lang", "checkpoint"):
        if not isinstance(record_before, dict) or record_before.get(name) != record[name]:
            raise InputError(f"--out {out}: must be new or hold the same model, but holds another ({name} differs)")
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


class _Plain(Converter):
    """A converter of a folded model to CTranslate2, made of parts of CTranslate2's converter of fairseq models."""

    def __init__(self, model: Any, args: Namespace, task: Any) -> None:
        self.model, self.args, self.task = model, args, task

    @torch.no_grad()
    def _load(self) -> Any:
        spec = ctranslate2_fairseq._get_model_spec(self.args)
        ctranslate2_fairseq.set_transformer_encoder(spec.encoder, self.model.encoder)
        ctranslate2_fairseq.set_transformer_decoder(spec.decoder, self.model.decoder)
        spec.register_source_vocabulary(ctranslate2_fairseq._get_vocab(self.task.source_dictionary))
        spec.register_target_vocabulary(ctranslate2_fairseq._get_vocab(self.task.target_dictionary))
        spec.config.decoder_start_token = spec.config.eos_token  # fairseq starts with the end symbol
        spec.config.add_source_eos = True
        return spec


def _write_ctranslate2(converter: Converter, out: TranslatorFolder, quantization: str) -> None:
    """Make the CTranslate2 model of ``out`` beside its place, and then move it there."""
    out.path.mkdir(parents=True, exist_ok=True)
    target = out.ctranslate2_model
    with tempfile.TemporaryDirectory(PARTIAL, f".{target.name}.", out.path) as folder:
        converted = Path(folder) / target.name
        try:
            converter.convert(str(converted), quantization=None if quantization == "float32" else quantization)
        except ValueError as error:
            raise InputError(f"CTranslate2 cannot convert this model: {error}") from None
        if target.exists():
            target.rename(Path(folder) / "old")
        converted.rename(target)
