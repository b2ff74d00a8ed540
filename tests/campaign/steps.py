"""Faults inside a meta-step, in whole runs: losses not finite, episodes out of memory, data workers that die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from campaign.distributed import MINUTE_S, TRAIN, children, in_double, largest_difference, run_workers, wait_for_update
from campaign.runs import Check, Hook, Row, difference, rows_of, run, start, state, train_flags
from meta_nmt.tasks.episode_loss import EpisodeLoss
from meta_nmt.tasks.meta_translation import MetaTranslationTask

Rule = Callable[[dict[str, Any]], bool]  # of an episode


def spoil(rule: Rule) -> Hook:
    """Hook: the losses of the training episodes for which ``rule`` holds are not a number."""

    def hook() -> None:
        make = MetaTranslationTask._loss

        def spoilt(self: Any, network: Any, criterion: Any, episode: dict[str, Any]) -> EpisodeLoss:
            loss = make(self, network, criterion, episode)
            if "number" in episode and rule(episode):
                plain = loss._sum
                loss._sum = lambda *batch: (plain(*batch)[0] * float("nan"), *plain(*batch)[1:])  # type: ignore
            return loss

        MetaTranslationTask._loss = spoilt

    return hook


def limit_sentences(most: int) -> Hook:
    """Hook: a machine that has memory for so many sentences at a time."""

    def hook() -> None:
        plain = EpisodeLoss._sum

        def limited(self: EpisodeLoss, parameters: Any, batch: dict[str, Any]) -> Any:
            if len(batch["target"]) > most and torch.is_grad_enabled():
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
            return plain(self, parameters, batch)

        EpisodeLoss._sum = limited  # type: ignore[method-assign]

    return hook


def some_tasks(data: Path, folder: Path) -> str | None:
    """Every third task: the run ends well, counts them, and nothing that is not finite is in the model."""
    process = run(TRAIN, train_flags(data, folder), folder.with_suffix(".log"), spoil(lambda e: e["number"] % 3 == 0))
    saved = state(folder)
    if not all(bool(torch.isfinite(value).all()) for value in saved["model"].values()):
        return "the model is not finite"
    counted, logged = (
        saved["task"]["MetaTranslationTask"]["faults"]["skipped_tasks"],
        process.text().count("left out a"),
    )
    return None if counted == logged > 10 else f"{counted} counted, {logged} logged"


def one_language(data: Path, folder: Path) -> str | None:
    process = run(TRAIN, train_flags(data, folder), folder.with_suffix(".log"), spoil(lambda e: e["language"] == "bb"))
    return None if "bb: 3 tasks in a row were left out" in process.text() else "the language is not named"


def every_task(data: Path, folder: Path) -> str | None:
    """Stops with advice, at the last checkpoint that was good."""
    run(TRAIN, train_flags(data, folder, "--max-update 3"), folder.with_suffix(".log"))
    before = state(folder)["model"]
    argv = train_flags(data, folder, "--save-interval-updates 1000 --max-update 100 --max-epoch 100")
    process = start(TRAIN, argv, folder.with_suffix(".spoilt.log"), spoil(lambda _: True))
    status, last = process.wait(), process.last_lines()[-1:]
    if status != 2 or "--lr" not in "".join(last):
        return f"ended with {status}: {last}"
    if (folder / "crash.pt").exists():
        return "a checkpoint of a crash was written"
    return difference(before, state(folder)["model"], "theta")


def out_of_memory(data: Path, folder: Path, most: int) -> str | None:
    run(TRAIN, train_flags(data, folder), folder.with_suffix(".log"), limit_sentences(most))
    saved = state(folder)
    if saved["schedule"]["num_updates"] != 12:
        return f"{saved['schedule']['num_updates']} updates instead of 12"
    split = saved["task"]["MetaTranslationTask"]["faults"]["split_tasks"]
    return None if split else "nothing was split"


def far_too_little_memory(data: Path, folder: Path) -> str | None:
    process = start(TRAIN, train_flags(data, folder), folder.with_suffix(".log"), limit_sentences(0))
    status, last = process.wait(), process.last_lines()
    good = status == 2 and "needs more memory than there is" in last[-1]
    return None if good else f"ended with {status}: {last[-1:]}"


def dead_data_worker(data: Path, folder: Path) -> str | None:
    """A process that reads data is killed: the run ends with an error of its own, soon."""
    argv = train_flags(data, folder, "--num-workers 1 --max-update 100000 --updates-per-epoch 100000")
    process = start(TRAIN, argv, folder.with_suffix(".log"))
    try:
        wait_for_update(process, 2)
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        status, last = process.wait(MINUTE_S), process.last_lines()
        if status != 2 or "DataLoader worker" not in last[-1] or "Traceback" in process.text():
            return f"ended with {status} after {time.monotonic() - began:.0f} s: {last[-3:]}"
        return None
    finally:
        process.kill()


def workers_in_step(data: Path, folder: Path) -> str | None:
    """Tasks left out by two workers, sometimes by one alone or by both entirely: the same run as with one worker."""
    folder.mkdir(parents=True)
    hook = spoil(lambda e: e["number"] % 8 in (1, 2, 3) or e["number"] // 4 == 5)

    def both() -> None:
        in_double()
        hook()

    line = "--disable-validation --max-update 8"
    run(TRAIN, train_flags(data, folder / "one", line), folder / "one.log", both)
    run_workers(2, train_flags(data, folder / "two", line), folder / "two", both)
    if state(folder / "one")["task"] != state(folder / "two")["task"]:
        return f"counts: {state(folder / 'one')['task']} and {state(folder / 'two')['task']}"
    largest = largest_difference(folder / "one", folder / "two")
    return None if largest < 1e-6 else f"parameters differ by {largest}"


def campaign(data: Path, work: Path) -> list[Row]:
    """Rows (fault, tries, what was lost)."""
    checks: dict[str, Check] = {
        "every third task not finite": lambda: some_tasks(data, work / "some"),
        "a language not finite": lambda: one_language(data, work / "language"),
        "every task not finite": lambda: every_task(data, work / "every"),
        "tasks not finite, two workers": lambda: workers_in_step(data, work / "workers"),
        "no memory for more than 6 sentences": lambda: out_of_memory(data, work / "six", 6),
        "no memory for more than 1 sentence": lambda: out_of_memory(data, work / "one", 1),
        "no memory for a sentence": lambda: far_too_little_memory(data, work / "none"),
        "a data worker killed": lambda: dead_data_worker(data, work / "reader"),
    }
    return rows_of(checks, "in a step: {}")
