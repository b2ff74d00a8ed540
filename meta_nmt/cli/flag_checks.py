"""Checks of fairseq's own flags: fairseq takes some bad values silently, then trains nothing or fails much later."""

from __future__ import annotations

import ast
import json
import math
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from data_prep.base.errors import InputError
from meta_nmt.runs.checkpoint_contents import MODEL_RANGES

# flag (as an attribute) -> lowest and highest value; a list has each of its values checked
RANGES: dict[str, tuple[float, float]] = {
    **MODEL_RANGES,
    "label_smoothing": (0, 1),
    **dict.fromkeys(("batch_size", "max_tokens", "batch_size_valid", "max_tokens_valid"), (1, math.inf)),
    **dict.fromkeys(("distributed_world_size", "update_freq", "log_interval", "beam", "nbest"), (1, math.inf)),
    **dict.fromkeys(("max_update", "max_epoch", "num_workers", "warmup_updates", "clip_norm"), (0, math.inf)),
    **dict.fromkeys(("save_interval_updates", "validate_interval_updates", "data_buffer_size"), (0, math.inf)),
    **dict.fromkeys(("prior_weight", "weight_decay", "max_len_a", "max_len_b"), (0, math.inf)),
    "momentum": (0, 1),
    "adam_eps": (0, 1e6),
    "lr": (0, 1e6),
    "seed": (0, 2**32 - 1),
}
PAIRS = ("adam_betas", "adamax_betas", "lamb_betas", "adafactor_eps")
METRICS = ("loss", "nll_loss", "ppl", "bleu", "accuracy")


def check_flags(args: Namespace) -> None:
    """InputError with all bad values at once."""
    broken = [f"`--{name.replace('_', '-')}` {rule}, but is {value!r}" for name, rule, value in _broken(args)]
    if broken:
        raise InputError("; ".join(broken))


def _broken(args: Namespace) -> Iterator[tuple[str, str, Any]]:
    for name, (low, high) in RANGES.items():
        value = getattr(args, name, None)
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(number, (int, float)) and not low <= number <= high:
                yield name, f"must be at least {low:g}" + (f" and at most {high:g}" if high < math.inf else ""), number
    if not isinstance(_read(json.loads, getattr(args, "eval_bleu_args", "{}")), dict):
        yield "eval_bleu_args", "must be a JSON object", args.eval_bleu_args
    if not isinstance(_read(ast.literal_eval, getattr(args, "model_overrides", "{}")), dict):
        yield "model_overrides", "must be a dictionary", args.model_overrides
    for name in PAIRS:  # fairseq runs these texts as Python
        if hasattr(args, name):
            betas = _read(ast.literal_eval, str(getattr(args, name)))
            if not (isinstance(betas, tuple) and len(betas) == 2 and all(_is_share(beta) for beta in betas)):
                yield name, "must be two numbers of at least 0 and below 1, as '(0.9, 0.98)'", getattr(args, name)
    for name in ("encoder_xformers_att_config", "decoder_xformers_att_config", "wer_args"):  # and these
        if getattr(args, name, None) is not None:
            yield name, "must not be given", getattr(args, name)
    # fairseq takes any text as --total-num-update
    if hasattr(args, "total_num_update") and not (_read(float, str(args.total_num_update)) or 0) >= 1:
        yield "total_num_update", "(`--max-update` where it is not given) must be at least 1", args.total_num_update
    if getattr(args, "nbest", 1) > getattr(args, "beam", math.inf):
        yield "nbest", f"must be at most `--beam` {args.beam}", args.nbest
    for side in ("encoder", "decoder"):
        width, heads = getattr(args, f"{side}_embed_dim", None), getattr(args, f"{side}_attention_heads", None)
        if width and heads and width > 0 and heads > 0 and width % heads:
            yield f"{side}_embed_dim", f"must be a multiple of the {heads} attention heads", width
    if hasattr(args, "arch") and not str(args.arch).startswith("ulr_transformer"):
        yield "arch", "must be one of those whose names begin with ulr_transformer", args.arch
    metric = getattr(args, "best_checkpoint_metric", "loss")
    if metric not in METRICS or (metric == "bleu" and not args.eval_bleu):
        yield "best_checkpoint_metric", f"must be one of {', '.join(METRICS)} (bleu needs `--eval-bleu`)", metric


def _read(reader: Any, text: str) -> Any:
    """What the text says; None where it cannot be read."""
    try:
        return reader(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < 1
