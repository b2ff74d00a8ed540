"""The decoder's attention to the encoder, computed in training by torch's fused kernel as all other attention is."""

from __future__ import annotations

from typing import Any

from fairseq.modules import MultiheadAttention
from torch import Tensor, nn


class CrossAttention(MultiheadAttention):
    """Attention of the decoder to the encoder, by torch's fused kernel in training.

    fairseq's own computes it product by product where the keys are those of all steps (``static_kv``), and where
    weights are wanted. In training neither matters: there are no steps, and nothing reads the weights.
    """

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
        if self.training and kwargs.get("incremental_state") is None:
            kwargs |= {"static_kv": False, "need_weights": False, "need_head_weights": False}
        attended: tuple[Tensor, Tensor | None] = super().forward(*args, **kwargs)
        return attended


def use_cross_attention(model: nn.Module) -> None:
    """Turn fairseq's modules that attend to an encoder into `CrossAttention`; their parameters stay."""
    for module in model.modules():
        if type(module) is MultiheadAttention and module.encoder_decoder_attention:
            module.__class__ = CrossAttention
