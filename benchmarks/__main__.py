"""Every speed benchmark in one run and one table: ours against peers, side by side.

    python -m benchmarks [--quick] [--only NAME,...] [--json FILE] [--list] [--threads N]

A subject is a module of this package with ``rows(settings)``. A benchmark that cannot be run on this machine is a row
too, `unmeasured`, with the reason. --quick is for a first look: small sizes, 3 rounds instead of 5.
"""

from __future__ import annotations

import importlib
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.measure import Row, line_of, table, unmeasured
from benchmarks.settings import Settings
from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError
from data_prep.base.files import write_json
from data_prep.base.workers import cores

SUBJECTS = {  # name -> what it measures, in the order in which they are run
    "meta_step": "tokens a second and peak memory of a meta-step against stock fairseq",
    "peers": "our fomaml against learn2learn, higher and TorchOpt around the same Transformer",
    "lexical": "ULR against the naive formula and a plain embedding",
    "fraction": "share of the machine's matrix product rate that a step reaches",
    "data_preparation": "lines a second by stage, and memory as the text grows",
    "adaptation": "adapting to 600 pairs against fairseq-train; translation against fairseq-generate, CTranslate2",
    "growth": "cost of a meta-step, start-up and memory as languages are added",
    "gpu": "the meta-step on a GPU against fairseq's --amp, and share of its matrix product rate",
}


def measure(subject: str, settings: Settings) -> Iterator[Row]:
    """The rows of a subject; one unmeasured row where it fails, so that the others are still measured."""
    before = logging.root.manager.disable
    try:
        module = importlib.import_module(f"benchmarks.{subject}")
        logging.disable(logging.INFO)  # fairseq and others log much; after the import, which would undo this
        yield from module.rows(settings)
    except Exception as error:
        yield unmeasured(f"{subject}_rest", "", error)
    finally:
        logging.disable(before)


def chosen(text: str) -> list[str]:
    """The subjects that ``--only`` names."""
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in SUBJECTS]
    if unknown or not names:
        raise InputError(f"`--only` must name some of {', '.join(SUBJECTS)}, but is {text!r}")
    return names


def run(argv: Sequence[str] | None = None) -> int:
    parser = OneLineParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller sizes, 3 rounds")
    parser.add_argument("--only", default=",".join(SUBJECTS), metavar="NAME,...", help="subjects")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, after each subject")
    parser.add_argument("--list", action="store_true", help="name the subjects and stop")
    parser.add_argument("--threads", type=int, default=cores(), help="threads of every side")
    args = parser.parse_args(argv)
    names = chosen(args.only)
    if args.list:
        print("\n".join(f"{name:18} {SUBJECTS[name]}" for name in names))
        return 0
    torch.set_num_threads(args.threads)
    settings = Settings(args.quick, args.threads)
    print(f"{args.threads} thread(s), medians of {settings.rounds} rounds{', small sizes' if args.quick else ''}")
    print(next(table([])))
    rows: list[Row] = []
    for name in names:
        start = time.monotonic()
        for row in measure(name, settings):
            rows.append(row)
            print(line_of(row), flush=True)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
        if args.json:
            write_json(args.json, [row.record() for row in rows])
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    return run_command(run, argv, prog="python -m benchmarks")


if __name__ == "__main__":
    raise SystemExit(main())
