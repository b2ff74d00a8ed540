"""SentencePiece: one unigram model per language, and the model's pieces as a fairseq dictionary.

Byte fallback is on: no text becomes <unk>, so a language pack reads any input.
"""

import io
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path

import sentencepiece

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.data_folder import PackFolder
from data_prep.base.errors import InputError
from data_prep.base.evenly import evenly
from data_prep.base.files import atomic, write_lines
from data_prep.base.text_files import read_lines

BYTE_PIECES = 256  # pieces of byte fallback, not counted in --vocab-size
SPECIALS = 3  # SentencePiece's <unk>, <s>, </s>; not in the dictionary, since fairseq has its own
TOKENS_PER_PIECE = 10  # a smaller corpus gets a smaller vocabulary
PIECES_PER_ROOT = 8  # pieces = 8 x the square root of the tokens, as vocabularies grow (Heaps' law)
MOST_PIECES = 32_000
CHARACTERS_PER_TOKEN = 6  # of text without spaces between words
ALPHABET = 500  # most characters of an alphabet; a text with more has Hangul, Han or kana, or strays of many scripts
LARGE_SCRIPT_COVERAGE = 0.9995
LEAST_COVERAGE = 0.98  # that SentencePiece takes
MOST_LINES = 1_000_000  # SentencePiece needs 20 bytes a character


def count_tokens(lines: Iterable[str]) -> int:
    """The number of tokens: words between white space, or one for 6 characters of a line where that is more."""
    return sum(max(len(line.split()), len(line) // CHARACTERS_PER_TOKEN) for line in lines)


def count_characters(lines: Iterable[str]) -> Counter[str]:
    """How often each character stands in the text; as for SentencePiece, a space begins a line, and none is double."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(" " + " ".join(filter(None, line.split(" "))))
    return counts


def fitting_vocab_size(wanted: int | None, lines: Sequence[str], characters: Counter[str]) -> int:
    """The vocabulary size: ``wanted``, or without it 8 sqrt(tokens), at most 32,000.

    In both cases it is at most a piece for 10 tokens, unless that leaves no room for all characters twice. It has room
    for the characters that must become pieces, and without ``wanted`` for half as many pieces more: 29,000 verses of
    Literary Chinese have 3,800 such characters.
    """
    tokens = count_tokens(lines)
    size = min(MOST_PIECES, round(PIECES_PER_ROOT * math.sqrt(tokens))) if wanted is None else wanted
    size = min(size, max(2 * len(characters) + 2, tokens // TOKENS_PER_PIECE))
    if wanted is None and len(characters) > ALPHABET:
        return max(size, 3 * _covering(characters, LARGE_SCRIPT_COVERAGE) // 2)
    return max(size, _covering(characters, LEAST_COVERAGE))


def character_coverage(characters: Counter[str], size: int) -> float:
    """The share of the text whose characters become pieces. All other characters are spelled as bytes.

    1 for alphabets; 0.9995 for a text of more than 500 different characters, as Hangul and Han have. Where these
    characters are more than ``size``, the most frequent of them take two thirds of the pieces, or as many as have 0.98
    of the text.
    """
    coverage = 1.0 if len(characters) <= ALPHABET else LARGE_SCRIPT_COVERAGE
    if _covering(characters, coverage) <= size:
        return coverage
    return max(LEAST_COVERAGE, _running_shares(characters)[2 * size // 3 - 1])


def _running_shares(characters: Counter[str]) -> list[float]:
    """The share of the text that the most frequent character has, the two most frequent, and so on."""
    total = characters.total()
    return [count / total for count in accumulate(sorted(characters.values(), reverse=True))]


def _covering(characters: Counter[str], share: float) -> int:
    """How many characters, the most frequent first, it takes to have a share of the text."""
    return bisect_left(_running_shares(characters), share) + 1


def train(lines: Sequence[str], vocab_size: int | None, weights: Sequence[int] | None = None) -> bytes:
    """A SentencePiece model (serialised) of about ``vocab_size`` pieces and the 256 byte pieces.

    vocab_size: None lets the text decide. ``fitting_vocab_size`` says where it is less, and more.
    weights: how often each line counts; None: once.

    Of a text with more lines than MOST_LINES so many are read, evenly spaced. Deterministic: one thread, and no input
    but the text. InputError if SentencePiece cannot make a model of the text.
    """
    repeats = weights or [1] * len(lines)
    rows = evenly(len(lines), MOST_LINES)
    sentences = [lines[row] for row in rows for _ in range(repeats[row])]
    characters = count_characters(sentences)
    size = fitting_vocab_size(vocab_size, sentences, characters)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="unigram",
            vocab_size=size + BYTE_PIECES + SPECIALS,
            hard_vocab_limit=False,  # a tiny text may hold fewer pieces
            byte_fallback=True,
            character_coverage=character_coverage(characters, size),
            normalization_rule_name="identity",  # the text is in NFC already; references stay as they are
            num_threads=1,
            max_sentence_length=1 << 20,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise InputError(f"SentencePiece cannot make a model of {len(sentences)} lines: {error}") from error
    return model.getvalue()


def load(path: Path) -> sentencepiece.SentencePieceProcessor:
    """Load a SentencePiece model; InputError if the file is missing or damaged."""
    try:
        proto = path.read_bytes()
        if not proto:  # SentencePiece takes an empty proto for none given
            raise InputError(f"{path}: must be a SentencePiece model, but is empty")
        return sentencepiece.SentencePieceProcessor(model_proto=proto)
    except FileNotFoundError as error:
        raise InputError(f"{path}: file is missing") from error
    except RuntimeError as error:
        raise InputError(f"{path}: must be a SentencePiece model: {error}") from error


def pieces_of(model: sentencepiece.SentencePieceProcessor) -> list[str]:
    """All pieces of a model, byte pieces included, but not the control symbols and <unk>."""
    size = model.get_piece_size()
    return [model.id_to_piece(i) for i in range(size) if not model.is_control(i) and not model.is_unknown(i)]


def dictionary_lines(model: sentencepiece.SentencePieceProcessor, lines: Iterable[str]) -> list[str]:
    """Lines ``piece count`` as fairseq's Dictionary.load reads them: every piece once, the most frequent in ``lines``
    first."""
    counts: Counter[str] = Counter({piece: 0 for piece in pieces_of(model)})
    for line in lines:
        counts.update(model.encode(line, out_type=str))
    return [f"{piece} {count}" for piece, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def read_dictionary(path: Path) -> list[tuple[str, int]]:
    """The pairs (piece, count) of a dictionary file, in its order, without fairseq's special symbols."""
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        piece, space, count = line.rpartition(" ")
        if not space or not count.isdecimal():
            raise InputError(f"{path}, line {number}: must be `piece count`, but is {line!r}")
        rows.append((piece, int(count)))
    return rows


def domain_weight(domain: Sequence[str], extra: Sequence[str], most: int = 10) -> int:
    """How often each domain line counts, so that domain text has about as many tokens as the extra text.

    At least once and at most ``most`` times.
    """
    tokens = [sum(len(line.split()) for line in lines) for lines in (domain, extra)]
    return max(1, min(most, math.ceil(tokens[1] / max(1, tokens[0]))))


def write_pack(pack: PackFolder, domain: Sequence[str], extra: Sequence[str], vocab_size: int | None) -> None:
    """Write the model and the dictionary of a language pack, made from its domain text and extra monolingual text."""
    if not domain and not extra:
        raise InputError(f"{pack.lang}: must have at least one line of text for its SentencePiece model, but has none")
    weights = [domain_weight(domain, extra)] * len(domain) + [1] * len(extra)
    lines = [*domain, *extra]
    model = train(lines, vocab_size, weights)
    with atomic(pack.model) as temporary:
        temporary.write_bytes(model)
    write_lines(pack.dictionary, dictionary_lines(load(pack.model), lines))


def add_vocab_argument(parser: OneLineParser) -> None:
    """Add the flag of the vocabulary size."""
    parser.add_argument(
        "--vocab-size", type=int, metavar="N",
        help="most SentencePiece pieces a language, not counting the 256 byte pieces; if not given, 8 times the square "
        "root of its tokens, at most 32,000; in both cases at most a piece for 10 tokens, and as many as its "
        "characters need",
    )  # fmt: skip


def check_vocab_size(vocab_size: int | None) -> None:
    """InputError unless the vocabulary size can hold an alphabet, or is None."""
    if vocab_size is not None and vocab_size < 30:
        raise InputError(f"--vocab-size must be at least 30 (pieces), but is {vocab_size}")


def main(argv: Sequence[str] | None = None) -> int:
    """Make a language pack's spm.model and dict.txt from clean text."""
    parser = OneLineParser(prog="python -m data_prep subwords", description=main.__doc__)
    parser.add_argument(
        "--text", type=Path, required=True, metavar="FILE", help="clean text of the domain, a line each"
    )
    parser.add_argument("--extra", type=Path, metavar="FILE", help="more monolingual text; weighs as much in all")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="language pack to write to")
    add_vocab_argument(parser)
    args = parser.parse_args(argv)
    check_vocab_size(args.vocab_size)
    pack = PackFolder(args.out)
    write_pack(pack, read_lines(args.text), read_lines(args.extra) if args.extra else [], args.vocab_size)
    print(f"{args.out}: {len(read_dictionary(pack.dictionary))} pieces")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep subwords"))
