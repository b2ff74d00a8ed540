"""Runs of the real commands in processes of their own, to be killed, starved of disk or compared.

A process is forked from this one, which has imported everything: a run of a tiny model takes a second or two instead of
the ten that Python needs to import torch and fairseq.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from arguments import arguments
from data_folder import make_data_folder

import meta_nmt.plugin  # noqa: F401  imported once, here, and so are the commands that the runs call
from data_prep.base.command_line import run_command
from meta_nmt.cli import adapt, generate, train, translate  # noqa: F401

ROLES = {"aa": "source", "bb": "source", "cc": "valid", "dd": "target"}
TINY = (
    "--arch ulr_transformer_tiny --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 32 --decoder-embed-dim 32 "
    "--encoder-ffn-embed-dim 64 --decoder-ffn-embed-dim 64"
)
LIMIT_S = 600  # no run here takes longer, even on a busy machine
Hook = Callable[[], None]
Row = tuple[str, int, list[str]]  # fault, tries, what was lost
Check = Callable[[], str | None]  # says what was lost; a failed assertion says it too


def rows_of(checks: Mapping[str, Check], title: str) -> list[Row]:
    """A row for each check, by its name with ``{}`` of the title in its place."""
    rows: list[Row] = []
    for name, check in checks.items():
        try:
            wrong = check()
        except AssertionError as error:
            wrong = str(error)
        rows.append((title.format(name), 1, [wrong] if wrong else []))
    return rows


def data_folder(root: Path) -> Path:
    return make_data_folder(root, ROLES)


def train_flags(data: Path, save: Path, more: str = "", *values: object) -> list[str]:
    """A meta-training of 12 updates over one and a half epochs, which validates and saves at every third."""
    return arguments(
        "{} --save-dir {} --source-langs aa,bb --valid-langs cc --support-tokens 60 --query-tokens 60 --valid-steps 2 "
        "--valid-sample-tokens 100 --updates-per-epoch 8 --save-interval-updates 3 --max-update 12 --lr 1e-2 "
        f"--warmup-updates 2 --log-interval 1 --num-workers 0 {TINY} {more}",
        *(data, save, *values),
    )


def adapt_flags(data: Path, checkpoint: Path, save: Path, more: str = "", *values: object) -> list[str]:
    """A fine-tuning that validates and saves at every other update, and may stop early."""
    return arguments(
        "{} --checkpoint {} --source-lang dd --train-subset train-300-s1 --save-dir {} --max-tokens 100 "
        "--max-update 14 --save-interval-updates 2 --patience 3 --lr 5e-3 --num-workers 0 --log-interval 1 "
        """--eval-bleu-args '{"beam": 1, "max_len_a": 0, "max_len_b": 4}' """ + more,
        *(data, checkpoint, save, *values),
    )


@dataclass
class Process:
    """A forked run: its number, and where its standard output and error go."""

    pid: int
    log: Path
    started: float

    def kill(self) -> None:
        """SIGKILL to it and to the processes that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def wait(self, limit_s: float = LIMIT_S) -> int | None:
        """Its exit status, minus the signal that ended it, or None where it did not end in time and was killed."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        self.kill()
        os.waitpid(self.pid, 0)
        return None

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def last_lines(self) -> list[str]:
        """What it said besides progress."""
        return [line for line in self.text().splitlines() if line.strip() and "| INFO |" not in line]


def start(command: str, argv: Sequence[str], log: Path, hook: Hook | None = None) -> Process:
    """Forks ``command`` (a module with ``main``) on ``argv``; ``hook`` is called first in the new process."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _become(command, argv, log, hook)
    return Process(pid, log, time.monotonic())


def _become(command: str, argv: Sequence[str], log: Path, hook: Hook | None) -> None:
    status = 70
    try:
        os.setpgid(0, 0)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", buffering=1, closefd=False)
        torch.set_num_threads(1)
        if hook is not None:
            hook()
        main = importlib.import_module(command).main
        # what `python -m` does with a stage of data_prep
        status = run_command(main, list(argv), prog=command) if command.startswith("data_prep.") else main(list(argv))
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def run(command: str, argv: Sequence[str], log: Path, hook: Hook | None = None, limit_s: float = LIMIT_S) -> Process:
    """Runs it to its end; AssertionError with its log unless that is good."""
    process = start(command, argv, log, hook)
    status = process.wait(limit_s)
    assert status == 0, f"{command} ended with {status}: {process.text()[-3000:]}"
    return process


def state(folder: Path) -> dict[str, Any]:
    """What a run's last checkpoint holds that training goes on from, and nothing that tells the time."""
    saved = torch.load(folder / "checkpoint_last.pt", weights_only=True)
    extra = saved["extra_state"]
    tasks = {name: value for name, value in extra.items() if name.endswith("Task")}
    return {
        "model": saved["model"],
        "optimiser": saved["last_optimizer_state"],
        "schedule": saved["optimizer_history"][-1],
        "position": extra["train_iterator"],
        "best": extra.get("best"),
        "task": tasks,
    }


def difference(first: Any, second: Any, where: str = "state") -> str | None:
    """The first place where two states are not equal to the last bit."""
    if isinstance(first, dict) and isinstance(second, dict):
        if first.keys() != second.keys():
            return f"{where}: {sorted(map(str, first))} and {sorted(map(str, second))}"
        found = (difference(value, second[key], f"{where} {key}") for key, value in first.items())
        return next((place for place in found if place), None)
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        if len(first) != len(second):
            return f"{where}: {len(first)} and {len(second)} entries"
        found = (difference(a, b, f"{where} {i}") for i, (a, b) in enumerate(zip(first, second, strict=True)))
        return next((place for place in found if place), None)
    same = torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second
    return None if same else f"{where}: {first} and {second}"
