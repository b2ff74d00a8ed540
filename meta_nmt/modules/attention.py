"""Attention in training: by torch's fused kernel, or by two products where these are faster.

fairseq's own attention of the decoder to the encoder goes product by product in float32, since it keeps the weights.
In training nothing reads them. On a CPU in bfloat16 torch's fused kernel takes several times as long on the way back as
the products do, at the lengths of sentences.
"""

from __future__ import annotations

from typing import Any

import torch
from fairseq.modules import MultiheadAttention
from torch import Tensor, nn


class TrainingAttention(MultiheadAttention):
    """fairseq's attention, whose weights are not kept in training. Its parameters are the same."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
        """(T, B, D) queries, (S, B, D) keys and values -> (T, B, D), and None for the weights in training."""
        if not self.training or kwargs.get("incremental_state") is not None:
            attended: tuple[Tensor, Tensor | None] = super().forward(query, key, value, **kwargs)
            return attended
        if query.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            masks = kwargs.get("key_padding_mask"), kwargs.get("attn_mask")
            return self._by_products(query, key, value, *masks), None
        kwargs |= {"static_kv": False, "need_weights": False, "need_head_weights": False}
        attended = super().forward(query, key, value, **kwargs)
        return attended

    def _by_products(
        self, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        """Masks: (B, S) true where a key is padding, and (T, S) to be added. The softmax is in float32 at least."""
        length, sentences, width = query.shape

        def heads(x: Tensor) -> Tensor:  # (L, B, D) -> (B * H, L, D / H)
            return x.view(len(x), sentences * self.num_heads, self.head_dim).transpose(0, 1)

        queries = heads(self.q_proj(query) * self.scaling)
        scores = torch.bmm(queries, heads(self.k_proj(key)).transpose(1, 2))  # (B * H, T, S)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        if mask is not None:
            scores = scores + mask
        if padding is not None:
            of_heads = padding.bool().repeat_interleave(self.num_heads, dim=0).unsqueeze(1)
            scores = scores.masked_fill(of_heads, float("-inf"))
        weights = self.dropout_module(torch.softmax(scores, dim=-1))
        attended = torch.bmm(weights, heads(self.v_proj(value)))
        mixed: Tensor = self.out_proj(attended.transpose(0, 1).reshape(length, sentences, width))
        return mixed


def use_training_attention(model: nn.Module) -> None:
    """Turn all of fairseq's attention into `TrainingAttention`; the parameters stay."""
    for module in model.modules():
        if type(module) is MultiheadAttention:
            module.__class__ = TrainingAttention
