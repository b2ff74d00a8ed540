"""Readers of parallel text, one for each kind of file: in batches, and with errors that name file and line.

Memory does not grow with the corpus. Every line is counted: kept + dropped = read (``Tally``). A line ends with LF or
CRLF and with nothing else.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from data_prep.base.errors import InputError
from data_prep.base.files import sha256
from data_prep.base.text_files import column_blocks, iter_blocks, line_blocks, open_bytes
from data_prep.corpora import tables, tmx
from data_prep.corpora.archives import member_ending, open_zip

MOST_NAMED = 20  # most names that an error lists of what a file has, and most characters of each
FLAT = str.maketrans("\t\n\r", "   ")  # makes spaces of the characters that a field of a TSV file cannot hold


@dataclass(frozen=True)
class Parallel:
    """Line-aligned text of two sides. ``ids`` holds an id for each line, or nothing if the layout has no ids."""

    source: list[str]
    english: list[str]
    ids: list[str]

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: Sequence[int]) -> "Parallel":
        """The lines of the given rows (0-based), in the given order."""
        ids = [self.ids[row] for row in rows] if self.ids else []
        return Parallel([self.source[row] for row in rows], [self.english[row] for row in rows], ids)


@dataclass
class Tally:
    """Counts of what a reader did with the lines of its source side: kept + dropped (by reason) = read, always."""

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Part:
    """Files that are read together as one text.

    ``kind`` is a key of READERS; ``langs`` are the source language and English.
    """

    kind: str
    paths: tuple[Path, ...]
    langs: tuple[str, str]
    columns: tuple[str, ...] = ()  # names of both columns in parquet, JSON and CSV; (): the usual names


Read = Callable[[Part, Tally], Iterator[Parallel]]


@dataclass(frozen=True)
class Reader:
    """How one kind of file is read.

    read: gives the pairs of a part in batches, and counts in the tally the lines read and dropped.
    files: number of files that a part of this kind consists of.
    endings: endings of the files XX-en<ending> of this kind that a corpus folder may hold.
    """

    read: Read
    files: int = 1
    endings: tuple[str, ...] = ()


READERS: dict[str, Reader] = {}


def register_reader(kind: str, *endings: str, files: int = 1) -> Callable[[Read], Read]:
    """Function decorator: registers a reader as a kind of corpus, for manifests and, by its endings, for folders.

    Raises:
        ValueError: the kind or an ending is registered already.
    """

    def register(read: Read) -> Read:
        taken = [name for name in (kind, *endings) if name in READERS or name in kinds_by_ending()]
        if taken:
            raise ValueError(f"a kind of corpus and its endings must be new, but {', '.join(taken)} is taken")
        READERS[kind] = Reader(read, files, endings)
        return read

    return register


def kinds_by_ending() -> dict[str, str]:
    """Ending of a file XX-en<ending> -> its kind, in the order in which the files are looked for."""
    return {ending: kind for kind, reader in READERS.items() for ending in reader.endings}


def code_of(kind: str) -> str:
    """The sha256 of the source file of a user's own reader; empty for the readers of this module."""
    source = inspect.getfile(READERS[kind].read)
    return "" if source == __file__ else sha256(source)


@register_reader("tsv", ".tsv")
def iter_tsv(part: Part, tally: Tally) -> Iterator[Parallel]:
    """Pairs of one file: X, tab, English."""
    (path,) = part.paths
    for rows in column_blocks(path):
        tally.read += len(rows)
        yield Parallel([row[0] for row in rows], [row[1] for row in rows], [])


@register_reader("id-tsv", files=2)
def iter_by_id(part: Part, tally: Tally) -> Iterator[Parallel]:
    """Pairs of two files of id, tab, text, joined on the id, in the order of the first.

    The second file is held in memory. Lines whose id the second file lacks are dropped. InputError, with the line, if
    an id stands twice.
    """
    path, english_path = part.paths
    english, seen_ids = read_by_id(english_path), set()
    for rows in column_blocks(path):
        for row, (key, _) in enumerate(rows, start=tally.read + 1):
            if key in seen_ids:
                raise InputError(f"{path}, line {row}: ids must differ, but {key!r} stands twice")
            seen_ids.add(key)
        tally.read += len(rows)
        joined = [(text, english[key], key) for key, text in rows if key in english]
        tally.dropped["no-partner"] += len(rows) - len(joined)
        yield Parallel(*([row[column] for row in joined] for column in range(3)))
    if not seen_ids & english.keys():
        raise InputError(f"{path}: must share ids with {english_path.name}, but has none")


def read_by_id(path: Path) -> dict[str, str]:
    """The texts of an ``id<TAB>text`` file by id; InputError, with the line, if an id stands twice."""
    texts: dict[str, str] = {}
    for number, (key, text) in enumerate(chain.from_iterable(column_blocks(path)), start=1):
        if key in texts:
            raise InputError(f"{path}, line {number}: ids must differ, but {key!r} stands twice")
        texts[key] = text
    return texts


@register_reader("lines", files=2)
def iter_lines(part: Part, tally: Tally) -> Iterator[Parallel]:
    """Pairs of two line-aligned files; InputError if their line counts differ."""
    source, english = part.paths
    yield from align(line_blocks(source), line_blocks(english), (str(source), english.name), tally)


def align(
    sources: Iterator[list[str]], english: Iterator[list[str]], names: tuple[str, str], tally: Tally
) -> Iterator[Parallel]:
    """Pairs of two line-aligned sides, given as blocks of lines; InputError, with both ``names``, if counts differ."""
    english_lines = chain.from_iterable(english)
    for block in sources:
        tally.read += len(block)
        english_block = list(islice(english_lines, len(block)))
        if len(english_block) < len(block):
            raise _unequal(names, tally.read + sum(map(len, sources)), tally.read - len(block) + len(english_block))
        yield Parallel(block, english_block, [])
    surplus = sum(1 for _ in english_lines)
    if surplus:
        raise _unequal(names, tally.read, tally.read + surplus)


def _unequal(names: tuple[str, str], lines: int, english_lines: int) -> InputError:
    return InputError(f"{names[0]} and {names[1]}: must have equally many lines, but have {lines} and {english_lines}")


def read_pair(source: Path, english: Path) -> Parallel:
    """All pairs of two line-aligned files; InputError if their line counts differ."""
    return concatenate(iter_lines(Part("lines", (source, english), ("", "")), Tally()))


@register_reader("tmx", ".tmx")
def iter_tmx(part: Part, tally: Tally) -> Iterator[Parallel]:
    """Pairs of a translation memory (TMX); units without a text in both languages are dropped."""
    (path,) = part.paths
    codes: set[str] = set()

    def rows() -> Iterator[tables.Row]:
        with open_bytes(path) as stream:
            for unit in tmx.iter_units(stream, str(path)):
                if len(codes) < MOST_NAMED:
                    codes.update(unit)
                yield tmx.text_of(unit, part.langs[0]), tmx.text_of(unit, part.langs[1])

    yield from pairs_of(tables.in_batches(rows()), str(path), part.langs, tally, codes)


@register_reader("csv", ".csv")
@register_reader("json", ".jsonl", ".json")
@register_reader("parquet", ".parquet")
def iter_dataset(part: Part, tally: Tally) -> Iterator[Parallel]:
    """Pairs of a local parquet, JSON or CSV file; rows without a text in both languages are dropped."""
    (path,) = part.paths
    fields: set[str] = set()
    rows = tables.local_rows(part.kind, path, part.langs, part.columns, fields)
    yield from pairs_of(rows, str(path), part.langs, tally, fields)


def pairs_of(
    batches: Iterator[list[tables.Row]], name: str, langs: Sequence[str], tally: Tally, there: Collection[str] = ()
) -> Iterator[Parallel]:
    """Pairs of the rows that have both texts, each text made one line; InputError, with ``name``, if no row has.

    ``there``: what the file has, language codes or fields, known when all rows are read, for that error.
    """
    kept = 0
    for rows in batches:
        pairs = [(source, english) for source, english in rows if source is not None and english is not None]
        tally.read += len(rows)
        tally.dropped["no-text"] += len(rows) - len(pairs)
        kept += len(pairs)
        yield Parallel(
            [source.translate(FLAT) for source, _ in pairs], [english.translate(FLAT) for _, english in pairs], []
        )
    if not kept:
        message = f"{name}: must hold text in {langs[0]} and {langs[1]}, but none of {tally.read} rows has both"
        raise InputError(message + (f"; the file has {some_of(there)}" if there else ""))


def some_of(names: Iterable[str]) -> str:
    """The names in order, between commas, and dots in place of those over MOST_NAMED; for errors."""
    ordered = [name[:MOST_NAMED] for name in sorted(names)]
    return ", ".join([*ordered[:MOST_NAMED], *(["..."] if len(ordered) > MOST_NAMED else [])])


@register_reader("moses-zip", ".txt.zip")
def iter_zip(part: Part, tally: Tally) -> Iterator[Parallel]:
    """Pairs of a zip file with two line-aligned members, *.xx and *.en, as OPUS distributes them."""
    (path,) = part.paths
    with open_zip(path) as archive:
        source_member, english_member = (member_ending(archive, f".{lang}", str(path)) for lang in part.langs)
        names = (f"{path}: {source_member.filename}", english_member.filename)
        with archive.open(source_member) as source, archive.open(english_member) as english:
            yield from align(
                iter_blocks(source, names[0]), iter_blocks(english, f"{path}: {english_member.filename}"), names, tally
            )


def concatenate(batches: Iterable[Parallel]) -> Parallel:
    """All batches joined into one."""
    whole = Parallel([], [], [])
    for batch in batches:
        whole.source.extend(batch.source)
        whole.english.extend(batch.english)
        whole.ids.extend(batch.ids)
    return whole
