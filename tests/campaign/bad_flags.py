"""Flags that make no sense, for every command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from arguments import arguments

from campaign.bad_input import Case, Materials, replace
from campaign.bad_text import preprocess
from campaign.runs import adapt_flags, train_flags

TRAIN_FLAGS = [
    *("--inner-steps 0", "--inner-steps x", "--inner-lr 0", "--inner-lr -1", "--inner-lr nan"),
    *("--inner-optimizer lbfgs", "--meta-batch-size 0", "--support-tokens 0", "--query-tokens -5"),
    *("--meta-learner reptil", "--support-weight 1.5"),
    *("--sampling-temperature 0", "--sampling-temperature nan", "--updates-per-epoch 0", "--valid-steps -1"),
    *("--valid-batch-tokens 0", "--trajectory-visits 0", "--trajectory-tokens 0", "--trajectory-visits 3"),
    *("--valid-lr 0", "--valid-sample-tokens 0", "--lstm-hidden 0", "--adapt-params (", "--adapt-params none"),
    *("--source-langs zz", "--source-langs aa,aa", "--source-langs cc", "--source-langs ../aa", "--valid-langs zz"),
    *("--target-lang zz", "--arch no_such_arch", "--arch transformer", "--criterion no_such_criterion"),
    *("--optimizer no_such_optimizer", "--lr-scheduler no_such_scheduler", "--lr abc", "--max-update -1"),
    *("--batch-size 0", "--clip-norm abc", "--seed abc", "--fp16", "--amp", "--write-checkpoints-asynchronously"),
    *("--ddp-backend no_such_backend", "--encoder-embed-dim 33", "--encoder-layers -1", "--dropout 1.5"),
    *("--share-all-embeddings", "--task no_such_task", "--restore-file nowhere.pt"),
    *("--finetune-from-model nowhere.pt", "--no-such-flag", "--adam-betas (0.9", "--adam-betas (0.9,2)"),
    *("--label-smoothing abc", "--eval-bleu --eval-bleu-args {", "--max-source-positions 1", "--num-workers -1"),
    *("--distributed-world-size 0", "--user-dir /nowhere", "--save-interval-updates abc", "--lr -1", "--lr nan"),
    *("--lr-scheduler inverse_sqrt --warmup-updates -5", "--best-checkpoint-metric bleu --seed -3",),
    *("--best-checkpoint-metric no_such_metric", "--valid-subset nothing", "--train-subset nothing", "--seed -3"),
]  # fmt: skip
ADAPT_FLAGS = [
    *("--strategy none", "--strategy (", "--prior-weight -1", "--prior-weight abc", "--source-lang zz"),
    *("--source-lang ''", "--target-lang zz", "--train-subset nothing", "--valid-subset nothing", "--from-scratch"),
    *("--learned-rule", "--max-tokens 0", "--max-tokens 1", "--no-such-flag", "--patience abc", "--lr abc"),
    *("--encoder-embed-dim 48", "--decoder-layers 3", "--eval-bleu-args {", "--eval-bleu-args []"),
    *("--prior-weight nan",),
]  # fmt: skip
GENERATE_FLAGS = [
    *("--gen-subset nothing", "--source-lang zz", "--beam 0", "--beam abc", "--max-tokens 0", "--path nowhere.pt"),
    *("--no-such-flag", "--english-tokens many", "--seed x", "--results /dev/null/r", "--lenpen abc", "--nbest 9"),
    *("--target-lang zz", "--model-overrides {", "--model-overrides __import__('os').system('touch_proof')"),
]  # fmt: skip
TRANSLATE_FLAGS = [
    *("--beam 0", "--beam abc", "--buffer-size 0", "--max-pieces 0", "--input nowhere.txt", "--input ."),
    *("--no-such-flag", "--source-lang zz", "--source-lang ''", "--target-lang zz", "--path nowhere.pt"),
]  # fmt: skip
PREPROCESS_FLAGS = [
    *("--source-langs zz", "--source-langs ''", "--source-langs ../xx", "--source-langs xx,xx", "--target-langs xx"),
    *("--valid-langs xx", "--target-lang xx", "--corpus nowhere", "--mono nowhere", "--dictionaries nowhere"),
    *("--vec-files nowhere", "--english-tokens abc", "--english-tokens -1", "--sample-seeds x", "--vocab-size 0"),
    *("--vocab-size 1", "--universal-tokens 0", "--vector-dim 0", "--vector-dim abc", "--vector-method magic"),
    *("--max-tokens-per-line 0", "--length-ratio 0", "--length-ratio nan", "--hold-out-last 1", "--hold-out-last a,b"),
    *("--hold-out-last -1,5", "--workers 0", "--workers x", "--no-such-flag"),
    *("--english-tokens-of zz=5", "--english-tokens-of 5", "--out /dev/null/out", "--valid-ids a"),
]  # fmt: skip


def named(flags: str) -> tuple[str, ...]:
    """The flags and values one of which a message must have."""
    return tuple(part.lstrip("-") for part in flags.split() if part != "''")


def split(flags: str) -> list[str]:
    return ["" if part == "''" else part.replace("touch_proof", "touch proof") for part in flags.split(" ")]


def cases() -> Iterator[Case]:
    def training(flags: list[str]) -> Callable[[Path, Materials], list[str]]:
        return lambda folder, m: [*train_flags(m.data, folder / "save", "--max-update 1"), *flags]

    def adapting(flags: list[str]) -> Callable[[Path, Materials], list[str]]:
        return lambda folder, m: [*adapt_flags(m.data, m.checkpoint, folder / "save", "--max-update 1"), *flags]

    def generating(flags: list[str]) -> Callable[[Path, Materials], list[str]]:
        line = "{} --path {} --source-lang dd --results {}/results --beam 1 --max-len-a 0 --max-len-b 2"
        return lambda folder, m: [*arguments(line, m.data, m.checkpoint, folder), *flags]

    def translating(flags: list[str]) -> Callable[[Path, Materials], list[str]]:
        def argv(folder: Path, m: Materials) -> list[str]:
            replace(folder / "text", b"ddwaa\n")
            common = arguments("{} --path {} --source-lang dd --input {}/text", m.data, m.checkpoint, folder)
            return [*common, *flags]

        return argv

    commands = {
        "train": (TRAIN_FLAGS, training),
        "adapt": (ADAPT_FLAGS, adapting),
        "generate": (GENERATE_FLAGS, generating),
        "translate": (TRANSLATE_FLAGS, translating),
        "preprocess": (PREPROCESS_FLAGS, lambda flags: lambda folder, m: [*preprocess(folder), *flags]),
    }
    for command, (every, make) in commands.items():
        for flags in every:
            # a shape that the checkpoint has not: what is named is the checkpoint
            words = (*named(flags), "checkpoint_best.pt")
            yield Case("flags", f"{command} {flags}", f"meta_nmt.cli.{command}", make(split(flags)), one_of=words)
    for command in commands:
        yield Case("flags", f"{command} with none", f"meta_nmt.cli.{command}", lambda folder, m: [])
        yield Case("flags", f"{command} without data", f"meta_nmt.cli.{command}", lambda folder, m: ["/nowhere"])
