"""Cleaning: what a line becomes and which pairs are dropped; in batches, over any number of processes.

Lines are put into clean form (clean_form.py). A pair is dropped for the first of REASONS that holds, or else as a
duplicate of a kept pair. The counts always agree: kept + dropped = read. Memory grows by 16 bytes a kept pair
(duplicates.py), and by nothing else.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.base.command_line import OneLineParser, comma_list, run_command
from data_prep.base.errors import InputError
from data_prep.base.files import atomic_files, write_json
from data_prep.base.text_files import line_blocks
from data_prep.base.workers import check_workers, cores, in_order, worker_pool
from data_prep.cleaning.clean_form import Measures, clean_text, key_hashes, match_key, normalise
from data_prep.cleaning.duplicates import Seen, combine, contains, hash_keys, hash_sorted
from data_prep.cleaning.language_id import check_language_id, other_language
from data_prep.corpora.readers import Part, Tally, iter_lines

RATIO_SLACK = 2  # tokens added to both sides before they are compared, so that short sentences may differ more
BATCH = 2048  # pairs of a job: large enough for numpy, small enough for the processor's cache

REASONS = (  # "held-out" is for monolingual text
    "empty", "held-out-english", "held-out-source", "held-out", "over-long", "length-ratio", "identical", "language",
)  # fmt: skip
DUPLICATES = ("duplicate", "near-duplicate")  # equal to a kept pair as clean text; equal in letters and digits


@dataclass(frozen=True)
class CleanOptions:
    """The limits of cleaning.

    max_tokens_per_line: tokens of the longest line that is kept.
    length_ratio: most tokens of the longer side per token of the shorter one.
    language_id: whether lines in another language are dropped.
    """

    max_tokens_per_line: int = 250
    length_ratio: float = 4.0
    language_id: bool = False

    def __post_init__(self) -> None:
        if self.max_tokens_per_line < 1:
            raise InputError(f"--max-tokens-per-line must be at least 1 (tokens), but is {self.max_tokens_per_line}")
        if not self.length_ratio >= 1:
            raise InputError(f"--length-ratio must be at least 1, but is {self.length_ratio}")
        if self.language_id:
            check_language_id()


@dataclass(frozen=True)
class Filters:
    """What decides which pairs of a batch are kept.

    langs: the languages of the sides, source first.
    held_out: for each side the sorted hashes (``hash_keys``) of match keys that no kept line may have.
    keep_all: drop only empty pairs. For dev and test sets, whose lines are fixed by the protocol.
    """

    options: CleanOptions = CleanOptions()
    langs: tuple[str, ...] = ("", "")
    held_out: tuple[np.ndarray, ...] = ()
    keep_all: bool = False


@dataclass(frozen=True)
class Batch:
    """The pairs of a batch that are kept so far, and the counts of the others.

    read: pairs before cleaning.
    dropped: dropped pairs by reason.
    sides: the text of each side, a line a pair.
    words: (pairs,) English words.
    exact, near: (pairs,) hashes of the clean texts, and of their match keys.
    """

    read: int
    dropped: Counter[str]
    sides: tuple[bytes, ...]
    words: np.ndarray
    exact: np.ndarray
    near: np.ndarray


def clean_batch(filters: Filters, *sides: str) -> Batch:
    """Clean a batch: one text, or two line-aligned texts, every line ended by a line feed."""
    texts, measures = zip(*map(clean_text, sides), strict=True)
    lines = [text.encode().split(b"\n")[:-1] for text in texts]
    exact = [hash_keys(side) for side in lines]
    near = [key_hashes(text, hashes) for text, hashes in zip(texts, exact, strict=True)]
    reasons = _reasons(filters, measures, exact, near)
    kept = reasons == 0
    if filters.options.language_id and not filters.keep_all:
        for row in np.flatnonzero(kept):
            if any(other_language(side[row].decode(), lang) for side, lang in zip(lines, filters.langs, strict=True)):
                reasons[row], kept[row] = 1 + REASONS.index("language"), False
    counts = np.bincount(reasons, minlength=len(REASONS) + 1)[1:].tolist()
    return Batch(
        read=len(kept),
        dropped=Counter({reason: count for reason, count in zip(REASONS, counts, strict=True) if count}),
        sides=tuple(b"".join([line + b"\n" for line in compress(side, kept)]) for side in lines),
        words=measures[-1].words[kept],
        exact=combine(exact)[kept],
        near=combine(near)[kept],
    )


def _reasons(
    filters: Filters, measures: Sequence[Measures], exact: Sequence[np.ndarray], near: Sequence[np.ndarray]
) -> np.ndarray:
    """For every pair 0, or 1 + the index of the first of REASONS that holds."""
    options, most = filters.options, filters.options.max_tokens_per_line
    holds = {"empty": _any(side.characters == 0 for side in measures)}
    if not filters.keep_all:
        names = ("held-out-source", "held-out-english") if len(measures) == 2 else ("held-out",)
        holds |= {name: contains(held, keys) for name, keys, held in zip(names, near, filters.held_out, strict=False)}
        holds["over-long"] = _any(side.tokens > most for side in measures)
        if len(measures) == 2:
            short, long = np.sort([side.tokens + RATIO_SLACK for side in measures], axis=0)
            holds["length-ratio"] = long > options.length_ratio * short
            holds["identical"] = exact[0] == exact[1]
    ordered = [name for name in REASONS if name in holds]
    return np.select([holds[name] for name in ordered], [1 + REASONS.index(name) for name in ordered])


def _any(conditions: Iterable[np.ndarray]) -> np.ndarray:
    return np.logical_or.reduce(list(conditions))


@dataclass
class Duplicates:
    """The kept pairs of one or several corpora, as hashes of their clean texts and of their match keys."""

    exact: Seen = field(default_factory=Seen)
    near: Seen = field(default_factory=Seen)

    def drop(self, batch: Batch) -> Batch:
        """The batch without pairs that repeat a kept pair; the pairs that stay are added to the kept ones."""
        kept = self.near.add(batch.near)
        self.exact.add(batch.exact[kept])
        if kept.all():
            return batch
        exact_repeats = int(self.exact.holds(batch.exact[~kept]).sum())
        repeats = dict(zip(DUPLICATES, (exact_repeats, int((~kept).sum()) - exact_repeats), strict=True))
        sides = tuple(_take_lines(side, kept) for side in batch.sides)
        dropped = batch.dropped + Counter(repeats)
        return Batch(batch.read, dropped, sides, batch.words[kept], batch.exact[kept], batch.near[kept])


def _take_lines(text: bytes, kept: np.ndarray) -> bytes:
    """The lines of a text for which ``kept`` (lines,) is true; lines end in line feeds."""
    data = np.frombuffer(text, np.uint8)
    return data[np.repeat(kept, np.diff(np.flatnonzero(data == 10), prepend=-1))].tobytes()


@dataclass
class Count:
    """Counts of the pairs of a text, read, kept and dropped by reason, and of the English words of kept pairs."""

    read: int = 0
    kept: int = 0
    words: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Batch) -> None:
        """Add the counts of a cleaned batch; RuntimeError unless kept + dropped = read."""
        self.read += batch.read
        self.kept += len(batch.words)
        self.words += int(batch.words.sum())
        self.dropped.update(batch.dropped)
        if self.kept + self.dropped.total() != self.read:
            raise RuntimeError(f"cleaning lost lines: {self}")

    def as_json(self) -> dict[str, Any]:
        """The counts of pairs as JSON holds them, reasons sorted."""
        return {"read": self.read, "kept": self.kept, "dropped": dict(sorted(self.dropped.items()))}


@dataclass(frozen=True)
class Stream:
    """How the batches of one name are cleaned.

    Streams that share ``kept`` have no duplicates of each other.
    """

    filters: Filters
    kept: Duplicates = field(default_factory=Duplicates)


Named = tuple[str, tuple[Sequence[str], ...]]  # a stream's name, and the lines of each side, aligned


def clean_batches(
    batches: Iterable[Named], streams: Mapping[str, Stream], pool: Executor | None = None
) -> Iterator[tuple[str, Batch]]:
    """(name of the stream, clean batch) in the order of the lines. The lines do not depend on the pool."""
    for name, batch in in_order(pool, _clean_named, _jobs(batches, streams)):
        stream = streams[name]
        yield name, batch if stream.filters.keep_all else stream.kept.drop(batch)


def _jobs(batches: Iterable[Named], streams: Mapping[str, Stream]) -> Iterator[tuple]:
    for name, sides in batches:
        for start in range(0, len(sides[0]), BATCH):
            texts = (_as_text(side[start : start + BATCH]) for side in sides)
            yield name, streams[name].filters, *texts


def _as_text(lines: Sequence[str]) -> str:
    """The lines as one text: each ended by a line feed, and line feeds inside lines made spaces."""
    text = "\n".join([*lines, ""])
    return text if text.count("\n") == len(lines) else "".join(line.replace("\n", " ") + "\n" for line in lines)


def _clean_named(name: str, filters: Filters, *sides: str) -> tuple[str, Batch]:
    return name, clean_batch(filters, *sides)


def write_clean(
    batches: Iterable[Named],
    streams: Mapping[str, Stream],
    files: Mapping[str, Sequence[Path]],
    pool: Executor | None = None,
    progress: Callable[[int], object] = lambda lines: None,
) -> dict[str, Count]:
    """Write the clean lines of every stream to ``files`` (one for each side), atomically; returns counts by stream.

    ``progress`` is called with the number of lines read since its last call.
    """
    counts = {name: Count() for name in files}
    with atomic_files([path for name in files for path in files[name]]) as opened:
        handles = dict(zip([path for name in files for path in files[name]], opened, strict=True))
        for name, batch in clean_batches(batches, streams, pool):
            counts[name].add(batch)
            for path, side in zip(files[name], batch.sides, strict=True):
                handles[path].write(side)
            progress(batch.read)
    return counts


def clean_files(sources: Sequence[Path], outs: Sequence[Path], filters: Filters, pool: Executor | None = None) -> Count:
    """Clean one file, or two line-aligned files, from ``sources`` to ``outs``; returns the counts."""
    if len(sources) == 1:
        batches: Iterable[Named] = (("", (lines,)) for lines in line_blocks(sources[0]))
    else:
        part = Part("lines", (sources[0], sources[1]), ("", ""))
        batches = (("", (pairs.source, pairs.english)) for pairs in iter_lines(part, Tally()))
    return write_clean(batches, {"": Stream(filters)}, {"": outs}, pool)[""]


def keys_of(paths: Sequence[Path]) -> set[str]:
    """The match keys of all lines of some files."""
    return {match_key(normalise(line)) for path in paths for lines in line_blocks(path) for line in lines}


def add_clean_arguments(parser: OneLineParser) -> None:
    """Add the flags of CleanOptions."""
    parser.add_argument(
        "--max-tokens-per-line", type=int, default=250, metavar="N",
        help="longest line kept for training, in tokens: white-space words, and of scripts without spaces every 2 "
        "characters (of any script every 10 at least)",
    )  # fmt: skip
    parser.add_argument(
        "--length-ratio", type=float, default=4.0, metavar="R",
        help="most tokens of the longer side per token of the shorter one (2 added to both)",
    )  # fmt: skip
    parser.add_argument(
        "--language-id", action="store_true",
        help="drop training lines that are certainly in another language (needs meta-nmt[language-id])",
    )  # fmt: skip


def add_workers_argument(parser: OneLineParser) -> None:
    """Add the flag of the number of processes."""
    parser.add_argument("--workers", type=int, default=cores(), metavar="N", help="processes; nothing else changes")


def main(argv: Sequence[str] | None = None) -> int:
    """Clean a pair of line-aligned files, or one monolingual file."""
    parser = OneLineParser(prog="python -m data_prep clean", description=main.__doc__)
    parser.add_argument("--source", type=Path, required=True, metavar="FILE", help="plain or .gz text, a line each")
    parser.add_argument("--target", type=Path, metavar="FILE", help="its other side; leave out for monolingual text")
    parser.add_argument("--out-source", type=Path, required=True, metavar="FILE", help="where the clean text goes")
    parser.add_argument("--out-target", type=Path, metavar="FILE", help="where the clean other side goes")
    parser.add_argument("--langs", type=comma_list, default=(), metavar="XX,YY", help="languages, for --language-id")
    parser.add_argument("--counts", type=Path, metavar="FILE", help="write read, kept and dropped counts as JSON")
    for side in ("source", "target"):
        help_text = "dev and test text of this side, which no line may say"
        parser.add_argument(f"--held-out-{side}", type=Path, nargs="+", default=[], metavar="FILE", help=help_text)
    add_clean_arguments(parser)
    add_workers_argument(parser)
    args = parser.parse_args(argv)
    if (args.target is None) != (args.out_target is None):
        raise InputError("--target and --out-target must be given together")
    files = [path for path in (args.source, args.target) if path]
    if args.language_id and len(args.langs) != len(files):
        raise InputError(f"--langs must name a language for each file with --language-id, but names {len(args.langs)}")
    check_workers(args.workers)
    options = CleanOptions(args.max_tokens_per_line, args.length_ratio, args.language_id)
    held_out = tuple(hash_sorted(keys_of(paths)) for paths in (args.held_out_source, args.held_out_target))
    filters = Filters(options, args.langs or ("",) * len(files), held_out)
    with worker_pool(args.workers) as pool:
        count = clean_files(files, [path for path in (args.out_source, args.out_target) if path], filters, pool)
    if args.counts:
        write_json(args.counts, count.as_json())
    print(count.as_json())
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep clean"))
