"""The model that an architecture or a checkpoint's configuration asks for."""

from argparse import Namespace

import fairseq.utils
import pytest
import torch
from fairseq.data import Dictionary
from fairseq.modules import MultiheadAttention

from meta_nmt.models import ulr_transformer
from meta_nmt.modules.attention import TrainingAttention
from meta_nmt.modules.dropout import Dropout
from meta_nmt.modules.vector_start import start_from_vectors


@pytest.fixture
def task():
    symbols = Dictionary()
    for number in range(60):
        symbols.add_symbol(f"piece{number}")
    vectors = torch.nn.functional.normalize(torch.randn(len(symbols), 8), dim=-1)
    vectors[: symbols.nspecial] = 0
    vectors[50:] = 0  # pieces without a vector
    return Namespace(
        source_dictionary=Dictionary(),
        target_dictionary=symbols,
        universal_keys=vectors[4:44],  # the first pieces are the universal tokens
        language_queries=torch.empty(0, 8),
        target_vectors=vectors,
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


def test_universal_values_and_target_embeddings_start_as_the_vectors_of_the_same_pieces(task):
    def build(**flags):
        torch.manual_seed(0)
        model = ulr_transformer.ULRTransformer.build_model(architecture(**flags), task)
        return model.encoder.embed_tokens.values, model.decoder.embed_tokens.weight

    values, words = build()
    assert torch.allclose(values, words[4:44]), "a universal token is a piece of the target language"
    assert words[4:50].std().item() == pytest.approx(128**-0.5, rel=1e-4), "as long as random embeddings"
    centred = task.target_vectors[4:50] - task.target_vectors[4:50].mean(0)
    wanted, found = (torch.nn.functional.normalize(rows, dim=-1) for rows in (centred, words[4:50]))
    assert torch.allclose(wanted @ wanted.T, found @ found.T, atol=1e-4), "the width has room for all cosines here"
    random_values, random_words = build(random_start=True)
    assert torch.equal(words[50:], random_words[50:]), "a piece without a vector keeps its random row"
    assert torch.equal(words[:4], random_words[:4])
    assert not torch.allclose(random_values, random_words[4:44])


@pytest.mark.parametrize("rows", [1, 2])
def test_vectors_that_do_not_differ_start_nothing(rows):
    vectors = torch.zeros(6, 4)
    vectors[:rows] = 1
    values, embeddings = torch.randn(3, 8), torch.randn(6, 8)
    before = values.clone(), embeddings.clone()
    start_from_vectors(values, torch.ones(3, 4), embeddings, vectors)
    assert torch.equal(values, before[0]) and torch.equal(embeddings, before[1])


def test_attention_to_the_encoder_starts_as_a_copy(task):
    for flags, copies in (({}, True), ({"random_start": True}, False), ({"encoder_embed_dim": 96}, False)):
        model = ulr_transformer.ULRTransformer.build_model(architecture(**flags), task)
        for layer in model.decoder.layers:
            attention = layer.encoder_attn
            both = attention.out_proj.weight @ attention.v_proj.weight
            assert torch.allclose(both, torch.eye(*both.shape), atol=1e-5) == copies
            assert not torch.allclose(layer.self_attn.out_proj.weight @ layer.self_attn.v_proj.weight, torch.eye(128))


def test_every_dropout_is_ours(task):
    model = ulr_transformer.ULRTransformer.build_model(architecture(), task)
    found = [module for module in model.modules() if type(module).__name__.endswith("Dropout")]
    assert len(found) > 8 and all(type(module) is Dropout for module in found)


def test_attention_is_fairseqs_in_training_without_its_weights(task, monkeypatch):
    # fairseq's own softmax rounds to float32
    monkeypatch.setattr(fairseq.utils, "softmax", lambda x, dim, onnx_trace=False: torch.softmax(x, dim))
    torch.manual_seed(0)
    model = ulr_transformer.ULRTransformer.build_model(architecture(dropout=0.0), task).double()
    attention = model.decoder.layers[-1].encoder_attn
    assert type(attention) is TrainingAttention is type(model.decoder.layers[0].self_attn)
    query, keys = (torch.randn(n, 3, 128, dtype=torch.float64, requires_grad=True) for n in (5, 7))
    padding = torch.tensor([[0] * 7, [0] * 6 + [1], [0] * 4 + [1] * 3]).bool()
    found = []
    for module in (attention, MultiheadAttention.forward.__get__(attention)):
        y, weights = module(query, keys, keys, key_padding_mask=padding, static_kv=True, need_weights=True)
        found.append((y, *torch.autograd.grad(y.pow(2).sum(), [query, keys, *attention.parameters()])))
        assert (weights is None) == (module is attention)
    y = attention._by_products(query, keys, keys, padding, None)
    found.append((y, *torch.autograd.grad(y.pow(2).sum(), [query, keys, *attention.parameters()])))
    for ours, theirs, products in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(products, theirs, rtol=1e-10, atol=1e-10)
    attention.eval()
    assert attention(query, keys, keys, static_kv=True)[1] is not None


def test_attention_in_bfloat16_sees_no_later_words_and_no_padding(task):
    torch.manual_seed(0)
    model = ulr_transformer.ULRTransformer.build_model(architecture(dropout=0.0), task)
    attention = model.decoder.layers[0].self_attn
    words = torch.randn(6, 2, 128)
    future = torch.full((6, 6), float("-inf")).triu(1)
    padding = torch.tensor([[0] * 6, [0] * 4 + [1] * 2]).bool()

    def attend(autocast, words):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return attention(words, words, words, key_padding_mask=padding, attn_mask=future)[0]

    found = attend(True, words)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), attend(False, words), rtol=0.02, atol=0.02)
    changed = words.clone()
    changed[3:] = 0  # later words, and the padding of the second sentence
    assert torch.equal(attend(True, changed)[:3], found[:3])
    changed = words.clone()
    changed[4:, 1] = 0
    assert torch.equal(attend(True, changed)[:, 0], found[:, 0])


def test_a_frozen_output_layer_is_one_product_for_all_sentences(task):
    model = ulr_transformer.ULRTransformer.build_model(architecture(dropout=0.0), task)
    decoder = model.decoder
    decoder.output_projection.weight.requires_grad_(False)
    features = torch.randn(5, 3, 128, requires_grad=True).transpose(0, 1)  # as fairseq's decoder gives them
    with torch.profiler.profile() as profile:
        logits = decoder.output_layer(features)
    torch.testing.assert_close(logits, features @ decoder.output_projection.weight.t())
    assert "aten::bmm" not in {event.key for event in profile.key_averages()}
