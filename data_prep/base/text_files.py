"""Text files, plain or gzip: strict UTF-8, read in blocks of lines, with errors that name the file and the line.

A line ends with LF or CRLF and with nothing else. Memory does not grow with the file.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO

from data_prep.base.errors import InputError

BATCH = 65_536  # most pairs or lines of a batch

GZIP = b"\x1f\x8b"  # begins every gzip file, and no text: it is not UTF-8
ARCHIVES = {  # first bytes -> the kind of file; a download may have any name
    b"PK\3\4": "zip",
    b"BZh91AY&SY": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x28\xb5\x2f\xfd": "zstd",
}

BLOCK = 1 << 22  # bytes read at once

LONGEST_LINE = 1 << 26  # bytes; a file with longer lines is no text


def plain_or_gz(path: Path) -> Path | None:
    """``path`` or ``path.gz``, whichever exists; InputError if both do."""
    existing = [candidate for candidate in (path, path.with_name(path.name + ".gz")) if candidate.is_file()]
    if len(existing) == 2:
        raise InputError(f"{path}: must exist once, but {existing[1].name} lies beside it")
    return existing[0] if existing else None


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a plain or gzip file; InputError if it is missing or a damaged gzip file.

    A gzip file is known by its first bytes, since a download may have any name; one named .gz must be one.
    """
    try:
        with open(path, "rb") as file:
            start = file.peek(max(map(len, ARCHIVES)))
            kind = next((kind for magic, kind in ARCHIVES.items() if start.startswith(magic)), None)
            if kind:
                raise InputError(f"{path}: must be plain or gzip, but is a {kind} file: unpack it first")
            packed = path.suffix == ".gz" or start.startswith(GZIP)
            yield gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[misc]
    except FileNotFoundError as error:
        raise InputError(f"{path}: file is missing") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: must be a whole gzip file: {error}") from error


def iter_blocks(stream: IO[bytes], name: str) -> Iterator[list[str]]:
    """Lists of at most BATCH lines of UTF-8 text, without line ends; ``name`` is the file, for errors.

    InputError if the text is nothing but white space. InputError, with the line's number, if a line is not UTF-8 or has
    more than LONGEST_LINE bytes.
    """
    number, blank = 1, True  # number: that of the block's first line
    while data := stream.read(BLOCK):
        if not data.endswith(b"\n"):
            started = len(data) - 1 - data.rfind(b"\n")  # bytes of the line that the block cuts
            rest = stream.readline(max(1, LONGEST_LINE + 1 - started))
            if started + len(rest.removesuffix(b"\n")) > LONGEST_LINE:
                line = number + data.count(b"\n")
                raise InputError(f"{name}, line {line}: must have at most {LONGEST_LINE} bytes, but has more")
            data += rest
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = number + data.count(b"\n", 0, error.start)
            raise InputError(f"{name}, line {line}: must be UTF-8, but has byte 0x{data[error.start]:02x}") from error
        if number == 1:
            text = text.removeprefix("\ufeff")
        blank = blank and not text.strip()
        lines = text.removesuffix("\n").split("\n")
        if "\r" in text:
            lines = [line.removesuffix("\r") for line in lines]
        number += len(lines)
        for start in range(0, len(lines), BATCH):
            yield lines[start : start + BATCH]
    if blank:
        raise InputError(f"{name}: must hold at least one line of text, but is empty")


def line_blocks(path: Path) -> Iterator[list[str]]:
    """Lists of at most BATCH lines of a plain or gzip file, with the errors of ``iter_blocks``."""
    with open_bytes(path) as stream:
        yield from iter_blocks(stream, str(path))


def read_lines(path: Path) -> list[str]:
    """The lines of a plain or gzip UTF-8 file, without line ends (LF or CRLF).

    InputError if the file is missing, empty, not UTF-8 (with the line number) or a damaged gzip file.
    """
    return list(chain.from_iterable(line_blocks(path)))


def column_blocks(path: Path) -> Iterator[list[list[str]]]:
    """Lists of rows of a file of two tab-separated columns; InputError names a line that has not exactly two."""
    number = 0
    for lines in line_blocks(path):
        rows = [line.split("\t") for line in lines]
        for offset, row in enumerate(rows, start=1):
            if len(row) != 2:
                line = number + offset
                raise InputError(f"{path}, line {line}: must have 2 tab-separated columns, but has {len(row)}")
        yield rows
        number += len(rows)
