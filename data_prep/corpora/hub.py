"""Pairs from the ``datasets`` library: its hub (Europarl, WMT, OPUS-100, FLORES, ...) and local parquet, JSON and CSV.

Everything is read in its streaming mode, batch by batch. A row is a pair where it has a ``translation`` column (a text
for each language) or a column for each language; other columns can be named.
"""

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from data_prep.base.errors import InputError
from data_prep.corpora.entry import Corpus

BATCH = 10_000  # rows
Row = tuple[str | None, str | None]  # None where the row has no such text


def local_rows(kind: str, path: Path, langs: Sequence[str], columns: Sequence[str] = ()) -> Iterator[list[Row]]:
    """Rows of a local file; ``kind`` is "parquet", "json" (one object a line, or a list of them) or "csv"."""
    if not path.is_file():
        raise InputError(f"{path}: file is missing")
    options: dict[str, Any] = {"data_files": [str(path)], "split": "train"}
    if kind == "csv":
        with _one_line_errors(str(path)):
            options |= _csv_options(path)
    yield from _pairs(_batches(str(path), kind, **options), str(path), langs, columns)


def hub_rows(corpus: Corpus) -> Iterator[list[Row]]:
    """Rows of a corpus of kind hub.

    With two names in ``config``, of one language each (as FLORES has them), rows of equal ``id`` are joined, in the
    order of the first; ``columns`` (default: sentence) says where the texts are.
    """
    names = [[corpus.hub, side] for side in corpus.config] or [[corpus.hub]]
    streams = [_batches(" ".join(name), *name, **_options(corpus)) for name in names]
    if len(streams) == 1:
        yield from _pairs(streams[0], " ".join(names[0]), corpus.languages, corpus.columns)
        return
    source_texts, english_texts = (
        _texts_by_id(stream, " ".join(name), column)
        for stream, name, column in zip(streams, names, corpus.columns or ("sentence", "sentence"), strict=True)
    )
    english_by_id = dict(english_texts)
    rows = ((text, english_by_id.get(key)) for key, text in source_texts)
    while batch := list(islice(rows, BATCH)):
        yield batch


def _options(corpus: Corpus) -> dict[str, Any]:
    return {"split": corpus.hub_split, "revision": corpus.revision or None, "first": corpus.first}


def _batches(where: str, *args: str, first: int = 0, **options: Any) -> Iterator[Mapping[str, list[Any]]]:
    """Batches of rows, each a column -> values; of all rows, or of the ``first`` so many."""
    with _one_line_errors(where):
        import datasets  # takes seconds to import

        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # its errors are raised too: one line is enough
        rows = datasets.load_dataset(*args, streaming=True, **options)
        yield from (rows.take(first) if first else rows).iter(batch_size=BATCH)


@contextmanager
def _one_line_errors(where: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # the library lets through whatever its many readers raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{where}: cannot be read: {reason[:500]}") from error


def _pairs(
    batches: Iterator[Mapping[str, list[Any]]], where: str, langs: Sequence[str], columns: Sequence[str]
) -> Iterator[list[Row]]:
    number = 1  # of the batch's first row
    for batch in batches:
        sides = [_column(batch, where, langs, column) for column in (columns or langs)]
        for texts in sides:
            _check_texts(texts, where, number)
        rows = list(zip(*sides, strict=True))
        yield rows
        number += len(rows)


def _column(batch: Mapping[str, list[Any]], where: str, langs: Sequence[str], column: str) -> list[Any]:
    if column in batch:
        return batch[column]
    if "translation" in batch and column in langs:
        return [None if texts is None else texts.get(column) for texts in batch["translation"]]
    raise InputError(
        f"{where}: must have a column translation, or columns {langs[0]} and {langs[1]}, or those that are named "
        f"(columns: [X, Y]), but has {', '.join(batch)}"
    )


def _check_texts(texts: Sequence[Any], where: str, number: int) -> None:
    """InputError names the row that is neither text nor empty, or that UTF-8 cannot write (a lone surrogate)."""
    for row, text in enumerate(texts, start=number):
        if not (text is None or isinstance(text, str)):
            raise InputError(f"{where}, row {row}: must be text, but is {type(text).__name__}")
        if text and not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                raise InputError(f"{where}, row {row}: must be Unicode text, but has a lone surrogate") from error


def _texts_by_id(batches: Iterator[Mapping[str, list[Any]]], where: str, column: str) -> Iterator[tuple[Any, Any]]:
    number = 1
    for batch in batches:
        if not {"id", column} <= batch.keys():
            raise InputError(f"{where}: must have columns id and {column}, but has {', '.join(batch)}")
        _check_texts(batch[column], where, number)
        number += len(batch[column])
        yield from zip(batch["id"], batch[column], strict=True)


def _csv_options(path: Path) -> dict[str, Any]:
    """Every column is text (a sentence may be "12" or "NA"), and blank lines are rows."""
    csv.field_size_limit(1 << 30)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        names, first = next(rows, []), next(rows, [])
    if len(first) > len(names):  # the library would take its first field for a row number
        raise InputError(f"{path}, row 1: must have {len(names)} fields, as the first line, but has {len(first)}")
    # before 3.1, pandas' C parser ends a text at its first NUL; the other engine loses nothing
    # converters, not the library's features: for those it says numpy.object_, which that engine does not take for
    # text, so that a column of nothing but numbers would lose its blanks and zeros
    converters = dict.fromkeys(names, str)
    return {"converters": converters, "keep_default_na": False, "skip_blank_lines": False, "engine": "python"}
