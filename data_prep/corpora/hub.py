"""Pairs from the ``datasets`` library: its hub (Europarl, WMT, OPUS-100, FLORES, ...) and local parquet, JSON and CSV.

Everything is read in the library's streaming mode, batch by batch. A row is a pair if it has a ``translation`` column
(a text for each language) or a column for each language. Columns of other names can be given.
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

BATCH = 10_000  # rows of a batch
Row = tuple[str | None, str | None]  # source text, English text; None where the row has none


def local_rows(kind: str, path: Path, langs: Sequence[str], columns: Sequence[str] = ()) -> Iterator[list[Row]]:
    """Rows of a local file, in lists; ``kind`` is "parquet", "json" (an object a line, or a list of them) or "csv"."""
    if not path.is_file():
        raise InputError(f"{path}: file is missing")
    options: dict[str, Any] = {"data_files": [str(path)], "split": "train"}
    if kind == "csv":
        with _one_line_errors(str(path)):
            options |= _csv_options(path)
    yield from _pairs(_batches(str(path), kind, **options), str(path), langs, columns)


def hub_rows(corpus: Corpus) -> Iterator[list[Row]]:
    """Rows of a corpus of kind hub, in lists.

    ``config`` may hold two names, of one language each, as FLORES has them. Then rows of equal ``id`` are joined, in
    the order of the first, and ``columns`` (default: sentence) names the columns of the texts.
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
    """Batches of rows, each a mapping of column -> values: of the first ``first`` rows, or of all if ``first`` is 0."""
    with _one_line_errors(where):
        import datasets  # takes seconds to import

        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # the library raises what it logs: once is enough
        rows = datasets.load_dataset(*args, streaming=True, **options)
        yield from (rows.take(first) if first else rows).iter(batch_size=BATCH)


@contextmanager
def _one_line_errors(where: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # the library passes on whatever its many readers raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{where}: cannot be read: {reason[:500]}") from error


def _pairs(
    batches: Iterator[Mapping[str, list[Any]]], where: str, langs: Sequence[str], columns: Sequence[str]
) -> Iterator[list[Row]]:
    number = 1  # that of the batch's first row
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
    """InputError, with the row, if a text is of another type than str or None, or holds a lone surrogate.

    ``number`` is that of the first row.
    """
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
    """Options with which the library reads all columns of a CSV file as text, and blank lines as rows.

    Otherwise a sentence such as "12" or "NA" would be read as a number or as missing.
    """
    csv.field_size_limit(1 << 30)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        names, first = next(rows, []), next(rows, [])
    if len(first) > len(names):  # the library would take the first field for a row number
        raise InputError(f"{path}, row 1: must have {len(names)} fields, as the first line, but has {len(first)}")
    # The Python engine, since pandas' C parser before 3.1 ends a text at its first NUL character.
    # Converters and not the library's features: these become numpy.object_, which the Python engine does not take for
    # text. A column of nothing but numbers would then lose its blanks and leading zeros.
    converters = dict.fromkeys(names, str)
    return {"converters": converters, "keep_default_na": False, "skip_blank_lines": False, "engine": "python"}
