"""meta-nmt-evaluate: the paper's experiment in one command, resumable, and its report.

    meta-nmt-evaluate experiment.yaml --out DIR [--jobs 2] [--cluster slurm] [--dry-run]

Runs every system x target x budget x seed x strategy of the file (meta_nmt/evaluation/experiment.py lists its fields)
and writes DIR/results.jsonl, a line for each job that ended and each choice that was made; DIR/train, DIR/adapted,
DIR/results and DIR/logs; and the report in DIR/report. Killed, or with failed jobs, the same command goes on.
"""

from __future__ import annotations

import importlib
import json
import os
import shlex
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.base import extensions
from data_prep.base.command_line import OneLineParser, one_line, run_command, writable_directory
from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import sha256
from data_prep.base.versions import commit, versions
from meta_nmt.cards.model_card import PACKAGES, write_model_card
from meta_nmt.cards.result_facts import facts_of_result
from meta_nmt.evaluation.cells import Choice, Job, Step, filled, fingerprints, plan, with_user_dir
from meta_nmt.evaluation.executor import CLUSTERS, make_executor
from meta_nmt.evaluation.experiment import Experiment, ExperimentError, read_experiment
from meta_nmt.evaluation.runner import Sweep
from meta_nmt.ledger import FILE_NAME, Ledger, finished_cells
from meta_nmt.roles import added_card
from meta_nmt.runs import cost

PROG = "meta-nmt-evaluate"


def parse_args(argv: Sequence[str] | None = None) -> Namespace:
    """The command's options; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog=PROG, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT.yaml", help="what is compared")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for everything that is made")
    parser.add_argument("--data", metavar="DIR", help="data folder in place of the experiment's (default: its own)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="jobs at a time, one thread each (default: 2)")
    parser.add_argument(
        "--cluster", choices=CLUSTERS, default="local", help="where jobs run: processes here, or Slurm (default: local)"
    )
    parser.add_argument(
        "--user-dir", metavar="PATH", help="a Python file or package that registers learners or architectures"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run nothing")
    args = parser.parse_args(argv)
    if args.jobs < 1:
        parser.error(f"argument --jobs: must be at least 1, but is {args.jobs}")
    return args


def print_plan(steps: Sequence[Step], values: dict[str, str]) -> None:
    """Print every command in order; where a choice decides, with the first option of the choice."""
    known_values = dict(values)
    for step in steps:
        if isinstance(step, Choice):
            first = step.options[0]
            known_values |= {f"{step.name}.label": first.label, f"{step.name}.run": first.run}
            print(f"# {step.what} for {step.subject}: the best dev BLEU of {', '.join(o.label for o in step.options)}")
            continue
        print(f"# {step.name}")
        for command in step.commands:
            print("+", shlex.join(filled(word, known_values) for word in command))


def check_commands(steps: Sequence[Step], values: dict[str, str]) -> None:
    """Give each kind of command to its parser before anything runs; SystemExit(2) with one line on bad usage."""
    known_values, checked = dict(values), set()
    for step in steps:
        if isinstance(step, Choice):
            known_values |= {f"{step.name}.label": step.options[0].label, f"{step.name}.run": step.options[0].run}
            continue
        for command in step.commands:
            flags = (command[0], step.kind, *(word for word in command if word.startswith("-")))
            if step.kind == "train" or flags not in checked:
                checked.add(flags)
                module = importlib.import_module(f"meta_nmt.cli.{command[0].removeprefix('meta-nmt-')}")
                module.parse_args([filled(word, known_values) for word in command[1:]])


def added_languages(data: Path, targets: Sequence[str]) -> dict[str, str]:
    """Hashes of the cards of the targets that were added after the data folder's record was written."""
    recorded = DataFolder(data).read_record()["languages"]
    return {lang: sha256(added_card(data, lang)) for lang in targets if lang not in recorded}


def record(results: Ledger, experiment: Experiment, steps: Sequence[Step], marks: Mapping[str, str]) -> None:
    """Write to the results file which experiment it is of, with the fingerprint of each step.

    The last such line counts; it is written only where it differs from the one before.
    """
    of_kind = {
        kind: {step.name: marks[step.name] for step in steps if isinstance(step, kind)} for kind in (Job, Choice)
    }
    # through JSON, where keys are text, budgets too
    definition = json.loads(json.dumps(experiment.model_dump()))
    line = {"kind": "experiment", "experiment": definition, "jobs": of_kind[Job], "choices": of_kind[Choice]}
    earlier = [old_line for old_line in results.lines if old_line.get("kind") == "experiment"]
    if not earlier or earlier[-1] != line:
        results.append(line)


def trained_tokens(out: Path, steps: Sequence[Step]) -> dict[str, int]:
    """Source and target tokens that each meta-training took gradients on, as that run counted them."""
    runs = [step.folders[0] for step in steps if isinstance(step, Job) and step.kind == "train"]
    costs = {run: cost.read_records(out / run) for run in runs}
    return {run: sum(entry["train_tokens"] for entry in entries) for run, entries in costs.items() if entries}


def report(results: Path, title: str, out: Path) -> Path:
    """Write the report of a results file into the folder ``out``; returns the path of its page."""
    # these load scipy and matplotlib, which takes a second: not for the flags
    from meta_nmt.report.gather import make_report
    from meta_nmt.report.write import write_report

    return write_report(make_report([results], title), out).with_name("report.html")


def body(argv: Sequence[str] | None) -> int:
    """Run the experiment and write its report; returns the exit status."""
    args = parse_args(argv)
    if args.user_dir is not None:
        from meta_nmt import plugin  # noqa: F401  torch and fairseq, with which it may register something

        extensions.load(args.user_dir)
    try:
        experiment = read_experiment(args.experiment, args.data)
    except ExperimentError as error:
        print(*(one_line(PROG, problem) for problem in error.problems), sep="\n", file=sys.stderr)
        return 2
    steps, values = plan(experiment), {"out": str(args.out), "data": experiment.data}
    if args.user_dir is not None:
        steps, values = with_user_dir(steps), values | {"user-dir": os.path.abspath(args.user_dir)}
    if args.dry_run:
        print_plan(steps, values)
        return 0
    check_commands(steps, values)
    out = writable_directory(args.out, "--out")
    code, packages, data = commit(), versions(PACKAGES), Path(experiment.data)

    def add_card(job: Job, model: str | None) -> None:
        if model is not None and job.results is not None:
            facts = facts_of_result(out / job.results / "result.json", out / model, data, code, packages)
            write_model_card(facts, out / model)

    with Ledger(out / FILE_NAME) as results:
        executor = make_executor(out / "submitit", args.cluster, experiment.executor)
        made_from = sha256(DataFolder(data).record)
        if args.user_dir is not None:
            made_from += extensions.code_hash(args.user_dir)
        marks = fingerprints(steps, made_from, added_languages(data, experiment.targets))
        record(results, experiment, steps, marks)
        sweep = Sweep(steps, out, results, executor, values, marks, args.jobs, add_card)
        complete = sweep.run()
        tokens = ", ".join(f"{run} {count:,}" for run, count in trained_tokens(out, steps).items())
        print(f"training tokens: {tokens or 'none'}", file=sys.stderr)
        cells = finished_cells(results.lines)
        if cells:
            print(report(out / FILE_NAME, experiment.title, out / "report"))
    if not complete:
        shown = "the report shows what failed" if cells else "no cell did, so there is no report"
        raise InputError(f"{out / FILE_NAME}: not everything finished; {shown}; run this again")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run_command(body, argv, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
