"""Malformed input of every kind: refused with exit status 2 and one line that names it, or handled as documented.

The cases are in bad_text, bad_data, bad_checkpoints and bad_flags. Whatever happens, no traceback, no hang, no file
half-written, and nothing that an input holds is run as code.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from campaign import runs

LIMIT_S = 30.0
PROOF = "proof"  # the file that code hidden in an input would make
REFUSED, HANDLED = 2, 0


@dataclass(frozen=True)
class Materials:
    """Good input to damage. data: a data folder; checkpoint: the best of a meta-training on it."""

    data: Path
    checkpoint: Path

    def own_data(self, folder: Path) -> Path:
        """A copy of the data folder whose files may be replaced (not written to: they are links)."""
        copy = folder / "data"
        shutil.copytree(self.data, copy, copy_function=os.link)
        return copy


@dataclass(frozen=True)
class Case:
    """command: a module with ``main``; argv(folder, materials): makes the input in ``folder`` and gives the flags;
    words: all of them must be in the message; one_of: one of them must; status: what it must end with."""

    kind: str
    name: str
    command: str
    argv: Callable[[Path, Materials], list[str]]
    words: tuple[str, ...] = ()
    status: int = REFUSED
    one_of: tuple[str, ...] = ()


def replace(path: Path, content: bytes) -> None:
    """Gives a file (perhaps a link to a good one) other content."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def complaint(case: Case, folder: Path, materials: Materials, limit_s: float = LIMIT_S) -> str | None:
    """What is wrong with how a command takes a case; None where nothing is."""
    folder.mkdir(parents=True)
    argv = case.argv(folder, materials)
    before = files(folder)
    process = runs.start(case.command, argv, folder.with_suffix(".log"), hook=lambda: os.chdir(folder))
    status = process.wait(limit_s)
    text, lines = process.text(), process.last_lines()
    if (folder / PROOF).exists():
        return "code in the input was run"
    if status is None:
        return f"still running after {limit_s:.0f} s"
    if "Traceback" in text:
        return f"a traceback: {lines[-1]}"
    if status != case.status:
        return f"exit status {status} instead of {case.status}: {lines[-1:]}"
    made = files(folder) - before
    half = [name for name in made if Path(name).name.startswith(".") or name.endswith((".tmp", ".partial"))]
    if half:
        return f"half-written: {half}"
    if status == HANDLED:
        return None
    if sum(": error: " in line for line in lines) != 1 or ": error: " not in lines[-1]:
        return f"not one line that says so: {lines[-3:]}"
    missing = [word for word in case.words if word not in lines[-1]]
    if case.one_of and not any(word in lines[-1] for word in case.one_of):
        missing += case.one_of
    if missing:
        return f"{missing} not named in: {lines[-1]}"
    if any(name.endswith(".pt") for name in made):
        return f"written all the same: {sorted(made)}"
    return None


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def all_cases() -> list[Case]:
    from campaign import bad_checkpoints, bad_data, bad_flags, bad_text

    cases = [case for module in (bad_text, bad_data, bad_checkpoints, bad_flags) for case in module.cases()]
    twice = [name for name, count in Counter((case.kind, case.name) for case in cases).items() if count > 1]
    assert not twice, f"cases with the same name: {twice}"
    return cases


def sample(cases: list[Case], of_each: int) -> Iterator[Case]:
    """The first ``of_each`` of each kind."""
    seen: Counter[str] = Counter()
    for case in cases:
        seen[case.kind] += 1
        if seen[case.kind] <= of_each:
            yield case


def campaign(materials: Materials, work: Path, cases: list[Case]) -> list[tuple[str, int, list[str]]]:
    """Rows (fault, tries, what was lost), one for each kind of input."""
    lost: dict[str, list[str]] = {case.kind: [] for case in cases}
    tries: Counter[str] = Counter()
    for number, case in enumerate(cases):
        folder = work / f"case-{number}"
        tries[case.kind] += 1
        if wrong := complaint(case, folder, materials):
            lost[case.kind].append(f"{case.name}: {wrong}")
        shutil.rmtree(folder, ignore_errors=True)
    return [(f"bad input: {kind}", tries[kind], wrong) for kind, wrong in lost.items()]
