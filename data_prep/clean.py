"""Cleaning: Unicode NFC, white space, control characters; drops empty, over-long, ill-matched and repeated pairs.

Accounting holds always: pairs kept + pairs dropped by reason = pairs read.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.corpus import Parallel, read_lines, read_pair
from data_prep.errors import InputError, OneLineParser, run_command
from data_prep.provenance import write_json, write_lines

JOINERS = "\u200c\u200d"  # format characters that spell words in Persian and Indic scripts: kept
CHARACTERS_PER_TOKEN = 10  # over-long also for text without spaces
RATIO_SLACK = 10  # characters added to both sides, so that short sentences may differ more


@dataclass(frozen=True)
class CleanOptions:
    """Limits: white-space tokens of a line; characters of the longer side over the shorter one's."""

    max_tokens_per_line: int = 250
    length_ratio: float = 4.0

    def __post_init__(self) -> None:
        if self.max_tokens_per_line < 1:
            raise InputError(f"--max-tokens-per-line must be at least 1 (tokens), but is {self.max_tokens_per_line}")
        if not self.length_ratio >= 1:
            raise InputError(f"--length-ratio must be at least 1, but is {self.length_ratio}")


def normalise(line: str) -> str:
    """One line in NFC, with control and invisible format characters removed and white space made single spaces."""
    text = " ".join(line.split())
    if not text.isascii() or not text.isprintable():
        text = "".join(char for char in text if char in JOINERS or unicodedata.category(char) not in ("Cc", "Cf"))
        text = " ".join(unicodedata.normalize("NFC", text).split())
    return text


def match_key(line: str) -> str:
    """What two lines share when they say the same: letters and digits only, case folded."""
    key = "".join(filter(str.isalnum, line.casefold()))
    return key or line  # a line of signs alone is itself


def over_long(line: str, max_tokens: int) -> bool:
    """More than ``max_tokens`` white-space tokens, or 10 characters for each of them."""
    return len(line) > CHARACTERS_PER_TOKEN * max_tokens or line.count(" ") + 1 > max_tokens


def drop_reason(source: str, english: str, options: CleanOptions) -> str | None:
    """Why a normalised pair is not kept, or None."""
    if not source or not english:
        return "empty"
    if any(over_long(line, options.max_tokens_per_line) for line in (source, english)):
        return "over-long"
    short, long = sorted((len(source) + RATIO_SLACK, len(english) + RATIO_SLACK))
    if long > options.length_ratio * short:
        return "length-ratio"
    return None


def clean_pairs(
    text: Parallel, options: CleanOptions, *, keep_repeats: bool = False
) -> tuple[Parallel, dict[str, int]]:
    """The kept pairs, normalised and in their order, and counts of the dropped ones by reason.

    ``keep_repeats`` is for dev and test sets, whose lines are the protocol's: only empty pairs are dropped there.
    """
    seen: set[tuple[str, str]] = set()
    dropped: Counter[str] = Counter()
    kept: list[int] = []
    pairs = [(normalise(x), normalise(y)) for x, y in zip(text.source, text.english, strict=True)]
    for row, pair in enumerate(pairs):
        reason = drop_reason(*pair, options)
        if keep_repeats and reason != "empty":
            reason = None
        elif reason is None and pair in seen:
            reason = "duplicate"
        if reason:
            dropped[reason] += 1
        else:
            seen.add(pair)
            kept.append(row)
    normal = Parallel([pair[0] for pair in pairs], [pair[1] for pair in pairs], text.ids)
    return normal.take(kept), dict(sorted(dropped.items()))


def clean_mono(
    lines: Iterable[str], options: CleanOptions, held_out: set[str] | frozenset[str] = frozenset()
) -> tuple[list[str], dict[str, int]]:
    """The same for monolingual lines; ``held_out`` holds the match keys of lines that must not be seen."""
    dropped: Counter[str] = Counter()
    kept: dict[str, None] = {}
    for line in map(normalise, lines):
        if not line:
            dropped["empty"] += 1
        elif over_long(line, options.max_tokens_per_line):
            dropped["over-long"] += 1
        elif line in kept:
            dropped["duplicate"] += 1
        elif held_out and match_key(line) in held_out:
            dropped["held-out"] += 1
        else:
            kept[line] = None
    return list(kept), dict(sorted(dropped.items()))


def add_clean_arguments(parser: OneLineParser) -> None:
    """The flags of CleanOptions."""
    parser.add_argument(
        "--max-tokens-per-line", type=int, default=250, metavar="N",
        help="longest line kept for training, in white-space tokens (and 10 times as many characters)",
    )  # fmt: skip
    parser.add_argument(
        "--length-ratio", type=float, default=4.0, metavar="R",
        help="most characters of the longer side per character of the shorter one (10 added to both)",
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Clean a pair of line-aligned files, or one monolingual file."""
    parser = OneLineParser(prog="python -m data_prep.clean", description=main.__doc__)
    parser.add_argument("--source", type=Path, required=True, metavar="FILE", help="plain or .gz text, a line each")
    parser.add_argument("--target", type=Path, metavar="FILE", help="its other side; leave out for monolingual text")
    parser.add_argument("--out-source", type=Path, required=True, metavar="FILE", help="where the clean text goes")
    parser.add_argument("--out-target", type=Path, metavar="FILE", help="where the clean other side goes")
    parser.add_argument("--counts", type=Path, metavar="FILE", help="write read, kept and dropped counts as JSON")
    add_clean_arguments(parser)
    args = parser.parse_args(argv)
    if (args.target is None) != (args.out_target is None):
        raise InputError("--target and --out-target must be given together")
    options = CleanOptions(args.max_tokens_per_line, args.length_ratio)
    if args.target:
        text = read_pair(args.source, args.target)
        kept, dropped = clean_pairs(text, options)
        write_lines(args.out_target, kept.english)
        lines, read = kept.source, len(text)
    else:
        raw = read_lines(args.source)
        lines, dropped = clean_mono(raw, options)
        read = len(raw)
    write_lines(args.out_source, lines)
    counts = {"read": read, "kept": len(lines), "dropped": dropped}
    if args.counts:
        write_json(args.counts, counts)
    print(counts)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep.clean"))
