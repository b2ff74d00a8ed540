"""ULR against a naive loop in float64, and what a checkpoint may carry over."""

import math

import pytest
import torch

from data_prep.base.errors import InputError
from meta_nmt.modules.ulr_embedding import ULREmbedding

M, V, Q, D = 7, 5, 3, 4


def embedding(rows=V, seed=0, top_k=0):
    torch.manual_seed(seed)
    keys = torch.nn.functional.normalize(torch.randn(M, Q, dtype=torch.float64), dim=-1)
    queries = torch.nn.functional.normalize(torch.randn(rows, Q, dtype=torch.float64), dim=-1)
    module = ULREmbedding(keys, queries, D, top_k=top_k).double()
    with torch.no_grad():
        module.transform.add_(0.1 * torch.randn(Q, Q, dtype=torch.float64))
        module.residual.normal_()
    return module


def naive(module, token, top_k=M):
    """E[x] = sum_i softmax_i(q(x) A k_i / tau) v_i + residual[x], in plain Python numbers; the best ``top_k`` alone."""
    if token < module.num_special:
        return module.special[token].tolist()
    row = token - module.num_special
    q, a = module.queries[row].tolist(), module.transform.tolist()
    qa = [sum(q[i] * a[i][j] for i in range(Q)) for j in range(Q)]
    scores = [sum(qa[j] * k[j] for j in range(Q)) / 0.05 for k in module.keys.tolist()]
    best = sorted(range(M), key=lambda i: -scores[i])[:top_k]
    weights = [math.exp(s - max(scores)) if i in best else 0.0 for i, s in enumerate(scores)]
    total = sum(weights)
    values, residual = module.values.tolist(), module.residual[row].tolist()
    return [sum(w / total * v[d] for w, v in zip(weights, values, strict=True)) + residual[d] for d in range(D)]


@pytest.mark.parametrize(
    "tokens",
    [
        [[2, 4, 5, 8, 2], [1, 1, 4, 4, 2]],  # padding, repeats
        [[4, 5, 6, 7, 8]],  # no special symbol
        [[1, 2, 3, 0]],  # special symbols only
    ],
)
def test_equals_the_naive_loop(tokens):
    module = embedding()
    ours = module(torch.tensor(tokens))
    expected = torch.tensor([[naive(module, t) for t in line] for line in tokens], dtype=torch.float64)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def test_restricted_to_its_best_it_equals_the_naive_loop():
    for top_k in (1, 3):
        module = embedding(top_k=top_k)
        tokens = [[2, 4, 5, 8, 2], [1, 1, 4, 4, 2]]
        expected = torch.tensor([[naive(module, t, top_k) for t in line] for line in tokens], dtype=torch.float64)
        torch.testing.assert_close(module(torch.tensor(tokens)), expected, rtol=1e-12, atol=1e-12)
        assert not torch.allclose(expected, embedding()(torch.tensor(tokens))), "the rest of the softmax must matter"
        weights = module.mixture(torch.arange(V))
        assert (weights > 0).sum(-1).tolist() == [top_k] * V
        torch.testing.assert_close(weights @ module.values + module.residual, module.lexical(torch.arange(V)))


def test_a_token_without_a_vector_is_its_residual_where_only_the_best_count():
    module = embedding(top_k=3)
    with torch.no_grad():
        module.queries[2] = 0
    assert torch.equal(module.lexical(torch.tensor([2])), module.residual[2:3])
    assert module.mixture(torch.arange(V)).sum(-1).round(decimals=9).tolist() == [1, 1, 0, 1, 1]


def test_with_as_many_as_there_are_it_is_the_whole_softmax():
    tokens = torch.tensor([[4, 5, 6, 7, 8]])
    for top_k in (M, M + 1):
        assert torch.equal(embedding(top_k=top_k)(tokens), embedding()(tokens))


def test_first_and_second_derivatives_of_the_best():
    """MAML differentiates twice. The step is too small for another token to become one of the best."""
    module, rows = embedding(top_k=3), torch.arange(V)

    def lexical(transform, values, residual):
        changed = {"transform": transform, "values": values, "residual": residual}
        return torch.func.functional_call(_Lexical(module), {f"ulr.{k}": v for k, v in changed.items()}, (rows,))

    inputs = (module.transform, module.values, module.residual)
    assert torch.autograd.gradcheck(lexical, inputs) and torch.autograd.gradgradcheck(lexical, inputs)


@pytest.mark.parametrize("tokens", [[[4, 6, 4], [8, 2, 1]], [[1, 2, 3, 0]]])
def test_the_way_back_is_the_same_whether_or_not_it_is_differentiated_again(tokens):
    module = embedding(top_k=3)
    wanted = (module.transform, module.values, module.residual)
    loss = module(torch.tensor(tokens)).square().sum()
    once = torch.autograd.grad(loss, wanted, retain_graph=True)
    torch.testing.assert_close(once, torch.autograd.grad(loss, wanted, create_graph=True))


def test_what_was_looked_up_is_the_embedding():
    module, tokens = embedding(top_k=3), torch.tensor([[4, 6, 4], [8, 2, 1]])
    table = module(torch.arange(module.num_special + V))
    expected = module(tokens)
    assert "looked_up" not in module.state_dict()
    assert torch.equal(torch.func.functional_call(module, {"looked_up": table}, (tokens,)), expected)


class _Lexical(torch.nn.Module):
    def __init__(self, ulr):
        super().__init__()
        self.ulr = ulr

    def forward(self, rows):
        return self.ulr.lexical(rows)


def test_gradients_equal_the_dense_formula():
    module, tokens = embedding(), torch.tensor([[4, 4, 8, 1, 2]])
    weight = torch.randn(1, 5, D, dtype=torch.float64)
    names, parameters = zip(*module.named_parameters(), strict=True)
    ours = torch.autograd.grad((module(tokens) * weight).sum(), parameters)
    attention = torch.softmax(module.queries @ module.transform @ module.keys.T / 0.05, -1)
    table = torch.cat([module.special, attention @ module.values + module.residual])
    dense = torch.nn.functional.embedding(tokens, table, padding_idx=1)
    for name, a, b in zip(names, ours, torch.autograd.grad((dense * weight).sum(), parameters), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12, msg=name)


def test_a_token_without_a_vector_is_the_mean_of_the_universal_values():
    module = embedding()
    module.queries[0] = 0
    expected = module.values.mean(0) + module.residual[0]
    torch.testing.assert_close(module(torch.tensor([[4]]))[0, 0], expected)


def test_keys_and_queries_are_not_parameters():
    names = {name for name, _ in embedding().named_parameters()}
    assert names == {"transform", "values", "special", "residual"}


def load(module, saved):
    state = {f"e.{k}": v for k, v in saved.state_dict().items()}
    module.upgrade_state_dict_named(state, "e")
    module.load_state_dict({k[2:]: v for k, v in state.items()})


def test_a_checkpoint_without_a_language_takes_the_new_one():
    meta, new = embedding(rows=0), embedding(rows=V)
    new.keys.copy_(meta.keys)
    queries = new.queries.clone()
    load(new, meta)
    assert torch.equal(new.queries, queries), "the pack's queries stay"
    assert not new.residual.any(), "a new language starts without residual"
    assert torch.equal(new.values, meta.values), "the universal values are the checkpoint's"


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda m: m.queries.neg_(), "adapted to other vectors"),
        (lambda m: m.keys.neg_(), "universal tokens"),
    ],
)
def test_a_checkpoint_of_other_data_is_refused(change, message):
    saved, module = embedding(), embedding()
    change(module)
    with pytest.raises(InputError, match=message):
        load(module, saved)
