"""Pairs from the hub of the ``datasets`` library: Europarl, WMT, OPUS-100, FLORES and others.

Everything is read in the library's streaming mode, batch by batch.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from data_prep.base.errors import InputError
from data_prep.corpora.entry import Corpus
from data_prep.corpora.tables import BATCH, Row, check_texts, one_line_errors, rows_of


def hub_rows(corpus: Corpus) -> Iterator[list[Row]]:
    """Rows of a corpus of kind hub, in lists.

    ``config`` may hold two names, of one language each, as FLORES has them. Then rows of equal ``id`` are joined, in
    the order of the first, and ``columns`` (default: sentence) names the columns of the texts.
    """
    names = [[corpus.hub, side] for side in corpus.config] or [[corpus.hub]]
    streams = [_batches(" ".join(name), *name, **_options(corpus)) for name in names]
    if len(streams) == 1:
        yield from rows_of(streams[0], " ".join(names[0]), corpus.languages, corpus.columns)
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
    with one_line_errors(where):
        import datasets  # takes seconds to import

        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # the library raises what it logs: once is enough
        rows = datasets.load_dataset(*args, streaming=True, **options)
        yield from (rows.take(first) if first else rows).iter(batch_size=BATCH)


def _texts_by_id(batches: Iterator[Mapping[str, list[Any]]], where: str, column: str) -> Iterator[tuple[Any, Any]]:
    number = 1
    for batch in batches:
        if not {"id", column} <= batch.keys():
            raise InputError(f"{where}: must have columns id and {column}, but has {', '.join(batch)}")
        check_texts(batch[column], where, number)
        number += len(batch[column])
        yield from zip(batch["id"], batch[column], strict=True)
