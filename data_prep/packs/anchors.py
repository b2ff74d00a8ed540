"""Anchors: pairs of a language's pieces and English ones that mean the same, which an alignment is fitted on.

Anchors come from several sources at once: a MUSE dictionary, identical strings, and pairs mined from parallel text.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece

from data_prep.base.data_folder import PackFolder
from data_prep.base.errors import InputError
from data_prep.base.evenly import evenly
from data_prep.base.text_files import plain_or_gz, read_lines
from data_prep.cleaning.clean_form import normalise
from data_prep.packs.lexicon import MOST_LINES, mine_pairs
from data_prep.packs.subwords import load, read_dictionary
from data_prep.packs.ulr_tables import counts_of, load_table, normalised, unit
from data_prep.packs.vectors import FAIRSEQ_SPECIALS

MOST_PIECES = 3  # a dictionary word of more pieces is no anchor: the mean of its pieces says little
SHARED_LETTERS = 4  # identical strings of fewer letters are mostly false friends, unless they hold no letter
HELD_OUT_SHARE = 10  # every 10th word measures the alignment

Rows = list[list[int]]  # text as fairseq indices of its pieces, a list a line


@dataclass(frozen=True)
class Pack:
    """A language pack in memory.

    index: fairseq index of each piece.
    counts: (V,) occurrences of the pieces, by fairseq index.
    vectors: (V, Q) float64, normalised, by fairseq index.
    """

    model: sentencepiece.SentencePieceProcessor
    index: dict[str, int]
    counts: np.ndarray
    vectors: np.ndarray

    def cut(self, text: str) -> tuple[int, ...]:
        """The fairseq indices of the pieces of a text."""
        return tuple(self.index[piece] for piece in self.model.encode(text, out_type=str))

    def usable(self, pieces: tuple[int, ...]) -> bool:
        """Whether a word of these pieces is short enough for an anchor and all of them have a vector."""
        return 0 < len(pieces) <= MOST_PIECES and bool(self.vectors[list(pieces)].any(axis=1).all())

    def compose(self, pieces: tuple[int, ...]) -> np.ndarray:
        """(Q,) unit mean of the pieces' vectors."""
        return unit(self.vectors[list(pieces)].mean(axis=0))

    def rarest(self, pieces: tuple[int, ...]) -> int:
        """The occurrences of the rarest of some pieces."""
        return int(self.counts[list(pieces)].min())

    def best_form(self, word: str) -> str:
        """The better form of a word, as written or capitalised (German nouns, names).

        The form of fewer pieces is better; of equally many, the form whose rarest piece is more frequent.
        """
        forms = dict.fromkeys((word, word.capitalize()))
        return min(forms, key=lambda form: (len(self.cut(form)), -self.rarest(self.cut(form))))


@dataclass(frozen=True)
class Anchor:
    """A word and its translation, each as fairseq indices of its pieces; the word as text, and the kind of source."""

    source: tuple[int, ...]
    english: tuple[int, ...]
    word: str
    kind: str  # "dictionary", "identical", "parallel"


@dataclass(frozen=True)
class Sources:
    """Files that anchors come from: word lists, and two files of line-aligned text (source, English).

    ``most_lines``: the most lines of the text that are used.
    """

    dictionaries: tuple[Path, ...] = ()
    parallel: tuple[Path, ...] = ()
    most_lines: int = MOST_LINES


def read_pack(folder: PackFolder, table: Path) -> Pack:
    """Read the pack in ``folder`` with the vectors of the file ``table``, which are normalised."""
    pieces = [piece for piece, _ in read_dictionary(folder.dictionary)]
    index = {piece: row for row, piece in enumerate(pieces, start=FAIRSEQ_SPECIALS)}
    counts = counts_of(folder)
    return Pack(load(folder.model), index, counts, normalised(load_table(table, folder), counts))


def find_dictionaries(folder: Path | None, lang: str, english: str) -> tuple[Path, ...]:
    """The word lists of a language in a folder: XX-en, and MUSE's XX-en.train and XX-en.test; all give anchors."""
    if folder is None:
        return ()
    names = [f"{lang}-{english}{part}.{suffix}" for part in ("", ".train", ".test") for suffix in ("tsv", "txt")]
    return tuple(path for path in (plain_or_gz(folder / name) for name in names) if path)


def read_word_list(path: Path, *, quiet: bool = True) -> list[tuple[str, str]]:
    """The pairs (word, English word) of a MUSE list, in clean form: a pair a line, separated by a tab or by spaces.

    Blank lines are left out. So are lines of three and more words without a tab, since nothing tells where the
    translation begins; unless ``quiet``, one line on stderr says so. InputError, with the line, for any other line that
    is no pair, and where no line is one.
    """
    pairs, left_out = [], []
    for number, line in enumerate(read_lines(path), start=1):
        words = [*map(normalise, line.split("\t"))] if "\t" in line else normalise(line).split()
        if len(words) == 2 and all(words):
            pairs.append((words[0], words[1]))
        elif len(words) > 2 and "\t" not in line:
            left_out.append(f"line {number}: {line.strip()!r}")
        elif any(words):
            raise InputError(f"{path}, line {number}: must be a word and its translation, but is {line!r}")
    if not pairs:
        raise InputError(f"{path}: must hold words and their translations, with a tab between, but has no such line")
    if left_out and not quiet:
        few = f"{len(left_out)} of {len(pairs) + len(left_out)} lines"
        reason = "three or more words and no tab"
        print(f"warning: {path}: {few} are left out, which have {reason} ({left_out[0]})", file=sys.stderr)
    return pairs


def dictionary_anchors(pairs: Iterable[tuple[str, str]], source: Pack, english: Pack) -> list[Anchor]:
    """Anchors of the dictionary pairs that both packs can write in few pieces.

    A word whose capitalised form is one piece is an anchor in that form too, as it stands at a sentence's start.
    """
    anchors: dict[Anchor, None] = {}

    def add(word: str, form: str, translation: str) -> None:
        anchor = Anchor(source.cut(form), english.cut(translation), word, "dictionary")
        if source.usable(anchor.source) and english.usable(anchor.english):
            anchors[anchor] = None

    for word, translation in pairs:
        form, english_form = source.best_form(word), english.best_form(translation)
        add(word, form, english_form)
        capital = word.capitalize()
        if form != capital and len(source.cut(capital)) == 1:
            english_capital = translation.capitalize()
            add(word, capital, english_capital if len(english.cut(english_capital)) == 1 else english_form)
    return list(anchors)


def identical_anchors(source: Pack, english: Pack) -> list[Anchor]:
    """Anchors of the pieces that both packs have: numbers, signs, and strings of at least 4 letters (names, loans)."""
    anchors = []
    for piece, row in source.index.items():
        letters = sum(map(str.isalpha, piece))
        is_byte = source.model.is_byte(source.model.piece_to_id(piece))
        if piece not in english.index or is_byte or 0 < letters < SHARED_LETTERS:
            continue
        anchor = Anchor((row,), (english.index[piece],), piece, "identical")
        if source.usable(anchor.source) and english.usable(anchor.english):
            anchors.append(anchor)
    return anchors


def cut_parallel(sources: Sources, source: Pack, english: Pack) -> tuple[Rows, Rows] | None:
    """Evenly spaced lines of the parallel text, both sides as fairseq indices; None if ``sources`` has no such text."""
    if not sources.parallel:
        return None
    own_lines, english_lines = map(read_lines, sources.parallel)
    if len(own_lines) != len(english_lines):
        raise InputError(
            f"{sources.parallel[0]} and {sources.parallel[1].name}: must have equally many lines, but have "
            f"{len(own_lines)} and {len(english_lines)}"
        )
    rows = evenly(len(own_lines), sources.most_lines)
    return [list(source.cut(own_lines[row])) for row in rows], [list(english.cut(english_lines[row])) for row in rows]


def parallel_anchors(parallel: tuple[Rows, Rows], source: Pack, english: Pack) -> list[Anchor]:
    """Anchors of the pairs of pieces that are mined from line-aligned text, the best first."""
    anchors = [Anchor((x,), (y,), str(x), "parallel") for x, y, _ in mine_pairs(*parallel)]
    return [anchor for anchor in anchors if source.usable(anchor.source) and english.usable(anchor.english)]


def collect_anchors(sources: Sources, parallel: tuple[Rows, Rows] | None, source: Pack, english: Pack) -> list[Anchor]:
    """All anchors: of word lists, of parallel text (``parallel``, as cut_parallel returns it), of identical strings."""
    pairs = [pair for path in sources.dictionaries for pair in read_word_list(path)]
    anchors = dictionary_anchors(pairs, source, english)
    if parallel:
        anchors += parallel_anchors(parallel, source, english)
    return anchors + identical_anchors(source, english)


def hold_out(anchors: Sequence[Anchor]) -> tuple[list[Anchor], list[Anchor]]:
    """Two lists: the anchors to fit on, and the held-out anchors, those of every 10th word.

    No source that is held out (as a sequence of pieces) is among the anchors to fit on.
    """
    words = list(dict.fromkeys(anchor.word for anchor in anchors if anchor.kind != "identical"))
    chosen = set(words[::HELD_OUT_SHARE])
    held = [anchor for anchor in anchors if anchor.word in chosen and anchor.kind != "identical"]
    pieces = {anchor.source for anchor in held}
    return [anchor for anchor in anchors if anchor.source not in pieces], held
