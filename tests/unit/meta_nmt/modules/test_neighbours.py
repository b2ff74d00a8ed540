"""The universal tokens that a piece is made of, against the plain formula."""

import pytest
import torch
from fairseq.data import Dictionary

from data_prep.base.errors import InputError
from meta_nmt.data.language_pack import load_universal_names
from meta_nmt.modules.neighbours import nearest_universal
from meta_nmt.modules.ulr_embedding import ULREmbedding

M, V, Q, D = 7, 5, 3, 4
NAMES = [f"u{i}" for i in range(M)]


def make():
    torch.manual_seed(0)
    keys = torch.nn.functional.normalize(torch.randn(M, Q), dim=-1)
    queries = torch.nn.functional.normalize(torch.randn(V, Q), dim=-1)
    queries[4] = 0
    module = ULREmbedding(keys, queries, D)
    with torch.no_grad():
        module.transform.add_(0.1 * torch.randn(Q, Q))
    dictionary = Dictionary()
    for i in range(V):
        dictionary.add_symbol(f"p{i}")
    return module, dictionary


def test_mixture_is_the_softmax_over_the_keys():
    module, _ = make()
    weights = module.mixture(torch.tensor([2, 0, 2]))
    scores = torch.stack([(module.queries[r] @ module.transform * module.keys).sum(1) for r in (2, 0, 2)]) / 0.05
    torch.testing.assert_close(weights, scores.exp() / scores.exp().sum(1, keepdim=True))
    assert weights.shape == (3, M)


def test_nearest_first_and_with_its_weight():
    module, dictionary = make()
    found = nearest_universal(module, dictionary, NAMES, ["p3", "p0", "p3"], k=3)
    weights = module.mixture(torch.tensor([3, 0, 3]))[0].detach()  # as many rows at once: the same rounding
    order = sorted(range(M), key=lambda i: -weights[i])[:3]
    assert [name for name, _ in found[0]] == [f"u{i}" for i in order]
    assert [weight for _, weight in found[0]] == pytest.approx([float(weights[i]) for i in order])
    assert found[0] == found[2] and found[1] != found[0]


def test_pieces_that_are_near_to_nothing():
    module, dictionary = make()
    assert nearest_universal(module, dictionary, NAMES, ["p4", "never seen", "<pad>"]) == [[], [], []]
    assert nearest_universal(module, dictionary, NAMES, []) == []
    assert len(nearest_universal(module, dictionary, NAMES, ["p1"], k=100)[0]) == M, "no more than there are"


def test_names_must_fit_the_keys(data, own_data):
    assert load_universal_names(data, 60)[0].startswith("▁w")
    with pytest.raises(InputError, match="a line for each of the 61 universal tokens, but has 60"):
        load_universal_names(data, 61)
    (own_data / "universal/tokens.txt").unlink()
    with pytest.raises(InputError, match="tokens.txt"):
        load_universal_names(own_data, 60)
    module, dictionary = make()
    with pytest.raises(ValueError, match="for each of the 7 keys, but are 6"):
        nearest_universal(module, dictionary, NAMES[1:], ["p1"])
