"""Pairs of tables: local JSON, CSV and parquet files, batch by batch.

A row is a pair if it has a ``translation`` column (a text for each language) or a column for each language. Columns of
other names can be given. No other columns are looked at, so whatever they hold is no fault.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

from data_prep.base.errors import InputError
from data_prep.base.text_files import LONGEST_LINE, line_blocks, open_bytes

BATCH = 10_000  # rows of a batch
BATCH_CHARACTERS = 1 << 24  # a batch with more of them is not filled up
MOST_FIELDS = 100  # whose names are remembered, for errors
BLOCK = 1 << 20  # characters read at once of a JSON list
TRANSLATION = "translation"  # the column that may hold the texts of all languages
BETWEEN = re.compile(r"[\s,]*")  # the items of a JSON list

Row = tuple[str | None, str | None]  # source text, English text; None where the row has none


def local_rows(
    kind: str, path: Path, langs: Sequence[str], columns: Sequence[str] = (), fields: set[str] | None = None
) -> Iterator[list[Row]]:
    """Rows of a local file, in lists; ``kind`` is "parquet", "json" (an object a line, or a list of them) or "csv".

    The names of the fields that JSON objects have are added to ``fields``.
    """
    if not path.is_file():
        raise InputError(f"{path}: file is missing")
    with one_line_errors(str(path)):
        if kind == "json":
            yield from _json_batches(path, columns or langs, fields if fields is not None else set())
        elif kind == "csv":
            yield from in_batches(_csv_rows(path, langs, columns or langs))
        else:
            yield from rows_of(_parquet_batches(path, langs, columns or langs), str(path), langs, columns)


def in_batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Lists of at most BATCH rows. A list ends, too, with the row that brings it to BATCH_CHARACTERS characters."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(text) for text in row if isinstance(text, str))
        if len(batch) == BATCH or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _missing(where: str, langs: Sequence[str], there: Sequence[str]) -> InputError:
    return InputError(
        f"{where}: must have a column translation, or columns {langs[0]} and {langs[1]}, or those that are named "
        f"(columns: [X, Y]), but has {', '.join(there)}"
    )


@contextmanager
def one_line_errors(where: str) -> Iterator[None]:
    """InputError, with ``where``, in place of any exception: libraries pass on whatever their many readers raise."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{where}: cannot be read: {reason[:500]}") from error


def rows_of(
    batches: Iterator[Mapping[str, list[Any]]], where: str, langs: Sequence[str], columns: Sequence[str]
) -> Iterator[list[Row]]:
    """The rows of batches, each a mapping of column -> values; ``where`` is the file, for errors.

    InputError if a column is missing, or holds anything but text.
    """
    number = 1  # that of the batch's first row
    for batch in batches:
        sides = [_column(batch, where, langs, column) for column in (columns or langs)]
        for texts in sides:
            check_texts(texts, where, number)
        rows = list(zip(*sides, strict=True))
        yield rows
        number += len(rows)


def _column(batch: Mapping[str, list[Any]], where: str, langs: Sequence[str], column: str) -> list[Any]:
    if column in batch:
        return batch[column]
    there = list(batch)
    if TRANSLATION in batch and column in langs:
        codes = {code for texts in batch[TRANSLATION] for code in texts or ()}
        if column in codes or not codes:
            return [None if texts is None else texts.get(column) for texts in batch[TRANSLATION]]
        there += [f"{TRANSLATION}.{code}" for code in sorted(codes)]
    raise _missing(where, langs, there)


def check_texts(texts: Sequence[Any], where: str, number: int) -> None:
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


def _parquet_batches(path: Path, langs: Sequence[str], columns: Sequence[str]) -> Iterator[Mapping[str, list[Any]]]:
    import pyarrow.parquet  # slow to import: only where used

    with open_bytes(path) as stream:
        table = pyarrow.parquet.ParquetFile(stream)
        names = table.schema_arrow.names
        missing = set(columns) - set(names)
        if missing and not (TRANSLATION in names and missing <= set(langs)):
            raise _missing(str(path), langs, names)
        needed = [name for name in names if name in {*columns, TRANSLATION}]
        for batch in table.iter_batches(BATCH, columns=needed):
            yield batch.to_pydict()


def _csv_rows(path: Path, langs: Sequence[str], columns: Sequence[str]) -> Iterator[Row]:
    """Rows of a CSV file with a header. Every field is text as it stands: "12" is no number, "NA" not missing."""
    lines = _csv_lines(path)
    names = next(lines, [])
    if not set(columns) <= set(names):
        raise _missing(str(path), langs, names)
    places = [*map(names.index, columns)]
    for number, fields in enumerate(lines, start=1):
        if len(fields) > len(names):
            must = f"{len(names)} fields, as the first line, but has {len(fields)}"
            raise InputError(f"{path}, row {number}: must have {must}")
        source, english = (fields[place] if place < len(fields) else None for place in places)
        yield source, english


def _csv_lines(path: Path) -> Iterator[list[str]]:
    """The fields of each row of a CSV file, its header first."""
    size = 0  # characters of the row, which may go on over many lines

    def lines() -> Iterator[str]:
        nonlocal size
        for line in chain.from_iterable(line_blocks(path)):
            size += len(line) + 1
            if size > LONGEST_LINE:
                raise InputError(f"{path}: must have at most {LONGEST_LINE} characters in a row, but has more")
            yield line + "\n"

    csv.field_size_limit(LONGEST_LINE)
    rows = csv.reader(lines(), strict=True)
    try:
        for row in rows:
            size = 0
            yield row
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}: cannot be read as CSV: {error}") from error


def _json_batches(path: Path, columns: Sequence[str], fields: set[str]) -> Iterator[list[Row]]:
    number = 1  # that of the batch's first row
    for batch in in_batches(_json_rows(path, columns, fields)):
        for texts in zip(*batch, strict=True):
            check_texts(texts, str(path), number)
        yield batch
        number += len(batch)


def _json_rows(path: Path, columns: Sequence[str], fields: set[str]) -> Iterator[Row]:
    source, english = columns
    for item in _json_objects(path):
        texts = item.get(TRANSLATION)
        translation = texts if isinstance(texts, dict) else {}
        if len(fields) < MOST_FIELDS:
            fields.update(item, (f"{TRANSLATION}.{code}" for code in translation))
        yield item.get(source, translation.get(source)), item.get(english, translation.get(english))


def _json_objects(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON file: one a line, or those of a list. InputError if something else is there."""
    with open_bytes(path) as stream:
        start = stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"["):
        with open_bytes(path) as stream:
            for number, item in enumerate(_json_items(stream, str(path)), start=1):
                yield _checked(item, f"{path}, row {number}")
        return
    for number, line in enumerate(chain.from_iterable(line_blocks(path)), start=1):
        if line.strip():
            yield _checked(_decoded(json.loads, f"{path}, line {number}", line), f"{path}, line {number}")


def _checked(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise InputError(f"{where}: must be a JSON object, but is {type(item).__name__}")
    return item


def _decoded(decode: Callable[..., Any], where: str, *given: Any) -> Any:
    try:
        return decode(*given)
    except RecursionError as error:
        raise InputError(f"{where}: cannot be read as JSON: nested too deeply") from error
    except ValueError as error:  # no JSON, or a number of thousands of digits
        raise InputError(f"{where}: cannot be read as JSON: {error}") from error


def _json_items(stream: IO[bytes], where: str) -> Iterator[Any]:
    """The items of a JSON list, one after the other; the stream begins with its bracket."""
    reader, decode = io.TextIOWrapper(stream, "utf-8-sig"), json.JSONDecoder().raw_decode
    text, place, number = reader.read(BLOCK).lstrip(), 1, 1
    while True:
        place = BETWEEN.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing too
        if text.startswith("]", place):
            if (text[place + 1 :] + reader.read(BLOCK)).strip():
                raise InputError(f"{where}: must be a JSON list alone, but goes on after it")
            return
        try:
            item, place = decode(text, place)
        except json.JSONDecodeError:  # perhaps because the item goes on
            block = reader.read(max(BLOCK, len(text)))  # twice as much each time, so that a long item takes no longer
            if not block or len(text) - place > LONGEST_LINE:
                _decoded(decode, f"{where}, row {number}", text, place)
            text, place = text[place:] + block, 0
        except (RecursionError, ValueError):
            _decoded(decode, f"{where}, row {number}", text, place)
        else:
            yield item
            number += 1
