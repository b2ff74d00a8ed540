"""Splits: hold out dev and test lines, and keep what they say out of the training text of every language."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.clean import match_key, normalise
from data_prep.corpus import Parallel, comma_list, find_corpus, in_groups, read_corpus
from data_prep.errors import InputError, OneLineParser, run_command
from data_prep.provenance import write_lines

ROLES = ("source", "valid", "target")
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


def split_corpus(parts: dict[str, Parallel], role: str, options: SplitOptions, name: str) -> dict[str, Parallel]:
    """The splits that a language of this role has; ``name`` is the file, for errors.

    Ids held out are held out in every role; last lines are held out where the role uses them.
    """
    wanted = SPLITS_OF_ROLE[role]
    if "all" in parts:
        parts = _split_whole(parts["all"], role, options, name)
    absent = [split for split in wanted if split not in parts]
    if absent:
        raise InputError(
            f"{name}: a {role} language must have the splits {', '.join(wanted)}, but has no {absent[0]} "
            f"(give --hold-out-last VALID,TEST or --valid-ids and --test-ids)"
        )
    empty = [split for split in wanted if not len(parts[split])]
    if empty:
        raise InputError(f"{name}: the {empty[0]} split must have at least one line, but is empty")
    return {split: parts[split] for split in wanted}


def _split_whole(text: Parallel, role: str, options: SplitOptions, name: str) -> dict[str, Parallel]:
    if options.valid_ids or options.test_ids:
        return _split_by_id(text, options, name)
    if role == "source" or not options.hold_out_last:
        return {"train": text}
    valid, test = options.hold_out_last
    if role == "valid":
        test = 0
    train = len(text) - valid - test
    if train < 1:
        raise InputError(f"--hold-out-last: {name} must have more than {valid + test} lines, but has {len(text)}")
    rows = range(len(text))
    parts = {"train": text.take(rows[:train]), "valid": text.take(rows[train : train + valid])}
    return parts | ({"test": text.take(rows[train + valid :])} if test else {})


def _split_by_id(text: Parallel, options: SplitOptions, name: str) -> dict[str, Parallel]:
    if not text.ids:
        raise InputError(f"--valid-ids/--test-ids: {name} must have ids (id<TAB>text), but has none")
    rows: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
    for row, key in enumerate(text.ids):
        split = (
            "test" if in_groups(key, options.test_ids) else "valid" if in_groups(key, options.valid_ids) else "train"
        )
        rows[split].append(row)
    return {split: text.take(found) for split, found in rows.items()}


def held_out_keys(parts: dict[str, Parallel]) -> tuple[set[str], set[str]]:
    """Match keys of the source and of the English side of valid and test."""
    held = [parts[split] for split in ("valid", "test") if split in parts]
    source = {match_key(normalise(line)) for text in held for line in text.source}
    english = {match_key(normalise(line)) for text in held for line in text.english}
    return source, english


def remove_held_out(text: Parallel, held_source: set[str], held_english: set[str]) -> tuple[Parallel, dict[str, int]]:
    """Training pairs whose English is in no dev or test set, and whose source is in none of its own language."""
    kept: list[int] = []
    dropped = {"held-out-english": 0, "held-out-source": 0}
    for row in range(len(text)):
        if match_key(normalise(text.english[row])) in held_english:
            dropped["held-out-english"] += 1
        elif match_key(normalise(text.source[row])) in held_source:
            dropped["held-out-source"] += 1
        else:
            kept.append(row)
    return text.take(kept), {reason: count for reason, count in dropped.items() if count}


def two_counts(text: str) -> tuple[int, int]:
    """ "500,1000" -> (500, 1000)."""
    try:
        valid, test = (int(item) for item in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be VALID,TEST (lines), but is {text!r}") from error
    return valid, test


def add_split_arguments(parser: OneLineParser) -> None:
    """The flags of SplitOptions."""
    parser.add_argument(
        "--hold-out-last", type=two_counts, metavar="VALID,TEST",
        help="lines: test is the last TEST of a target language, valid the VALID before them "
        "(of a valid language: its last VALID)",
    )  # fmt: skip
    parser.add_argument(
        "--valid-ids", type=comma_list, default=(), metavar="ID,ID", help="id groups of valid, e.g. HEB,JAS"
    )
    parser.add_argument("--test-ids", type=comma_list, default=(), metavar="ID,ID", help="id groups of test, e.g. JHN")


def main(argv: Sequence[str] | None = None) -> int:
    """Split the text of one language and take its dev and test sentences out of its training text."""
    parser = OneLineParser(prog="python -m data_prep.split", description=main.__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder of parallel text")
    parser.add_argument("--lang", required=True, metavar="XX", help="language of the source side")
    parser.add_argument("--target-lang", default="en", metavar="XX", help="language of the other side")
    parser.add_argument("--role", choices=ROLES, default="target", help="what the language is used for")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where <split>.<xx> and <split>.en go")
    add_split_arguments(parser)
    args = parser.parse_args(argv)
    options = SplitOptions(args.hold_out_last, args.valid_ids, args.test_ids)
    files = find_corpus(args.corpus, args.lang, args.target_lang)
    parts = split_corpus(read_corpus(files), args.role, options, str(files.all_paths()[0]))
    parts["train"], dropped = remove_held_out(parts["train"], *held_out_keys(parts))
    for split, text in parts.items():
        write_lines(args.out / f"{split}.{args.lang}", text.source)
        write_lines(args.out / f"{split}.{args.target_lang}", text.english)
    print({split: len(text) for split, text in parts.items()} | {"dropped": dropped})
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep.split"))
