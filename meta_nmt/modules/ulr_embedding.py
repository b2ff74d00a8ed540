"""Universal lexical representation, as attention over one table shared by all languages.

Gu, Hassan, Devlin and Li, "Universal Neural Machine Translation for Extremely Low Resource
Languages", NAACL 2018 (arXiv 1802.05368), section 3.2, as used by MetaNMT (arXiv 1808.08437, section 3.3):

    E[x] = sum_i softmax_i( q(x) A k_i / tau ) v_i + residual[x]

Axis letters: B sentences, S source length, U distinct ids of a batch, V rows of the language in play,
M universal tokens, Q query width, D model width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from data_prep.base.data_folder import LAYOUT
from data_prep.base.errors import InputError


class WeightedSum(torch.autograd.Function):
    """values (M, D), chosen (U, k), weights (U, k) -> (U, D): row u is the sum of weights[u, i] * values[chosen[u, i]].

    It is computed by ``embedding_bag``, which never gathers the U * k rows, but has no second derivative. Where a
    gradient is differentiated again, as MAML's is, the way back goes through the gathered rows.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(values, chosen, weights)
        return nn.functional.embedding_bag(chosen, values, mode="sum", per_sample_weights=weights)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor]:
        values, chosen, weights = ctx.saved_tensors
        if torch.is_grad_enabled():
            rows = nn.functional.embedding(chosen, values)  # (U, k, D)
            of_rows = (weights.unsqueeze(-1) * gradient.unsqueeze(1)).flatten(0, 1)
            of_values = torch.zeros_like(values).index_add(0, chosen.flatten(), of_rows)
            return of_values, None, torch.bmm(rows, gradient.unsqueeze(-1)).squeeze(-1)
        with torch.enable_grad():
            values, weights = values.detach().requires_grad_(), weights.detach().requires_grad_()
            summed = nn.functional.embedding_bag(chosen, values, mode="sum", per_sample_weights=weights)
        of_values, of_weights = torch.autograd.grad(summed, (values, weights), gradient)
        return of_values, None, of_weights


class ULREmbedding(nn.Module):
    """Embeds the tokens of one language at a time; drop-in for ``nn.Embedding`` in a fairseq encoder.

    Ids below ``num_special`` (bos, pad, eos, unk) have plain trained rows; id ``num_special + r`` is row
    ``r`` of the language in play. That language is data, not structure: its ``queries`` and ``residual`` are
    replaced by an episode (through ``torch.func.functional_call``, with any number of rows) and loaded
    from a language pack for adaptation and generation. The meta-trained model holds no language (V = 0).
    Where ``looked_up`` has rows, a row for each id, they are the embeddings. A caller that goes through a batch in
    pieces computes them once for all pieces.

    Args:
        keys: (M, Q) aligned vectors of the universal tokens; fixed.
        queries: (V, Q) aligned vectors of the language's tokens; fixed. A zero row (a token without a
            vector) attends to all universal tokens alike, with ``top_k`` to none.
        embedding_dim: D.
        num_special: number of special symbols, the first ids of every dictionary.
        padding_idx: id of the padding symbol, embedded as zeros.
        temperature: tau of the softmax, 0.05 in the papers.
        top_k: how many universal tokens a token attends to, those of the highest scores at the present A; 0 (the
            papers): all. With ``top_k`` it is another model, and no approximation of the papers': where queries are
            badly aligned, the rest of the softmax weighs much and is mostly noise. It takes a third of the time at
            M = 20,000 and k = 32.
    """

    def __init__(
        self,
        keys: Tensor,
        queries: Tensor,
        embedding_dim: int,
        num_special: int = 4,
        padding_idx: int = 1,
        temperature: float = 0.05,
        top_k: int = 0,
    ) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.num_special = num_special
        self.padding_idx = padding_idx
        self.temperature = temperature
        self.top_k = top_k if top_k < keys.size(0) else 0
        query_width = keys.size(1)
        self.keys: Tensor
        self.queries: Tensor
        self.register_buffer("keys", keys)  # (M, Q)
        self.register_buffer("queries", queries)  # (V, Q)
        self.looked_up: Tensor
        self.register_buffer("looked_up", torch.empty(0, embedding_dim), persistent=False)
        self.transform = nn.Parameter(torch.eye(query_width))  # A, (Q, Q): starts as the identity
        self.values = nn.Parameter(torch.empty(keys.size(0), embedding_dim))  # (M, D): outer loop only
        self.special = nn.Parameter(torch.empty(num_special, embedding_dim))
        self.residual = nn.Parameter(torch.zeros(queries.size(0), embedding_dim))  # (V, D)
        nn.init.normal_(self.values, std=embedding_dim**-0.5)
        nn.init.normal_(self.special, std=embedding_dim**-0.5)
        with torch.no_grad():
            self.special[padding_idx].zero_()

    def mixture(self, rows: Tensor) -> Tensor:
        """Weights (U, M) of the universal tokens in each of the language's ``rows`` (U,).

        The weights of a row add up to 1; those of a zero row add up to 0 with ``top_k``.
        """
        if self.top_k:
            chosen, weights = self._mixture_of_best(rows)
            return weights.new_zeros(len(rows), self.keys.size(0)).scatter(1, chosen, weights)
        scores = self.queries[rows] @ self.transform @ self.keys.t()  # (U, M)
        return torch.softmax(scores / self.temperature, dim=-1)

    def _mixture_of_best(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (U, k) of each row's best universal tokens, and their weights (U, k)."""
        queries = self.queries[rows]
        transformed = queries @ self.transform
        with torch.no_grad():  # which are the best has no gradient
            chosen = (transformed @ self.keys.t()).topk(self.top_k, dim=-1, sorted=False).indices
        scores = torch.bmm(self.keys[chosen], transformed.unsqueeze(-1)).squeeze(-1)
        # all tokens are equally good for a zero row: any k of them would be arbitrary
        return chosen, torch.softmax(scores / self.temperature, dim=-1) * queries.any(dim=-1, keepdim=True)

    def lexical(self, rows: Tensor) -> Tensor:
        """Embeddings (U, D) of the language's ``rows`` (U,), never computed under autocast.

        The temperature multiplies rounding errors of the scores by 20.
        """
        with torch.autocast(rows.device.type, enabled=False):
            if not self.top_k:
                return self.mixture(rows) @ self.values + self.residual[rows]
            chosen, weights = self._mixture_of_best(rows)
            return WeightedSum.apply(self.values, chosen, weights) + self.residual[rows]

    def forward(self, tokens: Tensor) -> Tensor:
        """Embeddings (B, S, D) of tokens (B, S); the mixture is computed once for each distinct id."""
        if len(self.looked_up):
            return nn.functional.embedding(tokens, self.looked_up, self.padding_idx)
        distinct, position = tokens.unique(return_inverse=True)  # sorted: special symbols come first
        present = int((distinct < self.num_special).sum())
        table = torch.cat([self.special, self.lexical(distinct[present:] - self.num_special)])
        index = torch.where(tokens < self.num_special, tokens, position - present + self.num_special)
        return nn.functional.embedding(index, table, self.padding_idx)

    def upgrade_state_dict_named(self, state_dict: dict[str, Any], name: str) -> None:
        """Let a checkpoint without a language (V = 0) load into a model with one, and check the other buffers.

        Raises:
            InputError: the checkpoint's universal tokens, or its language, are not those of the data folder.
        """
        if not {f"{name}.keys", f"{name}.queries"} <= state_dict.keys():
            raise InputError("the checkpoint must hold a universal lexical representation, but has none")
        saved_keys, saved_queries = state_dict[f"{name}.keys"], state_dict[f"{name}.queries"]
        if saved_keys.shape != self.keys.shape or not torch.equal(saved_keys.to(self.keys), self.keys):
            raise InputError(
                f"the checkpoint's universal tokens {tuple(saved_keys.shape)} must be those of the data folder's "
                f"{LAYOUT.universal.keys} {tuple(self.keys.shape)}, but they differ"
            )
        if saved_queries.size(0) == 0:
            state_dict[f"{name}.queries"] = self.queries
            state_dict[f"{name}.residual"] = torch.zeros_like(self.residual)
        elif saved_queries.shape != self.queries.shape or not torch.equal(saved_queries.to(self.queries), self.queries):
            raise InputError(
                f"the checkpoint was adapted to other vectors ({saved_queries.size(0)} rows) than those of the "
                f"language pack given ({self.queries.size(0)} rows); use the data folder it was adapted on, and the "
                "`--aligned-with` it was adapted with"
            )
