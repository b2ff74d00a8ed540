"""Full disks and read-only folders at every stage: one clear line, and what was there before is there still.

A small file system in memory (tmpfs) is mounted where the system lets us; elsewhere a limit on the size of a file
stands in for the full disk, and the rows say so.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from arguments import arguments

from campaign.bad_text import preprocess
from campaign.chain import digests
from campaign.runs import Check, Process, Row, adapt_flags, difference, rows_of, run, start, state, train_flags

TRAIN, ADAPT, GENERATE, PREPROCESS = (
    "meta_nmt.cli.train", "meta_nmt.cli.adapt", "meta_nmt.cli.generate", "meta_nmt.cli.preprocess",
)  # fmt: skip


def can_mount(folder: Path) -> bool:
    """Whether this system lets us mount a file system."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with small_disk(folder / "probe", 100):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """A file system of its own, so large, at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True, capture_output=True)


def limit_files(kib: int) -> Callable[[], None]:
    """Hook: no file may be larger."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 1024, kib * 1024))


def complaint(process: Process, words: tuple[str, ...]) -> str | None:
    """What is wrong with the end of a run that had to stop."""
    status, lines = process.wait(), process.last_lines()
    if status != 2 or "Traceback" in process.text():
        return f"ended with {status}: {lines[-2:]}"
    if sum(": error: " in line for line in lines) != 1 or not any(word in lines[-1] for word in words):
        return f"not one line that names it: {lines[-3:]}"
    return None


FULL = ("No space left on device", "File too large")
READ_ONLY = ("Read-only file system",)


def half_written(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name.endswith(".partial")]


def used_kib(folder: Path) -> int:
    """Space that its files take; a file of several names counts once."""
    found = {info.st_ino: info.st_blocks for path in folder.rglob("*") if path.is_file() and (info := path.stat())}
    return sum(found.values()) // 2


def full_while_training(data: Path, work: Path, share: float, mounted: bool) -> str | None:
    """The disk is full at a later checkpoint: the earlier ones are whole, and once it is freed the run ends as ever."""
    whole = work / "whole"
    if not whole.exists():
        run(TRAIN, train_flags(data, whole), work / "whole.log")
    size = (whole / "checkpoint_last.pt").stat().st_size // 1024
    log = work / f"training-{share}.log"

    def attempt(folder: Path, hook: Callable[[], None] | None) -> str | None:
        run(TRAIN, train_flags(data, folder, "--max-update 3"), log)
        before = {path.name: path.read_bytes() for path in folder.glob("*.pt")}
        if mounted:
            remount(folder.parent, f"size={used_kib(folder.parent) + int(share * size)}k")
        process = start(TRAIN, train_flags(data, folder), work / f"full-{share}.log", hook)
        if wrong := complaint(process, FULL):
            return wrong
        for path in folder.glob("*.pt"):
            torch.load(path, weights_only=True)
        if share < 1 and any((folder / name).read_bytes() != content for name, content in before.items()):
            return "a checkpoint that was there has changed"
        if half_written(folder):
            return f"left behind: {half_written(folder)}"
        if mounted:
            remount(folder.parent, "size=1g")
        run(TRAIN, train_flags(data, folder), log)
        return difference(state(whole), state(folder))

    if not mounted:
        return attempt(work / f"run-{share}", limit_files(int(size * min(share, 0.9))))
    with small_disk(work / f"disk-{share}", 1 << 20) as disk:
        return attempt(disk / "run", None)


def full_while_preparing(work: Path, share: float, mounted: bool) -> str | None:
    """The disk is full somewhere in data preparation; freed, a rerun makes the bytes of an undisturbed run."""
    folder = work / f"prepare-{share}"
    folder.mkdir(parents=True)
    argv = preprocess(folder, "--vocab-size 100 --vector-dim 8 --hold-out-last 20,20")
    run(PREPROCESS, argv, work / "prepare.log")
    expected = digests(folder / "out")
    needed, largest = (
        used_kib(folder / "out"),
        max(p.stat().st_size for p in (folder / "out").rglob("*") if p.is_file()),
    )
    shutil.rmtree(folder / "out")
    log = work / f"prepare-{share}.full.log"

    def finish(hook: Callable[[], None] | None) -> str | None:
        if wrong := complaint(start(PREPROCESS, argv, log, hook), FULL):
            return wrong
        if mounted:
            remount(folder / "out", "size=1g")
        run(PREPROCESS, argv, log)
        return None if digests(folder / "out") == expected else "other bytes after the disk was freed"

    if not mounted:
        return finish(limit_files(int(largest * share) // 1024))
    with small_disk(folder / "out", int(needed * share)):
        return finish(None)


def full_while_translating(data: Path, best: Path, work: Path, mounted: bool) -> str | None:
    """The results of before stay as they are."""

    def argv(folder: Path, beam: str) -> list[str]:
        line = "{} --path {} --source-lang dd --results {} --beam {} --max-len-a 0 --max-len-b 6"
        return arguments(line, data, best, folder, beam)

    def attempt(folder: Path, hook: Callable[[], None] | None) -> str | None:
        run(GENERATE, argv(folder, "1"), work / "translate.log")
        before = digests(folder)
        if mounted:
            remount(folder.parent, f"size={used_kib(folder.parent)}k")
        if wrong := complaint(start(GENERATE, argv(folder, "2"), work / "translate.full.log", hook), FULL):
            return wrong
        return None if digests(folder) == before else "the results of before have changed"

    if not mounted:
        return attempt(work / "results", limit_files(1))
    with small_disk(work / "results-disk", 1 << 20) as disk:
        return attempt(disk / "results", None)


def read_only(data: Path, best: Path, work: Path) -> list[Row]:
    """Every command that writes, on a file system that may only be read."""
    rows: list[Row] = []
    with small_disk(work / "read-only", 1 << 20) as disk:
        folder = disk / "save"
        run(TRAIN, train_flags(data, folder, "--max-update 3"), work / "read-only.log")
        prepare = disk / "prepare"
        prepare.mkdir()
        commands = {
            "training": (TRAIN, train_flags(data, folder)),
            "adaptation": (ADAPT, adapt_flags(data, best, disk / "adapted")),
            "translation": (
                GENERATE,
                arguments("{} --path {} --source-lang dd --results {}/results", data, best, disk),
            ),
            "data preparation": (PREPROCESS, preprocess(prepare)),
        }
        before = digests(disk)
        remount(disk, "ro")
        for number, (name, (command, argv)) in enumerate(commands.items()):
            process = start(command, argv, work / f"read-only-{number}.log")
            wrong = complaint(process, READ_ONLY)
            if wrong is None and digests(disk) != before:
                wrong = "something has changed"
            rows.append((f"disk: read-only, {name}", 1, [wrong] if wrong else []))
        remount(disk, "rw")
    return rows


def campaign(data: Path, best: Path, work: Path) -> list[Row]:
    """Rows (fault, tries, what was lost)."""
    mounted = can_mount(work)
    how = "" if mounted else " (a limit on file size: no mount here)"
    checks: dict[str, Check] = {}
    for share in (0.0, 0.05, 0.5, 0.95):
        checks[f"full after {share:.0%} of a checkpoint"] = lambda s=share: full_while_training(data, work, s, mounted)
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        checks[f"full after {share:.0%} of data preparation"] = lambda s=share: full_while_preparing(work, s, mounted)
    checks["full while translating"] = lambda: full_while_translating(data, best, work, mounted)
    return rows_of(checks, f"disk: {{}}{how}") + (read_only(data, best, work) if mounted else [])
