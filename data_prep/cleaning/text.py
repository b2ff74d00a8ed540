"""Clean text of a data folder: the splits and samples of a language, what became of every line, monolingual text."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.base.data_folder import MonoFiles, TextFolder
from data_prep.base.errors import InputError
from data_prep.base.files import write_json, write_text
from data_prep.base.text_files import line_blocks
from data_prep.cleaning.clean import CleanOptions, Count, Duplicates, Filters, Named, Stream, write_clean
from data_prep.cleaning.split import SPLITS_OF_ROLE, SplitOptions, read_splits
from data_prep.cleaning.subsample import draw_from, write_index, write_samples
from data_prep.corpora.corpus import CorpusFiles, iter_mono
from data_prep.corpora.readers import Tally


@dataclass(frozen=True)
class LanguageText:
    """The raw parallel text of a language, the options of its splits and samples, and the folder for the clean text.

    ``budgets`` and ``seeds``: of the low-resource samples of a target language (``subsample.draw_from``).
    """

    corpus: CorpusFiles
    role: str
    split: SplitOptions
    clean: CleanOptions
    budgets: tuple[int, ...] | None
    seeds: tuple[int, ...]
    folder: TextFolder


def write_splits(
    text: LanguageText,
    held_out: tuple[np.ndarray, np.ndarray],
    pool: Executor | None = None,
    progress: Callable[[int], object] = lambda lines: None,
) -> list[Path]:
    """Write the splits and samples of a language, and the report of its lines; returns the files written.

    ``held_out``: sorted hashes of the match keys that its training text must not have, for the source side and English.
    """
    folder, name = text.folder, str(text.corpus.all_paths()[0])
    streams = {
        split: Stream(Filters(text.clean, (folder.lang, folder.english), held_out, keep_all=split != "train"))
        for split in SPLITS_OF_ROLE[text.role]
    }
    tally = Tally()

    def batches() -> Iterator[Named]:
        for split, pairs in read_splits(text.corpus, text.role, text.split, tally):
            if split:
                yield split, (pairs.source, pairs.english)
            else:
                tally.dropped["held-out-id"] += len(pairs)

    files = {split: folder.sides(split) for split in streams}
    counts = write_clean(batches(), streams, files, pool, progress)
    empty = [split for split, count in counts.items() if not count.kept]
    if empty:
        raise InputError(f"{name}: {empty[0]} must keep a pair after cleaning, but has none")
    written = [path for split in files for path in files[split]]
    report = cleaning_report(tally, counts)
    if text.role == "target":
        drawn = draw_from(files["train"], text.budgets, text.seeds, f"the training text of {folder.lang}")
        written += [*write_samples(drawn.samples, files["train"], folder), folder.samples]
        write_index(folder.samples, drawn, files["train"])
        report["splits"] |= {
            sample.name: {"lines": len(sample.rows), "english_tokens": sample.english_tokens}
            for sample in drawn.samples
        }
        report |= {"zero_shot": drawn.zero_shot, "left_out": drawn.left_out}
    write_json(folder.cleaning, report)
    write_text(folder.cleaning_table, cleaning_table(f"{folder.lang}-{folder.english}", report))
    return [*written, folder.cleaning, folder.cleaning_table]


def cleaning_report(tally: Tally, counts: Mapping[str, Count]) -> dict[str, Any]:
    """The content of cleaning.json: what became of every line read. RuntimeError unless kept + dropped = read."""
    dropped = sum((count.dropped for count in counts.values()), Counter(tally.dropped))
    kept = sum(count.kept for count in counts.values())
    if kept + dropped.total() != tally.read:
        raise RuntimeError(f"{tally.read} lines were read, but {kept} kept and {dropped.total()} dropped: {dropped}")
    splits = {
        name: {"lines": count.kept, "english_tokens": count.words, "dropped": dict(sorted(count.dropped.items()))}
        for name, count in counts.items()
    }
    return {"read": tally.read, "kept": kept, "dropped": dict(sorted(dropped.items())), "splits": splits}


def cleaning_table(name: str, report: Mapping[str, Any]) -> str:
    """The content of cleaning.txt: the counts of the report as a table for people; ``name`` is the pair."""
    kept = [(f"  {split}", counts["lines"]) for split, counts in report["splits"].items() if "dropped" in counts]
    reasons = sorted(report["dropped"].items(), key=lambda item: -item[1])
    dropped = [(f"  {reason}", count) for reason, count in reasons]
    rows = [("read", report["read"]), ("kept", report["kept"]), *kept]
    rows += [("dropped", sum(report["dropped"].values())), *dropped]
    lines = [f"{title:<24}{count:>12,}{count / max(1, report['read']):>9.2%}" for title, count in rows]
    return "\n".join([f"{name:<24}{'pairs':>12}{'share':>9}", *lines, ""])


@dataclass(frozen=True)
class MonoText:
    """The monolingual text of a language: clean files of the domain, raw extra files, and the files to write.

    ``held_out``: the sorted hashes of the match keys of lines that are to be left out.
    ``held_ids``: the ids of such lines (``in_groups``).
    """

    files: MonoFiles
    english: str
    domain: Sequence[Path]
    extra: Sequence[Path]
    clean: CleanOptions
    held_out: np.ndarray
    held_ids: Sequence[str]


def write_mono(text: MonoText) -> None:
    """Write clean monolingual text, each line once, and the counts of lines kept and dropped."""
    tally, lang = Tally(), text.files.lang

    def batches() -> Iterator[Named]:
        for lines in chain.from_iterable(map(line_blocks, text.domain)):
            yield "domain", (lines,)
        for path in text.extra:
            for lines in iter_mono(path, lang, text.english, text.held_ids, tally):
                yield "extra", (lines,)

    filters, kept = Filters(text.clean, (lang,), (text.held_out,)), Duplicates()
    streams = {name: Stream(filters, kept) for name in ("domain", "extra")}
    counts = write_clean(batches(), streams, {"domain": [text.files.domain], "extra": [text.files.extra]})
    counts["extra"].read += tally.dropped.total()
    counts["extra"].dropped.update(tally.dropped)
    write_json(text.files.counts, {name: count.as_json() for name, count in counts.items()})
