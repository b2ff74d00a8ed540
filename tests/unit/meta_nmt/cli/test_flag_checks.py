"""Flags of fairseq that it would take without a word."""

import re
from argparse import Namespace

import pytest
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from data_prep.base.errors import InputError
from meta_nmt.cli import adapt, fairseq_front, generate, train
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
        ({"max_source_positions": -1}, "`--max-source-positions` must be at least 1 and at most 100000, but is -1"),
        ({"max_target_positions": 0}, "`--max-target-positions` must be at least 1"),
        ({"momentum": -3.0}, "`--momentum` must be at least 0 and at most 1, but is -3"),
        ({"adam_eps": -1.0}, "`--adam-eps` must be at least 0"),
        ({"adamax_betas": "exit()"}, "`--adamax-betas` must be two numbers"),
        ({"encoder_xformers_att_config": "exit()"}, "`--encoder-xformers-att-config` must not be given"),
        ({"nbest": 5, "beam": 4}, "`--nbest` must be at most `--beam` 4"),
        ({"dropout": -1, "num_workers": -1}, "`--dropout` .*; `--num-workers` must be at least 0"),
    ],
)
def test_refused(flags, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(").replace(")", r"\)")):
        check_flags(Namespace(**flags))


@pytest.mark.parametrize(
    "flags",
    [
        "--lr-scheduler cosine --warmup-updates 1 --t-mult 0", "--lr-scheduler tri_stage", "--warmup-updates 0",
        "--lr-scheduler cosine --warmup-updates 1 --t-mult 0.5 --lr-period-updates 3",
        "--optimizer sgd --weight-decay -3", "--optimizer adagrad --lr -1",
        "--lr-scheduler triangular --max-lr 1e-9", "--lr-scheduler reduce_lr_on_plateau --lr-shrink 2",
        "--lr-scheduler polynomial_decay --warmup-updates 3 --power nan",
    ],
)  # fmt: skip
def test_an_optimiser_or_schedule_that_cannot_take_its_flags_is_refused_before_anything_runs(flags):
    args = train.parse_args(["data", "--max-update", "20", *flags.split()])
    with pytest.raises(InputError, match="^--optimizer .* and --lr-scheduler .* must have flags that they can take"):
        fairseq_front.check_optimizer(convert_namespace_to_omegaconf(args))


@pytest.mark.parametrize(
    "flags",
    [
        "", "--optimizer sgd --momentum 0.9", "--optimizer nag --momentum 0.9", "--lr-scheduler cosine --t-mult 2",
        "--lr-scheduler fixed", "--lr-scheduler polynomial_decay", "--optimizer adagrad", "--optimizer adadelta",
        "--lr-scheduler reduce_lr_on_plateau", "--lr-scheduler tri_stage --warmup-steps 1 --decay-steps 5",
        "--lr-scheduler triangular --max-lr 1", "--optimizer adafactor --lr 1e-3 --scale-parameter",
    ],
)  # fmt: skip
def test_other_optimisers_and_schedules_pass(flags):
    args = train.parse_args(["data", "--max-update", "20", *flags.split()])
    cfg = convert_namespace_to_omegaconf(args)
    before = str(cfg)
    fairseq_front.check_optimizer(cfg)
    assert str(cfg) == before, "the check must leave the configuration alone"


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
        ("--tensorboard-logdir logs", "tensorboard", "meta-nmt[logging]"),
        ("--wandb-project mine", "wandb", "meta-nmt[logging]"),
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
