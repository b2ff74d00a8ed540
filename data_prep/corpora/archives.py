"""Archives from untrusted sources: members are read or unpacked, and never outside the folder meant for them."""

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from data_prep.base.errors import InputError

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, RuntimeError, NotImplementedError, ValueError)
LIMIT = 64 << 30  # bytes that all members of an archive may have together
MOST_MEMBERS = 100_000


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file; InputError if it is missing, damaged, encrypted or packed in a way that cannot be read."""
    with _readable(path), zipfile.ZipFile(path) as archive:
        yield archive


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: file is missing") from error
    except DAMAGED as error:  # RuntimeError: the archive is encrypted
        raise InputError(f"{path}: must be a whole, unencrypted zip or tar file: {error}") from error


def member_ending(archive: zipfile.ZipFile, ending: str, name: str) -> zipfile.ZipInfo:
    """The one member of a zip file whose name ends in ``ending``; InputError if none or several do.

    What a Mac adds beside each file (``__MACOSX/``, ``._name``) is no member. ``name`` is the file, for errors.
    """
    members = [info for info in archive.infolist() if info.filename.endswith(ending) and not _is_of_mac(info.filename)]
    if len(members) != 1:
        raise InputError(f"{name}: must hold one file *{ending}, but holds {len(members)}")
    return members[0]


def _is_of_mac(member: str) -> bool:
    """Whether a member holds a Mac's attributes of another file (AppleDouble)."""
    parts = PurePosixPath(member).parts
    return "__MACOSX" in parts or parts[-1].startswith("._")


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive: zip, or tar with any compression."""
    endings = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
    return name.lower().endswith(endings)


def check_member_name(name: str) -> None:
    """InputError unless a member's name leads to a place inside the folder of unpacking, on every operating system."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise InputError(f"must be a path inside the archive, but is {name!r}")


def extract(archive: Path, members: Sequence[str], folder: Path, limit: int = LIMIT) -> list[Path]:
    """Unpack the named members into ``folder``, which is made anew; returns their paths, in the given order.

    InputError if any member of the archive has an absolute path or one that leads outside. InputError if a named member
    is missing, stands twice, or is a link or a device. InputError if all members together have more than ``limit``
    bytes. After an error nothing has been unpacked.
    """
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with _readable(archive):
            with open(archive, "rb") as file:
                unpack = _extract_zip if file.read(2) == b"PK" else _extract_tar
            unpack(archive, list(members), temporary, limit)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [folder / name for name in members]


def _extract_zip(path: Path, wanted: list[str], folder: Path, limit: int) -> None:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        _check_size(path, len(infos), sum(info.file_size for info in infos), limit)
        _check(path, [info.filename for info in infos], wanted)
        chosen = [info for info in infos if info.filename in wanted]
        for info in chosen:
            kind = info.external_attr >> 16 & 0o170000  # the Unix file type, where the archive has one
            _check_file(path, info.filename, regular=kind in (0, 0o100000) and not info.is_dir())
        for info in chosen:
            with archive.open(info) as stream:  # reads no more than the size that was declared
                _write(stream, folder / info.filename)


def _extract_tar(path: Path, wanted: list[str], folder: Path, limit: int) -> None:
    with tarfile.open(path, "r:*") as archive:
        infos: list[tarfile.TarInfo] = []
        size = 0
        for info in archive:  # one by one: reading stops at the first member that is too much
            infos.append(info)
            size += info.size
            _check_size(path, len(infos), size, limit)
        _check(path, [info.name for info in infos], wanted)
        chosen = [info for info in infos if info.name in wanted]
        for info in chosen:
            _check_file(path, info.name, regular=info.isreg())
        for info in chosen:
            stream = archive.extractfile(info)
            assert stream is not None, "a regular file has content"
            with stream:
                _write(stream, folder / info.name)


def _check(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    for name in names:
        if name not in (".", "./"):  # the archive's own folder
            try:
                check_member_name(name)
            except InputError as error:
                raise InputError(f"{path}: a member {error}") from error
    for name in wanted:
        if names.count(name) != 1:
            raise InputError(f"{path}: must hold {name} once, but holds it {names.count(name)} times")


def _check_file(path: Path, name: str, *, regular: bool) -> None:
    if not regular:
        raise InputError(f"{path}: {name} must be a file, but is a folder, a link or a device")


def _check_size(path: Path, members: int, size: int, limit: int) -> None:
    if size > limit:
        raise InputError(f"{path}: must unpack to at most {limit} bytes (--max-gib), but has {size} or more")
    if members > MOST_MEMBERS:
        raise InputError(f"{path}: must have at most {MOST_MEMBERS} members, but has more")


def _write(stream: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "xb") as file:
        shutil.copyfileobj(stream, file)
