"""The part of an export that is for CTranslate2, an optional package."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import torch
from ctranslate2.converters import fairseq as ctranslate2_fairseq
from ctranslate2.converters.converter import Converter

from data_prep.base.errors import InputError
from meta_nmt.translation.translator_folder import TranslatorFolder


def write_ctranslate2(model: Any, args: Namespace, task: Any, out: TranslatorFolder, quantization: str) -> None:
    """Write a folded model into ``out`` as CTranslate2 reads it.

    Args:
        args: what fairseq's `transformer` with these weights is built from.
        task: has the dictionaries.
        quantization: one of QUANTIZATIONS.

    Raises:
        InputError: CTranslate2 cannot convert the model.
    """
    kind = None if quantization == "float32" else quantization
    try:
        _Plain(model, args, task).convert(str(out.ctranslate2_model), quantization=kind)
    except ValueError as error:
        raise InputError(f"CTranslate2 cannot convert this model: {error}") from None


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
