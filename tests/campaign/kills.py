"""Runs that are killed (SIGKILL) at random moments and started again, against one that nothing disturbed."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from campaign.runs import Process, difference, run, start, state
from meta_nmt.runs import checkpoint_files

MOST_KILLS = 4  # in one try
PAUSE_S = 0.03


def slow_writes() -> None:
    """Hook: checkpoints take a while to be written and to get their names, so that a kill meets that moment."""

    def after_a_pause(function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def paused(*args: Any, **kwargs: Any) -> Any:
            time.sleep(seconds)
            result = function(*args, **kwargs)
            time.sleep(seconds)
            return result

        return paused

    checkpoint_files._Remembering.write = after_a_pause(checkpoint_files._Remembering.write, 0.0005)  # type: ignore
    for name in ("fsync", "link", "replace"):
        setattr(os, name, after_a_pause(getattr(os, name), PAUSE_S))


def wait_for_write(process: Process, folder: Path, limit_s: float) -> None:
    """Until a checkpoint is being written, or the run has ended."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end and os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if any(folder.glob(".checkpoint*.partial")):
            return
        time.sleep(0.001)


def interrupted(
    command: str, argv: Callable[[Path], list[str]], folder: Path, rng: random.Random, usual_s: float, writing: bool
) -> str | None:
    """Kills and starts again until a run comes to its end; what is wrong with what it left, or None.

    ``argv(folder)`` are the flags; ``usual_s`` is how long an undisturbed run takes; ``writing``: kill while a
    checkpoint is written instead of at any moment.
    """
    log = folder.with_suffix(".log")
    for _ in range(rng.randint(1, MOST_KILLS)):
        process = start(command, argv(folder), log, slow_writes if writing else None)
        if writing:
            wait_for_write(process, folder, 20 * usual_s)
            time.sleep(rng.uniform(0, 12 * PAUSE_S))
        else:
            time.sleep(rng.uniform(0, usual_s))
        process.kill()
        process.wait()
        for checkpoint in folder.glob("checkpoint*.pt"):
            try:
                torch.load(checkpoint, weights_only=True)
            except Exception as error:
                return f"{checkpoint.name} is damaged: {error}"
    try:
        run(command, argv(folder), log)
    except AssertionError as error:
        return str(error)
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    return f"left behind: {left}" if left else None


def campaign(
    name: str, command: str, argv: Callable[[Path], list[str]], work: Path, tries: int, seed: int
) -> list[tuple[str, int, list[str]]]:
    """Rows (fault, tries, what was lost)."""
    whole = work / f"{name}-undisturbed"
    began = time.monotonic()
    run(command, argv(whole), whole.with_suffix(".log"))
    usual_s = time.monotonic() - began
    expected = state(whole)
    rows = []
    for writing in (False, True):
        rng = random.Random(f"{seed} {writing}")
        lost = []
        for number in range(tries):
            folder = work / f"{name}-{'write' if writing else 'any'}-{number}"
            wrong = interrupted(command, argv, folder, rng, usual_s, writing)
            wrong = wrong or difference(expected, state(folder))
            if wrong:
                lost.append(f"{folder.name}: {wrong}")
            else:
                shutil.rmtree(folder)
        rows.append((f"{name}: killed {'while writing a checkpoint' if writing else 'at any moment'}", tries, lost))
    return rows
