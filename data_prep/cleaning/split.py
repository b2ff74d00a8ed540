"""Splits: hold out dev and test lines, batch by batch."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.base.command_line import OneLineParser, comma_list, run_command
from data_prep.base.data_folder import TextFolder
from data_prep.base.errors import InputError
from data_prep.base.files import atomic_files
from data_prep.corpora.corpus import CorpusFiles, find_corpus, iter_corpus
from data_prep.corpora.id_groups import SeenIds, in_groups
from data_prep.corpora.readers import Parallel, Tally, concatenate

ROLES = ("source", "valid", "target")
HELD_OUT = ("valid", "test")
SPLITS_OF_ROLE = {"source": ("train",), "valid": ("train", "valid"), "target": ("train", "valid", "test")}


@dataclass(frozen=True)
class SplitOptions:
    """How an unsplit corpus is split: by the number of last lines, or by id groups (e.g. books of the Bible)."""

    hold_out_last: tuple[int, int] | None = None  # lines of valid, lines of test
    valid_ids: tuple[str, ...] = ()
    test_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.hold_out_last and (self.valid_ids or self.test_ids):
            raise InputError("--hold-out-last and --valid-ids/--test-ids exclude each other")
        if self.hold_out_last and min(self.hold_out_last) < 1:
            raise InputError(f"--hold-out-last must be two counts of at least 1 (lines), but is {self.hold_out_last}")
        both = set(self.valid_ids) & set(self.test_ids)
        if both:
            raise InputError(f"--valid-ids and --test-ids must not share {sorted(both)[0]}")

    @property
    def groups(self) -> tuple[str, ...]:
        """All id groups that are held out."""
        return (*self.valid_ids, *self.test_ids)


Labelled = tuple[str | None, Parallel]  # a split and some of its pairs; None with pairs that the role does not use


def read_splits(
    files: CorpusFiles, role: str, options: SplitOptions, tally: Tally | None = None, seen: SeenIds | None = None
) -> Iterator[Labelled]:
    """The pairs of the splits that a language of this role has, batch by batch, each in the order of the corpus.

    Held-out ids are held out in every role. Last lines are held out only where the role uses them. The ids are added to
    ``seen``.
    """
    if files.splits == ("all",):
        yield from split_batches(iter_corpus(files, "all", tally), role, options, str(files.all_paths()[0]), seen)
        return
    for split in SPLITS_OF_ROLE[role]:
        if split in files.splits:
            yield from ((split, batch) for batch in iter_corpus(files, split, tally))


def split_batches(
    batches: Iterable[Parallel], role: str, options: SplitOptions, name: str, seen: SeenIds | None = None
) -> Iterator[Labelled]:
    """The pairs of an unsplit corpus, batch by batch, each with its split; ``name`` is the file, for errors."""
    if options.groups:
        yield from _split_by_id(batches, role, options, name, seen or SeenIds())
    elif role == "source" or not options.hold_out_last:
        yield from (("train", batch) for batch in batches)
    else:
        valid, test = options.hold_out_last
        yield from _split_last(batches, valid, test if role == "target" else 0, name)


def _split_last(batches: Iterable[Parallel], valid: int, test: int, name: str) -> Iterator[Labelled]:
    """Batches with their split, where the last lines are held out: ``valid``, then ``test`` lines.

    Only the lines that may be the last ones are held in memory.
    """
    tail = Parallel([], [], [])
    lines = 0
    for batch in batches:
        lines += len(batch)
        tail = concatenate([tail, batch])
        train = range(len(tail) - valid - test)
        if train:
            yield "train", tail.take(train)
            tail = tail.take(range(train.stop, len(tail)))
    if lines <= valid + test:
        raise InputError(f"--hold-out-last: {name} must have more than {valid + test} lines, but has {lines}")
    yield "valid", tail.take(range(valid))
    if test:
        yield "test", tail.take(range(valid, valid + test))


def _split_by_id(
    batches: Iterable[Parallel], role: str, options: SplitOptions, name: str, seen: SeenIds
) -> Iterator[Labelled]:
    for batch in batches:
        if not batch.ids:
            raise InputError(f"--valid-ids/--test-ids: {name} must have ids (id<TAB>text), but has none")
        rows_of_split: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
        for row, key in enumerate(batch.ids):
            seen.see(key, options.groups)
            test, valid = in_groups(key, options.test_ids), in_groups(key, options.valid_ids)
            rows_of_split["test" if test else "valid" if valid else "train"].append(row)
        for split, rows in rows_of_split.items():
            if rows:
                yield split if split in SPLITS_OF_ROLE[role] else None, batch.take(rows)


def check_splits(lines: Mapping[str | None, int], role: str, name: str, seen: SeenIds | None = None) -> None:
    """InputError unless every split that the role needs has lines; ``name`` is the file, for errors.

    ``seen``: the corpus's ids, if it was split by them.
    """
    wanted = SPLITS_OF_ROLE[role]
    absent = [split for split in wanted if not lines.get(split)]
    if absent:
        flags = "give --hold-out-last VALID,TEST or --valid-ids and --test-ids"
        by_id = seen and seen.examples and absent[0] in HELD_OUT
        advice = f"no id of it is in --{absent[0]}-ids: {seen.describe()}" if seen and by_id else flags
        raise InputError(
            f"{name}: a {role} language must have lines in the splits {', '.join(wanted)}, but has none in {absent[0]} "
            f"({advice})"
        )


def two_counts(text: str) -> tuple[int, int]:
    """ "500,1000" -> (500, 1000)."""
    try:
        valid, test = (int(item) for item in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be VALID,TEST (lines), but is {text!r}") from error
    return valid, test


def add_split_arguments(parser: OneLineParser) -> None:
    """Add the flags of SplitOptions."""
    parser.add_argument(
        "--hold-out-last", type=two_counts, metavar="VALID,TEST",
        help="lines: test is the last TEST of a target language, valid the VALID before them "
        "(of a valid language: its last VALID)",
    )  # fmt: skip
    parser.add_argument(
        "--valid-ids", type=comma_list, default=(), metavar="ID,ID", help="id groups of valid, e.g. HEB,JAS"
    )
    parser.add_argument(
        "--test-ids", type=comma_list, default=(), metavar="ID,ID", help="id groups of test, e.g. JHN or JHN.3"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Split the text of one language. (data_prep.clean keeps what valid and test say out of train.)"""
    parser = OneLineParser(prog="python -m data_prep split", description=main.__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder of parallel text")
    parser.add_argument("--lang", required=True, metavar="XX", help="language of the source side")
    parser.add_argument("--target-lang", default="en", metavar="XX", help="language of the other side")
    parser.add_argument("--role", choices=ROLES, default="target", help="what the language is used for")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where <split>.<xx> and <split>.en go")
    add_split_arguments(parser)
    args = parser.parse_args(argv)
    options = SplitOptions(args.hold_out_last, args.valid_ids, args.test_ids)
    files = find_corpus(args.corpus, args.lang, args.target_lang)
    sides = [(split, side) for split in SPLITS_OF_ROLE[args.role] for side in (args.lang, args.target_lang)]
    lines: Counter[str | None] = Counter()
    seen = SeenIds()
    folder = TextFolder(args.out, args.lang, args.target_lang)
    with atomic_files([folder.file(split, side) for split, side in sides]) as opened:
        handles = dict(zip(sides, opened, strict=True))
        for split, batch in read_splits(files, args.role, options, seen=seen):
            lines[split] += len(batch)
            for side, side_lines in zip((args.lang, args.target_lang), (batch.source, batch.english), strict=True):
                if split:
                    handles[split, side].write("".join(line + "\n" for line in side_lines).encode())
        check_splits(lines, args.role, str(files.all_paths()[0]), seen)
        seen.check(options.groups, str(files.all_paths()[0]))
    print({split: lines[split] for split in SPLITS_OF_ROLE[args.role]})
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep split"))
