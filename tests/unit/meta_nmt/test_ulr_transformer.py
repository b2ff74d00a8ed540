"""The model that an architecture or a checkpoint's configuration asks for."""

from argparse import Namespace

import pytest
import torch
from fairseq.data import Dictionary

from meta_nmt.models import ulr_transformer
from meta_nmt.modules.dropout import Dropout


@pytest.fixture
def task():
    symbols = Dictionary()
    symbols.add_symbol("piece")
    keys = torch.nn.functional.normalize(torch.randn(40, 8), dim=-1)
    return Namespace(
        source_dictionary=Dictionary(),
        target_dictionary=symbols,
        universal_keys=keys,
        language_queries=torch.empty(0, 8),
    )


def architecture(**flags):
    args = Namespace(max_source_positions=16, max_target_positions=16, **flags)
    ulr_transformer.tiny(args)
    return args


def test_a_new_model_attends_to_the_best_and_an_old_one_to_all(task):
    build = ulr_transformer.ULRTransformer.build_model
    assert build(architecture(), task).encoder.embed_tokens.top_k == 32
    assert build(architecture(ulr_top_k=0), task).encoder.embed_tokens.top_k == 0
    saved = architecture()
    del saved.ulr_top_k  # a checkpoint from before there was a choice
    assert build(saved, task).encoder.embed_tokens.top_k == 0


def test_every_dropout_is_ours(task):
    model = ulr_transformer.ULRTransformer.build_model(architecture(), task)
    found = [module for module in model.modules() if type(module).__name__.endswith("Dropout")]
    assert len(found) > 8 and all(type(module) is Dropout for module in found)
