"""Flags of fairseq that it would take without a word."""

import re
from argparse import Namespace

import pytest

from data_prep.base.errors import InputError
from meta_nmt.cli import adapt, generate, train
from meta_nmt.cli.flag_checks import check_flags


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"dropout": 1.5}, "`--dropout` must be at least 0 and at most 1, but is 1.5"),
        ({"lr": [0.1, float("nan")]}, "`--lr` must be at least 0"),
        ({"encoder_layers": 0}, "`--encoder-layers` must be at least 1, but is 0"),
        ({"seed": -1}, "`--seed` must be at least 0"),
        ({"temperature": 0.0}, "`--temperature` must be at least 1e-06, but is 0.0"),
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


@pytest.mark.parametrize(
    "flags, message",
    [
        ("--remove-bpe sentencepiece", "`--remove-bpe` and `--post-process` must not be given"),
        ("--post-process sentencepiece", "`--remove-bpe` and `--post-process` must not be given"),
        ("--remove-bpe", "`--remove-bpe` and `--post-process` must not be given"),
        ("--bpe sentencepiece", "`--bpe` must not be given"),
        ("--tokenizer space", "`--tokenizer` must not be given"),
        ("--quiet", "`--quiet` must not be given"),
        ("--results-path elsewhere", "`--results-path` must not be given: `--results`"),
        ("--score-reference", "`--score-reference` must not be given"),
        ("--prefix-size 2", "`--prefix-size` must not be given"),
        ("--constraints", "`--constraints` must not be given"),
        ("--replace-unk", "`--replace-unk` must not be given"),
        ("--print-step", "`--print-step` must not be given"),
        ("--retain-iter-history", "`--retain-iter-history` must not be given"),
        ("--scoring wer", "`--scoring` must not be given, but is wer"),
        ("--distributed-world-size 2", "`--distributed-world-size` must be 1"),
        ("--sampling --nbest 2", "`--nbest` must be `--beam` 5 with `--sampling`, but is 2"),
        ("--sampling-topk 3", "`--sampling-topk` needs `--sampling`"),
        ("--sampling-topp 0.5", "`--sampling-topp` needs `--sampling`"),
        ("--diverse-beam-groups 2", "`--diverse-beam-groups` must divide `--beam` 5, but is 2"),
        ("--match-source-len --diversity-rate 1", "`--match-source-len` and `--diversity-rate` must not be given"),
    ],
)
def test_flags_of_fairseq_generate_that_cannot_work_here(flags, message):
    with pytest.raises(InputError, match=re.escape(message)):
        generate.parse_args(["data", "--path", "a.pt", "--source-lang", "ro", "--results", "out", *flags.split()])


@pytest.mark.parametrize(
    "flags", ["", "--sampling --nbest 5", "--diverse-beam-groups 5", "--nbest 2", "--lenpen 0.6 --unkpen 1 --sacrebleu"]
)
def test_flags_of_fairseq_generate_that_pass(flags):
    args = generate.parse_args(["data", "--path", "a.pt", "--source-lang", "RO", "--results", "out", *flags.split()])
    check_flags(args)
    assert args.source_lang == "ro", "a code in capitals is the same language"


def test_no_dev_or_test_sentence_may_be_left_out():
    with pytest.raises(InputError, match="`--skip-invalid-size-inputs-valid-test` must not be given"):
        check_flags(adapt.parse_args(["data", "--from-scratch", "--skip-invalid-size-inputs-valid-test"]))


@pytest.mark.parametrize(
    "flags, package, install",
    [
        ("--tensorboard-logdir logs", "tensorboard", "extra [logging]"),
        ("--wandb-project mine", "wandb", "extra [logging]"),
        ("--azureml-logging", "azureml", "azureml-core"),
    ],
)
def test_logging_without_its_package_says_once_what_to_install(flags, package, install, monkeypatch):
    args = train.parse_args(["data", *flags.split()])
    monkeypatch.setattr("meta_nmt.cli.flag_checks.find_spec", lambda name: None)
    with pytest.raises(InputError, match=re.escape(f"needs the package {package}: pip install")) as refused:
        check_flags(args)
    assert install in str(refused.value)
    monkeypatch.setattr("meta_nmt.cli.flag_checks.find_spec", lambda name: name == package or None)
    check_flags(args)
