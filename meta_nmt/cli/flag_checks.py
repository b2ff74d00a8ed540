"""Checks of fairseq's own flags: fairseq takes some bad values silently, then trains nothing or fails much later."""

from __future__ import annotations

import ast
import json
import math
from argparse import Namespace
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from data_prep.base.errors import InputError
from meta_nmt.bleu_tokeniser import bleu_tokeniser
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
    "temperature": (1e-6, math.inf),
    "seed": (0, 2**32 - 1),
}
PAIRS = ("adam_betas", "adamax_betas", "lamb_betas", "adafactor_eps")
# attribute of a flag of fairseq-generate that cannot work with what meta-nmt-generate writes -> why
NOT_IN_GENERATION = {
    **dict.fromkeys(("post_process", "bpe", "tokenizer"), "the language pack's own model makes text of the pieces"),
    "quiet": "the translations are read from what fairseq prints",
    "results_path": "`--results` says where the result goes",
    "score_reference": "the references would stand as translations",
    "prefix_size": "the translations would begin with words of the references",
    "constraints": "a binarised set has none; fairseq-interactive reads them",
    "replace_unk": "it needs a set that is not binarised",
    **dict.fromkeys(("print_step", "retain_iter_history"), "this model does not refine a translation step by step"),
}
OTHER_NAMES = {"post_process": "`--remove-bpe` and `--post-process`"}
# attribute of a flag of fairseq-train that logs elsewhere -> the packages of which one is needed, and how to install it
LOGGERS = {
    "tensorboard_logdir": (("tensorboard", "tensorboardX"), "pip install tensorboard, or 'meta-nmt[logging]'"),
    "wandb_project": (("wandb",), "pip install wandb, or 'meta-nmt[logging]'"),
    "azureml_logging": (("azureml",), "pip install azureml-core"),
}
METRICS = ("loss", "nll_loss", "ppl", "bleu", "accuracy")


def check_flags(args: Namespace) -> None:
    """InputError with all bad values at once, or for a flag that needs what is not installed."""
    broken = [f"`--{name.replace('_', '-')}` {rule}, but is {value!r}" for name, rule, value in _broken(args)]
    if broken:
        raise InputError("; ".join(broken))
    if getattr(args, "skip_invalid_size_inputs_valid_test", False):
        raise InputError(
            "`--skip-invalid-size-inputs-valid-test` must not be given: every dev and test sentence counts"
        )
    for name, (packages, how) in LOGGERS.items():
        if getattr(args, name, None) and not any(find_spec(package) for package in packages):
            raise InputError(f"`--{name.replace('_', '-')}` needs the package {packages[0]}: {how}")
    if getattr(args, "bleu_tokenizer", ""):
        bleu_tokeniser(args.target_lang, args.bleu_tokenizer)


def check_generation_flags(args: Namespace) -> None:
    """InputError where a flag of fairseq-generate cannot work here, or where flags of its search exclude each other."""
    for name, why in NOT_IN_GENERATION.items():
        if getattr(args, name, None):
            flags = OTHER_NAMES.get(name, f"`--{name.replace('_', '-')}`")
            raise InputError(f"{flags} must not be given: {why}")
    if args.scoring != "bleu":
        raise InputError(f"`--scoring` must not be given, but is {args.scoring}: meta-nmt-report scores the result")
    if args.distributed_world_size != 1:
        raise InputError("`--distributed-world-size` must be 1: others would each translate a part of the set")
    searches = {
        "--sampling": args.sampling, "--diverse-beam-groups": args.diverse_beam_groups > 0,
        "--match-source-len": args.match_source_len, "--diversity-rate": args.diversity_rate > 0,
    }  # fmt: skip
    chosen = [f"`{flag}`" for flag, is_given in searches.items() if is_given]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} must not be given together: each is a search of its own")
    if args.sampling and args.nbest != args.beam:
        raise InputError(f"`--nbest` must be `--beam` {args.beam} with `--sampling`, but is {args.nbest}")
    for name in ("sampling_topk", "sampling_topp"):
        if getattr(args, name) > 0 and not args.sampling:
            raise InputError(f"`--{name.replace('_', '-')}` needs `--sampling`")
    if args.diverse_beam_groups > 0 and args.beam % args.diverse_beam_groups:
        raise InputError(f"`--diverse-beam-groups` must divide `--beam` {args.beam}, but is {args.diverse_beam_groups}")


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
