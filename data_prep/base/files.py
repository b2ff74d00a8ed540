"""Files: written atomically, read with clear errors, hashed, and locked against a second writer.

A file is first written under a temporary name beside its place, then renamed to its own name (os.replace).
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from data_prep.base.errors import InputError

MOST_JSON = 1 << 28  # bytes of a JSON file
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # some network file systems
PARTIAL = ".partial"  # ends the names of files and folders that are being made; a killed run leaves them


def sha256(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to. At the end it is renamed to ``path``; on an error, removed."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(PARTIAL, f".{target.name}.", target.parent)
    _held.add(handle)
    with suppress(OSError):  # some file systems have no locks
        fcntl.flock(handle, fcntl.LOCK_EX)  # while it is held, `remove_partial` leaves the file alone
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())  # mkstemp makes private files; give the usual permissions
        os.replace(name, target)
    except OSError as error:
        if error.filename is None and error.errno is not None:  # the error of a full disk names no file
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
    finally:
        Path(name).unlink(missing_ok=True)
        _let_go(handle)


@contextmanager
def partial_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give a temporary folder in ``parent``, of a name that begins with ``.name.``; at the end it is removed."""
    with tempfile.TemporaryDirectory(PARTIAL, f".{name}.", parent) as folder, _lock(folder):
        yield Path(folder)


@contextmanager
def atomic_files(paths: Sequence[Path]) -> Iterator[list[IO[bytes]]]:
    """Write several files atomically, opened for bytes; none has its own name before all are written."""
    with ExitStack() as stack:
        temporary = [stack.enter_context(atomic(path)) for path in paths]
        yield [stack.enter_context(open(path, "wb")) for path in temporary]


def remove_partial(folder: Path, *, deep: bool = True) -> None:
    """Remove from ``folder`` the temporary files and folders that killed runs have left, at any depth if ``deep``.

    Those that a running process is writing stay: it holds a lock on each.
    """
    pattern = f".*{PARTIAL}"
    for path in list(folder.rglob(pattern) if deep else folder.glob(pattern)):
        with suppress(OSError), _lock(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder; InputError if another process holds it. Without locks in the file system: none."""
    with ExitStack() as stack:
        try:
            stack.enter_context(_lock(folder))
        except BlockingIOError as error:
            raise InputError(f"{folder}: another run is writing to this folder") from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield


@contextmanager
def _lock(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a lock on a file or folder; BlockingIOError if another process, or this one, holds it."""
    handle = os.open(path, os.O_RDONLY)
    _held.add(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        _let_go(handle)


_held: set[int] = set()  # the open files that hold a lock


def _let_go(handle: int) -> None:
    if handle in _held:  # in a forked process it no longer is
        _held.remove(handle)
        os.close(handle)


def _let_go_of_parents() -> None:
    """In a forked process, close the locks of its parent, or they would last as long as this process does."""
    for handle in [*_held]:
        _let_go(handle)


os.register_at_fork(after_in_child=_let_go_of_parents)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_lines(path: str | os.PathLike[str], lines: Sequence[str]) -> None:
    """Write lines, each ended by a line feed, as UTF-8, atomically."""
    write_text(path, "".join(line + "\n" for line in lines))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_array(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write an array as a .npy file, atomically."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.save(_ByWrite(file), array, allow_pickle=False)


class _ByWrite:
    """A file of which NumPy knows no more than ``write``, so that a full disk is the system's own error.

    Given a real file, NumPy reports a full disk as a number of bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON; InputError names the file and line if it is not JSON, or has more than MOST_JSON bytes."""
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_JSON + 1)
        if len(content) > MOST_JSON:
            raise InputError(f"{path}: must have at most {MOST_JSON} bytes, but has more")
        return parse_json(content.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 JSON: {error.reason}") from error


def parse_json(text: str, where: str) -> Any:
    """The value of a JSON text; InputError for what is none, and for what cannot be written as text again.

    ``where``: the file, for messages.
    """
    try:
        value = json.loads(text)
        if "\\u" in text:  # a text may hold half a character, written as \\ud800
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except json.JSONDecodeError as error:
        raise InputError(f"{where}, line {error.lineno}: must be JSON: {error.msg}") from error
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: must be Unicode text, but has half a character (a lone surrogate)") from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{where}: must be JSON: {' '.join(str(error).split())[:200]}") from error
    except RecursionError as error:
        raise InputError(f"{where}: must be JSON, but is nested too deeply") from error


def check_given(folder: Path, most_bytes: Mapping[Path, int]) -> None:
    """Check the files of a folder that somebody else may have made, before they are read.

    ``most_bytes``: the files, which need not be there, and the most bytes that each may have.

    Raises:
        InputError: one is a link out of the folder, is no plain file, or is larger.
    """
    inside = folder.resolve()
    for path, most in most_bytes.items():
        if not os.path.lexists(path):
            continue
        try:
            place = path.resolve()
        except (OSError, RuntimeError) as error:  # a link to itself
            raise InputError(f"{path}: must be a file, but is a link that leads nowhere") from error
        if not place.is_relative_to(inside):
            raise InputError(f"{path}: must lie in {folder}, but is a link that leads out of it")
        if place.exists() and not place.is_file():
            raise InputError(f"{path}: must be a file, but is none")
        if place.is_file() and place.stat().st_size > most:
            raise InputError(f"{path}: must have at most {most} bytes, but has {place.stat().st_size}")
