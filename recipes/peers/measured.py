"""What a run of a peer cost: a command of fairseq, with its log and a cost record in the run's folder.

    python -m recipes.peers.measured --run RUN --kind train --text TEXT [--parent CHECKPOINT] fairseq-train ...

RUN/log.txt gets all that the command says. RUN/cost.jsonl gets a record when it has come to its end, as cost.py has it.
After a kill, run it again: fairseq goes on from its checkpoint, and its log has the seconds of before too.
"""

import re
import resource
import shlex
import subprocess
import time
from argparse import REMAINDER, Namespace
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError
from data_prep.base.files import read_json
from meta_nmt.runs import cost
from recipes.peers.plain import FACTS

LOG = "log.txt"
# of a line such as: epoch 001:    100 loss=11.2, ..., wpb=861.2, ..., num_updates=100, ..., wall=75
STRETCH = re.compile(r" train_inner .* wpb=(?P<target>[\d.]+),.* num_updates=(?P<updates>\d+),.* wall=(?P<wall>\d+)")


def target_tokens_and_seconds(log: str) -> tuple[float, float]:
    """The target tokens and the seconds of a training, by its log. What was done again after a kill counts once.

    Updates and seconds go on from those of the checkpoint that the run started from, which are left out here.
    """
    stretches = {int(match["updates"]): match for match in STRETCH.finditer(log)}
    if len(stretches) < 2:
        return 0.0, 0.0
    ends = sorted(stretches)
    starts = [2 * ends[0] - ends[1], *ends]
    tokens = sum(float(stretches[end]["target"]) * (end - start) for start, end in zip(starts, ends, strict=False))
    walls = [float(match["wall"]) for match in stretches.values()]
    return tokens, max(walls) - min(walls)


def measure(args: Namespace) -> int:
    """Run the command; returns its exit status."""
    args.run.mkdir(parents=True, exist_ok=True)
    log = args.run / LOG
    start = time.monotonic()
    with open(log, "a", encoding="utf-8") as file:
        status = subprocess.run(args.command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    if status:
        return status
    facts, earlier = read_json(args.text / FACTS), cost.read_records(args.run)
    target, seconds = target_tokens_and_seconds(log.read_text("utf-8"))
    both = round(target * facts["both_sides"] / facts["target_side"])
    wall_s = max(time.monotonic() - start, seconds - sum(record["wall_s"] for record in earlier))
    record = {
        "command": shlex.join(args.command), "kind": args.kind, "run": str(args.run), "parent": args.parent,
        "train_tokens": both - sum(record["train_tokens"] for record in earlier), "wall_s": round(wall_s, 1),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1),
        "device": cost.device_name(),
    }  # fmt: skip
    cost.append(args.run, record)
    return 0


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog="python -m recipes.peers.measured", description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--kind", choices=("train", "adapt"), required=True, help="for the report")
    parser.add_argument("--text", type=Path, required=True, help="what `plain text` wrote")
    parser.add_argument("--parent", help="the checkpoint that the run starts from")
    parser.add_argument("command", nargs=REMAINDER, help="a command of fairseq with its flags")
    args = parser.parse_args(argv)
    if not args.command:
        raise InputError("a command of fairseq must follow the flags, but none does")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and record its cost; returns the exit status."""
    return measure(parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m recipes.peers.measured"))
