"""Checkpoint files that are whole or not there: however a run ends, another can go on from its last good checkpoint.

A checkpoint is written to a temporary file beside its place and brought to the disk (fsync). Only then it is renamed.
Its further names (``checkpoint_best.pt``, ``checkpoint_last.pt``) are hard links to the same file, renamed into place.
So there is no second write, no name is ever half-written, and no disk space goes to a copy.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch

from data_prep.base.errors import InputError
from data_prep.base.files import atomic, remove_partial
from meta_nmt.runs import checkpoint_contents
from meta_nmt.runs.run_folder import RunFolder

logger = logging.getLogger(__name__)
DAMAGED = ".damaged"  # ends the new name of a checkpoint that cannot be read


class _Remembering:
    """A file that keeps the first error of its writes: torch.save turns a full disk into a RuntimeError of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def save(state: Any, filename: str | Path, async_write: bool = False) -> None:
    """Save a checkpoint, whole or not at all.

    It takes the place of fairseq's ``torch_persistent_save``, which writes again behind a write that failed.

    Raises:
        OSError: the file could not be written; ``filename`` is as it was before.
    """
    try:
        with _durable(Path(filename)) as temporary, open(temporary, "wb") as file:
            remembering = _Remembering(file)
            try:
                torch.save(state, remembering)
            except RuntimeError:
                if remembering.error is not None:
                    raise remembering.error from None
                raise
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(filename)) from None


def add_name(source: str | Path, name: str | Path) -> bool:
    """Make ``name`` the same file as ``source``, at once; a copy where the file system has no hard links.

    It takes the place of ``PathManager.copy``, which writes over the file that it replaces. Both return True.
    """
    with _durable(Path(name)) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
    return True


@contextmanager
def _durable(path: Path) -> Iterator[Path]:
    """A temporary path as `atomic` gives it; at the end the rename itself is on the disk, too."""
    with atomic(path) as temporary:
        yield temporary
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def recover(save_dir: str | Path) -> None:
    """Make the folder of a killed run ready to go on: remove half-written files.

    A last checkpoint that cannot be read (a failing disk, a tool that cut it) is replaced by the newest one that can,
    with a warning.

    Raises:
        InputError: neither the last checkpoint nor any other of the folder can be read.
    """
    run = RunFolder(save_dir)
    if not run.path.is_dir():
        return
    remove_partial(run.path)
    last = run.last
    if not last.exists():
        return
    try:
        _updates(last)
        return
    except Exception as error:
        reason = str(error).removeprefix(f"{last}: ")
    newest = _newest([path for path in run.checkpoints if path != last])
    if newest is None:
        raise InputError(
            f"{last}: must be a whole checkpoint, but cannot be loaded ({reason}), and there is no other one to go on "
            "from: remove it to start afresh"
        )
    os.replace(last, last.with_name(f"{last.name}{DAMAGED}"))
    add_name(newest, last)
    logger.warning(f"{last}: cannot be loaded ({reason}); going on from {newest.name}, the newest that can")


def _newest(paths: list[Path]) -> Path | None:
    """The checkpoint with the most updates among those that can be read; None where none can."""
    updates: dict[Path, int] = {}
    for path in paths:
        with suppress(Exception):  # damaged too
            updates[path] = _updates(path)
    return max(updates, key=updates.__getitem__, default=None)


def _updates(path: Path) -> int:
    """The updates that a checkpoint has seen; ValueError for a damaged file."""
    state = checkpoint_contents.load(path)
    try:
        return int(state["optimizer_history"][-1]["num_updates"])
    except (KeyError, IndexError, TypeError, ValueError):
        raise ValueError("it holds no state of a training run") from None
