"""meta-nmt-adapt: fine-tune a meta-trained (or joint) model on a low-resource pair; dev BLEU chooses the checkpoint.

From raw text to a translator folder, language pack, split, choice of what adapts, export and card included:

    meta-nmt-adapt --checkpoint meta.pt --pairs qu-en.tsv --mono qu.txt --out models/qu-en [any fairseq-train flag]

On a data folder that is prepared:

    meta-nmt-adapt DATA --checkpoint meta/checkpoint_best.pt --source-lang ro --train-subset train-16000-s1 \\
        --strategy emb_enc --save-dir DIR [any fairseq-train flag]
    meta-nmt-adapt DATA --checkpoint meta_sgd/checkpoint_best.pt --learned-rule ...  (with the rule that it learnt)
    meta-nmt-adapt DATA --from-scratch --arch ulr_transformer_small ...     (the baseline without transfer)

Every shape of the model comes from the checkpoint; flags given here, such as --dropout, win. The rate falls to zero
over --max-update updates of --max-tokens tokens: 480 of 1,000, 30 times through 16,000 tokens. Raise it for more text.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from meta_nmt.cli import adapt_raw_flags, command
from meta_nmt.cli.adapt_raw_flags import PROG


def parse_args(argv: Sequence[str]) -> Namespace:
    """The arguments of `fine_tune.parse_args`; SystemExit(0) after a help page for both forms of the command."""
    # these load torch and fairseq, which know the flags of fine-tuning
    from meta_nmt.cli import fairseq_front as front
    from meta_nmt.cli import fine_tune

    if command.wants_help(argv):
        front.print_help(__doc__, "ulr_translation", fine_tune.DEFAULTS, "fairseq-train", argv, fine_tune.own_parser())
        print("\nWith --pairs and --out, from raw text:")
        print(adapt_raw_flags.own_parser().format_help().partition("\n\n")[2])
        raise SystemExit(0)
    return fine_tune.parse_args(argv)


def adapt(argv: Sequence[str]) -> None:
    """Fine-tune on a prepared data folder."""
    args = parse_args(argv)
    from meta_nmt.cli import fine_tune

    fine_tune.run(args, argv)


def adapt_from_raw(argv: Sequence[str]) -> None:
    """Make a translator folder from raw text."""
    args = adapt_raw_flags.parse_args(argv)
    adapt_raw_flags.check_files(args)
    from meta_nmt.cli import adapt_raw  # this loads torch and fairseq: once the flags are known to be right

    adapt_raw.run(args, command.command_line(PROG, argv))


def body(argv: Sequence[str]) -> int:
    """Adapt from raw text or on a data folder, as the flags say; returns the exit status."""
    if adapt_raw_flags.asked_for(argv):
        adapt_from_raw(argv)
    else:
        adapt(argv)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return command.run(body, PROG, argv)


if __name__ == "__main__":
    raise SystemExit(main())
