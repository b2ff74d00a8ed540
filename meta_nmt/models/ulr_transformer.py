"""fairseq's Transformer with a universal lexical representation as the encoder's embedding."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from typing import Any, Protocol

from fairseq.models import register_model, register_model_architecture
from fairseq.models.transformer import TransformerDecoderBase, TransformerModel, base_architecture
from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.modules.attention import use_training_attention
from meta_nmt.modules.dropout import use_dropout
from meta_nmt.modules.ulr_embedding import ULREmbedding
from meta_nmt.modules.vector_start import start_as_copy, start_from_vectors

logger = logging.getLogger(__name__)

TOP_K = 32  # as good on real text as all tokens, in a third of the time: docs/results/lab-book.md, entry 3


class LexicalTask(Protocol):
    """What the model needs of a task: the universal space, and the language in play (V may be 0)."""

    universal_keys: Tensor  # (M, Q)
    language_queries: Tensor  # (V, Q)
    target_vectors: Tensor  # (V of the target dictionary, Q)
    source_dictionary: Any
    target_dictionary: Any


class FoldedDecoder(TransformerDecoderBase):
    """fairseq's decoder, whose output layer is one matrix product for all sentences.

    fairseq gives it features whose memory is not in their order. Where the layer is frozen, as in adaptation, torch
    then multiplies sentence by sentence.
    """

    def output_layer(self, features: Tensor) -> Tensor:
        """(B, T, D) features -> (B, T, V) logits."""
        logits: Tensor = super().output_layer(features.contiguous())
        return logits


@register_model("ulr_transformer")
class ULRTransformer(TransformerModel):
    """A Transformer that reads any source language through ULR, and writes the shared target language."""

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        TransformerModel.add_args(parser)
        parser.add_argument(
            "--ulr-temperature", type=float, metavar="TAU", help="softmax temperature of the universal tokens"
        )
        parser.add_argument(
            "--ulr-top-k",
            type=int,
            metavar="K",
            help=f"universal tokens that a source token attends to, its best; {TOP_K} by default, 0 (the papers): all",
        )
        parser.add_argument(
            "--random-start",
            action="store_true",
            help="let all parameters start at random, as in the papers; by default universal values and target "
            "embeddings start from the target language's vectors, and attention to the encoder as a copy, "
            "where encoder and decoder are of one width",
        )

    @classmethod
    def build_model(cls, args: Namespace, task: LexicalTask) -> ULRTransformer:
        args.ulr_top_k = getattr(args, "ulr_top_k", 0)  # a checkpoint of an earlier version has none
        base_ulr_architecture(args)
        if args.share_all_embeddings:
            raise InputError(
                "`--share-all-embeddings` must not be given: the source side is embedded through ULR; "
                "use `--share-decoder-input-output-embed`"
            )
        model = super().build_model(args, task)
        dictionary = task.source_dictionary
        model.encoder.embed_tokens = ULREmbedding(
            keys=task.universal_keys,
            queries=task.language_queries,
            embedding_dim=args.encoder_embed_dim,
            num_special=dictionary.nspecial,
            padding_idx=dictionary.pad(),
            temperature=args.ulr_temperature,
            top_k=args.ulr_top_k,
        )
        same_width = args.encoder_embed_dim == args.decoder_embed_dim
        if same_width and not args.random_start and task.target_vectors.any():
            embedding = model.encoder.embed_tokens
            start_from_vectors(embedding.values, embedding.keys, model.decoder.embed_tokens.weight, task.target_vectors)
            for layer in model.decoder.layers:
                start_as_copy(layer.encoder_attn)
        model.decoder.__class__ = FoldedDecoder
        use_dropout(model)
        use_training_attention(model)
        return model

    def load_state_dict(self, state_dict: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load parameters as fairseq does; InputError where they are not those of this model."""
        try:
            return super().load_state_dict(state_dict, *args, **kwargs)
        except RuntimeError as error:
            details = "; ".join(line.strip() for line in str(error).split("\n")[1:])
            raise InputError(f"the checkpoint's parameters must be those of the model, but: {details}") from None

    def upgrade_state_dict_named(self, state_dict: dict[str, Any], name: str) -> None:
        """Let any checkpoint load into a model with or without a meta-learner, which the task attaches.

        The meta-learner's parameters (``meta_learner.``) stay as they are where the checkpoint does not have them.
        """
        super().upgrade_state_dict_named(state_dict, name)
        of_model = {key: value for key, value in self.state_dict().items() if key.startswith("meta_learner.")}
        of_checkpoint = {key: state_dict.pop(key) for key in list(state_dict) if key.startswith("meta_learner.")}
        if {key: v.shape for key, v in of_checkpoint.items()} == {key: v.shape for key, v in of_model.items()}:
            state_dict.update(of_checkpoint)
        else:
            state_dict.update(of_model)
            if of_model:
                logger.warning("the checkpoint has no parameters that fit this meta-learner, which starts afresh")


def _sizes(args: Namespace, width: int, ffn: int, layers: int, heads: int, dropout: float) -> None:
    """Fill in the sizes that the user left open: the same width, depth and heads on both sides."""
    for side in ("encoder", "decoder"):
        for name, value in (("embed_dim", width), ("ffn_embed_dim", ffn), ("layers", layers)):
            setattr(args, f"{side}_{name}", getattr(args, f"{side}_{name}", value))
        setattr(args, f"{side}_attention_heads", getattr(args, f"{side}_attention_heads", heads))
    args.dropout = getattr(args, "dropout", dropout)
    base_ulr_architecture(args)


@register_model_architecture("ulr_transformer", "ulr_transformer")
def base_ulr_architecture(args: Namespace) -> None:
    """The defaults of every ulr_transformer: tau 0.05, the best TOP_K universal tokens, one target embedding."""
    args.ulr_temperature = getattr(args, "ulr_temperature", 0.05)
    args.ulr_top_k = getattr(args, "ulr_top_k", TOP_K)
    args.random_start = getattr(args, "random_start", False)
    args.share_decoder_input_output_embed = getattr(args, "share_decoder_input_output_embed", True)
    base_architecture(args)


@register_model_architecture("ulr_transformer", "ulr_transformer_tiny")
def tiny(args: Namespace) -> None:
    """Sizes for tests and the quickstart: d 128, ffn 256, 2+2 layers, 4 heads."""
    _sizes(args, width=128, ffn=256, layers=2, heads=4, dropout=0.1)


@register_model_architecture("ulr_transformer", "ulr_transformer_small")
def small(args: Namespace) -> None:
    """Sizes for a CPU: d 256, ffn 512, 3+3 layers, 4 heads."""
    _sizes(args, width=256, ffn=512, layers=3, heads=4, dropout=0.1)


@register_model_architecture("ulr_transformer", "ulr_transformer_metanmt")
def metanmt(args: Namespace) -> None:
    """The sizes of MetaNMT (Gu et al. 2018, section 4.2): d 512, ffn 512, 6+6 layers, 8 heads."""
    _sizes(args, width=512, ffn=512, layers=6, heads=8, dropout=0.1)


@register_model_architecture("ulr_transformer", "ulr_transformer_base")
def base(args: Namespace) -> None:
    """Transformer base (Vaswani et al. 2017): d 512, ffn 2048, 6+6 layers, 8 heads."""
    _sizes(args, width=512, ffn=2048, layers=6, heads=8, dropout=0.1)
