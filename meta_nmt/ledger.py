"""The results file of an evaluation: JSON lines, only ever appended to, by one process at a time.

One line is one write and one fsync, so a killed run leaves at most a torn last line. The next run that opens the file
sets such a line aside, in a file beside it. Where a job ran again, its last line counts.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from typing import IO, Any

from data_prep.base.errors import InputError
from data_prep.base.files import parse_json

FILE_NAME = "results.jsonl"
Line = dict[str, Any]


def _parse(path: Path, text: bytes) -> list[Line]:
    """The records in a text of whole lines; InputError names a line that is no JSON object."""
    lines = []
    for number, line in enumerate(text.split(b"\n")[:-1], 1):
        try:
            record = parse_json(line.decode("utf-8"), "it")
        except ValueError as error:
            raise InputError(f"{path}, line {number}: must be a JSON object: {error}") from None
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}: must be a JSON object, but is a {type(record).__name__}")
        lines.append(record)
    return lines


def read_ledger(path: Path) -> list[Line]:
    """All whole lines of a results file, oldest first, without a torn one. InputError if it is missing or damaged."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: must be a results file of meta-nmt-evaluate: {error.strerror}") from None
    return _parse(path, text[: text.rfind(b"\n") + 1])


def experiment(lines: list[Line]) -> Line:
    """The last record of what is evaluated; empty where there is none."""
    return next((line for line in reversed(lines) if line.get("kind") == "experiment"), {})


def latest(lines: list[Line]) -> dict[str, Line]:
    """The last line of each job of the present experiment, in the order in which the jobs first came."""
    return _current(lines, "job", "job", "jobs")


def finished_cells(lines: list[Line]) -> list[Line]:
    """The lines of the cells of the present experiment that have finished: those jobs that leave a result."""
    return [job for job in latest(lines).values() if job.get("state") == "finished" and "results" in job]


def choices(lines: list[Line]) -> dict[str, Line]:
    """The last line of each choice of the present experiment, in the order in which the choices first came."""
    return _current(lines, "choice", "name", "choices")


def _current(lines: list[Line], kind: str, name: str, record: str) -> dict[str, Line]:
    """The last line of each job, or of each choice, without those of another fingerprint than the experiment's.

    An earlier version of the experiment ran those with other commands or on other data. Their numbers must not stand
    beside the numbers of this version.
    """
    last_line_of = {line[name]: line for line in lines if line.get("kind") == kind}
    fingerprint_of = experiment(lines).get(record)
    if not isinstance(fingerprint_of, dict):  # a file of an earlier version, without fingerprints
        return last_line_of
    return {
        key: line
        for key, line in last_line_of.items()
        if key in fingerprint_of and fingerprint_of[key] == line.get("fingerprint")
    }


class Ledger:
    """A results file opened for appending, and locked against a second evaluation until it is closed.

    Raises:
        InputError: another process has it open (it is named), or a line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path)
        try:
            self._mend()
            self.lines = read_ledger(path)
        except BaseException:
            self._lock.close()
            raise
        self._file = open(path, "ab", buffering=0)

    def _mend(self) -> None:
        """Set a torn last line aside."""
        self.path.touch()
        text = self.path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            with open(f"{self.path}.torn", "ab") as aside:
                aside.write(text[whole:] + b"\n")
            os.truncate(self.path, whole)

    def append(self, line: Line) -> None:
        """Add a line; it is on disk when this returns."""
        self._file.write(json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n")
        os.fsync(self._file.fileno())
        self.lines.append(line)

    def close(self) -> None:
        """Close the file and let go of its lock."""
        self._file.close()
        self._lock.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lock(path: Path) -> IO[str]:
    """The lock file, open and locked. The kernel unlocks it when the process ends, however that ends."""
    lock = open(f"{path}.lock", "a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "another process"
        lock.close()
        raise InputError(f"{path}: must be written by one evaluation at a time, but {owner} is writing to it") from None
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {socket.gethostname()}")
    lock.flush()
    return lock
