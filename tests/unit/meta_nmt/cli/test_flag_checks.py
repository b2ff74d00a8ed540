"""Flags of fairseq that it would take without a word."""

from argparse import Namespace

import pytest

from data_prep.base.errors import InputError
from meta_nmt.cli import adapt, train
from meta_nmt.cli.flag_checks import check_flags


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"dropout": 1.5}, "`--dropout` must be at least 0 and at most 1, but is 1.5"),
        ({"lr": [0.1, float("nan")]}, "`--lr` must be at least 0"),
        ({"encoder_layers": 0}, "`--encoder-layers` must be at least 1, but is 0"),
        ({"seed": -1}, "`--seed` must be at least 0"),
        ({"adam_betas": "(0.9"}, "`--adam-betas` must be two numbers"),
        ({"adam_betas": "(0.9, 1)"}, "`--adam-betas` must be two numbers"),
        ({"eval_bleu_args": "[]"}, "`--eval-bleu-args` must be a JSON object"),
        ({"model_overrides": "__import__('os')"}, "`--model-overrides` must be a dictionary"),
        ({"encoder_embed_dim": 33, "encoder_attention_heads": 2}, "`--encoder-embed-dim` must be a multiple of the 2"),
        ({"arch": "transformer"}, "`--arch` must be one of those"),
        ({"best_checkpoint_metric": "blue"}, "`--best-checkpoint-metric` must be one of loss"),
        ({"best_checkpoint_metric": "bleu", "eval_bleu": False}, "bleu needs `--eval-bleu`"),
        ({"total_num_update": "abc"}, "`--total-num-update` (`--max-update` where it is not given) must be at least 1"),
        ({"total_num_update": "nan"}, "`--total-num-update` (`--max-update` where it is not given) must be at least 1"),
        ({"total_num_update": 0}, "`--total-num-update` (`--max-update` where it is not given) must be at least 1"),
        ({"nbest": 5, "beam": 4}, "`--nbest` must be at most `--beam` 4"),
        ({"dropout": -1, "num_workers": -1}, "`--dropout` .*; `--num-workers` must be at least 0"),
    ],
)
def test_refused(flags, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(").replace(")", r"\)")):
        check_flags(Namespace(**flags))


def test_our_defaults_and_no_flags_pass():
    check_flags(Namespace())
    check_flags(train.parse_args(["data"]))
    check_flags(adapt.parse_args(["data", "--checkpoint", "a.pt", "--source-lang", "ro"]))
