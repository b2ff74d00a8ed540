"""An adapted model with an ordinary embedding table."""

import torch

from meta_nmt.tasks.adapted import load_adapted
from meta_nmt.translation.fold import fold


def test_the_fold_gives_the_same_numbers(data, adapted):
    task, (model,) = load_adapted(data, [adapted], "dd", "en")
    tokens = torch.tensor([[4, 5, 6, 2, 1], [20, 63, 3, 4, 2]])
    before = model.encoder.embed_tokens
    assert before.residual.any(), "the residual takes part"
    expected = before(tokens)
    fold(model)
    assert type(model.encoder.embed_tokens) is torch.nn.Embedding
    torch.testing.assert_close(model.encoder.embed_tokens(tokens), expected, rtol=1e-6, atol=1e-6)
    assert len(model.encoder.embed_tokens.weight) == len(task.source_dictionary)
