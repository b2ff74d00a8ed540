"""The campaign of faults: kills, faults in a step, workers, malformed input, full disks, determinism; one table.

python -m campaign --seed 1 --only kills,disk
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from campaign import bad_input, chain, disk, distributed, hostile, kills, runs, steps
from campaign.runs import Row


def parts(args: argparse.Namespace, work: Path) -> dict[str, Callable[[], list[Row]]]:
    """What there is to run, by name."""
    data = runs.data_folder(work)
    meta = work / "meta"
    runs.run("meta_nmt.cli.train", runs.train_flags(data, meta), work / "meta.log")
    best = meta / "checkpoint_best.pt"

    def training(folder: Path) -> list[str]:
        return runs.train_flags(data, folder)

    def learned(folder: Path) -> list[str]:
        return runs.train_flags(data, folder, "--meta-learner meta_sgd --num-workers 1")

    def adapting(folder: Path) -> list[str]:
        return runs.adapt_flags(data, best, folder)

    def bad() -> list[Row]:
        cases = bad_input.all_cases()
        chosen = cases if args.cases is None else list(bad_input.sample(cases, args.cases))
        return bad_input.campaign(bad_input.Materials(data, best), work / "bad", chosen)

    def killed() -> list[Row]:
        return [
            *kills.campaign("meta-training", "meta_nmt.cli.train", training, work, args.kills, args.seed),
            *kills.campaign("meta_sgd, a data worker", "meta_nmt.cli.train", learned, work, args.kills // 2, args.seed),
            *kills.campaign("adaptation", "meta_nmt.cli.adapt", adapting, work, args.kills // 2, args.seed),
        ]

    return {
        "kills": killed,
        "steps": lambda: steps.campaign(data, work / "steps"),
        "distributed": lambda: distributed.campaign(data, work / "distributed"),
        "bad_input": bad,
        "hostile": lambda: hostile.campaign(data, best, work / "hostile", args.seed),
        "disk": lambda: disk.campaign(data, best, work / "disk"),
        "chain": lambda: chain.campaign(work / "chain"),
    }


def table(rows: list[Row]) -> str:
    width = max(len(fault) for fault, *_ in rows)
    lines = [f"| {'fault':{width}} | tries | survived | lost |", f"|{'-' * (width + 2)}|------:|---------:|-----:|"]
    for fault, tries, lost in rows:
        lines.append(f"| {fault:{width}} | {tries:5} | {tries - len(lost):8} | {len(lost):4} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m campaign", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    parser.add_argument("--kills", type=int, default=10, help="tries of each kind of kill; half for some")
    parser.add_argument("--cases", type=int, help="malformed inputs of each kind; all if not given")
    parser.add_argument("--only", default="", help="parts, separated by commas; all if not given")
    args = parser.parse_args()
    torch.set_num_threads(1)
    work = Path(tempfile.mkdtemp(prefix="campaign-"))
    rows: list[Row] = []
    began = time.monotonic()
    try:
        every = parts(args, work)
        for name in args.only.split(",") if args.only else every:
            (work / name).mkdir(exist_ok=True)
            try:
                rows += every[name]()
            except Exception as error:  # a part that cannot go on is lost, not the table
                rows.append((f"{name}: could not be run", 1, [repr(error)]))
            print(f"{name}: done after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(table(rows))
    lost = [f"{fault}: {what}" for fault, _, every_loss in rows for what in every_loss]
    for line in lost:
        print(f"lost: {' '.join(line.split())[:400]}")
    tries = sum(row[1] for row in rows)
    print(f"{os.cpu_count()} cores, {time.monotonic() - began:.0f} s")
    print(f"{tries - len(lost)} passed, {len(lost)} failed")
    return int(bool(lost))


if __name__ == "__main__":
    raise SystemExit(main())
