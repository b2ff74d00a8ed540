"""Alignment of a language's vectors to English: orthogonal Procrustes on anchors, refined by CSLS, then the lexicon.

Anchors come from several sources at once: a MUSE dictionary, identical strings, and pairs mined from parallel text.
Procrustes (Schoenemann 1966): W = argmin_{W'W = I} sum_i w_i |W x_i - y_i|^2 = U V', where
U S V' = svd(sum_i w_i y_i x_i'). Refinement: Conneau et al., ICLR 2018 (arXiv 1710.04087), sections 2.2 and 2.3.

Our addition, as in retrofitting (Faruqui et al., NAACL 2015): a piece that the anchors translate is moved towards its
translations, q = unit(W x + strength * mean of the English vectors). Low-resource vectors are noisy, and the softmax
over the universal tokens reads a query by its nearest key: the lexicon says that key where it is known.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from data_prep.corpus import plain_or_gz, read_lines
from data_prep.errors import InputError, OneLineParser, run_command
from data_prep.lexicon import mine_pairs
from data_prep.provenance import sha256, write_array, write_json
from data_prep.subwords import load, read_dictionary
from data_prep.ulr_tables import counts_of, load_table, normalised, unit
from data_prep.vectors import FAIRSEQ_SPECIALS

REFINEMENTS = 2  # rounds
ENOUGH_ANCHORS = 2000  # with so many, refinement only adds noise (measured on ro and hu)
NEIGHBOURS = 10  # of CSLS
FREQUENT = 5000  # pieces that may become anchors in a refinement round
MOST_PIECES = 3  # a dictionary word of more pieces is no anchor: the mean of its pieces says little
TRUSTED_COUNT = 5  # occurrences at which an anchor has half of its weight
SHARED_LETTERS = 4  # identical strings of fewer letters are mostly false friends, unless they hold no letter
FRIENDS_COSINE = 0.1  # identical words enter the lexicon only if the alignment finds them at least this alike
LEXICON_STRENGTH = 1.0
HELD_OUT_SHARE = 10  # every 10th word measures the alignment
POOR_PRECISION = 0.05  # precision@1 below which the alignment is called poor


@dataclass(frozen=True)
class Pack:
    """A language pack in memory, with its pieces' normalised vectors (V, Q), float64, by fairseq index."""

    model: sentencepiece.SentencePieceProcessor
    index: dict[str, int]
    counts: np.ndarray
    vectors: np.ndarray

    def cut(self, text: str) -> tuple[int, ...]:
        """fairseq indices of the pieces of a text."""
        return tuple(self.index[piece] for piece in self.model.encode(text, out_type=str))

    def usable(self, pieces: tuple[int, ...]) -> bool:
        """Whether a word of these pieces is short enough for an anchor and all of them have a vector."""
        return 0 < len(pieces) <= MOST_PIECES and bool(self.vectors[list(pieces)].any(axis=1).all())

    def compose(self, pieces: tuple[int, ...]) -> np.ndarray:
        """(Q,) unit mean of the pieces' vectors."""
        return unit(self.vectors[list(pieces)].mean(axis=0))

    def rarest(self, pieces: tuple[int, ...]) -> int:
        """Occurrences of the rarest piece."""
        return int(self.counts[list(pieces)].min())

    def best_form(self, word: str) -> str:
        """The word as written or capitalised (German nouns, names): fewer pieces, then more frequent."""
        forms = dict.fromkeys((word, word.capitalize()))
        return min(forms, key=lambda form: (len(self.cut(form)), -self.rarest(self.cut(form))))


@dataclass(frozen=True)
class Anchor:
    """One pair that means the same: fairseq indices of the pieces of both sides, the word and where it comes from."""

    source: tuple[int, ...]
    english: tuple[int, ...]
    word: str
    kind: str  # "dictionary", "identical", "parallel"


@dataclass(frozen=True)
class Sources:
    """Files that anchors come from: word lists, and line-aligned text (source, English)."""

    dictionaries: tuple[Path, ...] = ()
    parallel: tuple[Path, ...] = ()


def read_pack(folder: Path, table: Path) -> Pack:
    """The pack in ``folder`` with the vectors of ``table``, normalised."""
    pieces = [piece for piece, _ in read_dictionary(folder / "dict.txt")]
    index = {piece: row for row, piece in enumerate(pieces, start=FAIRSEQ_SPECIALS)}
    counts = counts_of(folder)
    return Pack(load(folder / "spm.model"), index, counts, normalised(load_table(table, folder), counts))


def find_dictionaries(folder: Path | None, lang: str, english: str) -> tuple[Path, ...]:
    """The word lists of a language: MUSE's train and test list (both are anchors here), or a list without a part."""
    if folder is None:
        return ()
    names = [f"{lang}-{english}{part}.{suffix}" for part in ("", ".train", ".test") for suffix in ("tsv", "txt")]
    return tuple(path for path in (plain_or_gz(folder / name) for name in names) if path)


def read_word_list(path: Path) -> list[tuple[str, str]]:
    """(word, English word) of a MUSE list, one pair a line, between them a tab or a space."""
    pairs = []
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split("\t") if "\t" in line else line.split()
        if len(words) != 2 or not all(word.strip() for word in words):
            raise InputError(f"{path}, line {number}: must be a word and its translation, but is {line!r}")
        pairs.append((words[0].strip(), words[1].strip()))
    return pairs


def dictionary_anchors(pairs: Iterable[tuple[str, str]], source: Pack, english: Pack) -> list[Anchor]:
    """Dictionary pairs that both packs can write in few pieces, and the same capitalised, as at a sentence's start."""
    found: dict[Anchor, None] = {}

    def add(word: str, form: str, translation: str) -> None:
        anchor = Anchor(source.cut(form), english.cut(translation), word, "dictionary")
        if source.usable(anchor.source) and english.usable(anchor.english):
            found[anchor] = None

    for word, translation in pairs:
        form, other = source.best_form(word), english.best_form(translation)
        add(word, form, other)
        capital = word.capitalize()
        if form != capital and len(source.cut(capital)) == 1:
            start = translation.capitalize()
            add(word, capital, start if len(english.cut(start)) == 1 else other)
    return list(found)


def identical_anchors(source: Pack, english: Pack) -> list[Anchor]:
    """Pieces that both languages write alike: numbers, signs, and strings of at least 4 letters (names, loans)."""
    found = []
    for piece, row in source.index.items():
        letters = sum(map(str.isalpha, piece))
        is_byte = source.model.is_byte(source.model.piece_to_id(piece))
        if piece not in english.index or is_byte or 0 < letters < SHARED_LETTERS:
            continue
        anchor = Anchor((row,), (english.index[piece],), piece, "identical")
        if source.usable(anchor.source) and english.usable(anchor.english):
            found.append(anchor)
    return found


def parallel_anchors(
    source_lines: Sequence[str], english_lines: Sequence[str], source: Pack, english: Pack
) -> list[Anchor]:
    """Pairs of pieces mined from line-aligned text."""
    sides = ((source, source_lines), (english, english_lines))
    rows = [
        [[pack.index[piece] for piece in line] for line in pack.model.encode(list(lines), out_type=str)]
        for pack, lines in sides
    ]
    anchors = [Anchor((x,), (y,), str(x), "parallel") for x, y, _ in mine_pairs(rows[0], rows[1])]
    return [anchor for anchor in anchors if source.usable(anchor.source) and english.usable(anchor.english)]


def collect_anchors(sources: Sources, source: Pack, english: Pack) -> list[Anchor]:
    """All anchors of the files, and the identical strings."""
    pairs = [pair for path in sources.dictionaries for pair in read_word_list(path)]
    anchors = dictionary_anchors(pairs, source, english)
    if sources.parallel:
        own, other = map(read_lines, sources.parallel)
        anchors += parallel_anchors(own, other, source, english)
    return anchors + identical_anchors(source, english)


def hold_out(anchors: Sequence[Anchor]) -> tuple[list[Anchor], list[Anchor]]:
    """Anchors to fit on, and those of every 10th word; no piece sequence held out is among the first."""
    words = list(dict.fromkeys(anchor.word for anchor in anchors if anchor.kind != "identical"))
    chosen = set(words[::HELD_OUT_SHARE])
    held = [anchor for anchor in anchors if anchor.word in chosen and anchor.kind != "identical"]
    pieces = {anchor.source for anchor in held}
    return [anchor for anchor in anchors if anchor.source not in pieces], held


def anchor_rows(anchors: Sequence[Anchor], source: Pack, english: Pack) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (n, Q), Y (n, Q) and weights (n,): common words of few pieces weigh most."""
    weights = []
    for anchor in anchors:
        rarest = min(source.rarest(anchor.source), english.rarest(anchor.english))
        weights.append(rarest / (rarest + TRUSTED_COUNT) / (len(anchor.source) * len(anchor.english)))
    x = np.array([source.compose(anchor.source) for anchor in anchors])
    y = np.array([english.compose(anchor.english) for anchor in anchors])
    return x, y, np.array(weights)


def procrustes(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The orthogonal W (Q, Q) that brings the rows of x (n, Q) nearest to those of y (n, Q): use as ``x @ W.T``."""
    weighted = x if weights is None else x * weights[:, None]
    u, _, vt = np.linalg.svd(y.T @ weighted)
    return u @ vt


def csls(x: np.ndarray, y: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Cross-domain similarity local scaling (n, m) of unit rows: 2 cos(x, y) - r(x) - r(y)."""
    cosines = x.astype(np.float32) @ y.astype(np.float32).T

    def mean_of_best(rows: np.ndarray) -> np.ndarray:
        best = min(neighbours, rows.shape[1])
        return np.partition(rows, -best, axis=1)[:, -best:].mean(axis=1)

    return 2 * cosines - mean_of_best(cosines)[:, None] - mean_of_best(cosines.T)[None, :]


def fit_map(anchors: Sequence[Anchor], source: Pack, english: Pack) -> np.ndarray:
    """W (Q, Q) by Procrustes; where anchors are few, refined on frequent pieces that are mutual best by CSLS."""
    if not anchors:
        return np.eye(source.vectors.shape[1])
    x, y, weights = anchor_rows(anchors, source, english)
    w = procrustes(x, y, weights)
    own, other = _frequent(source), _frequent(english)
    if len(anchors) >= ENOUGH_ANCHORS or not len(own) or not len(other):
        return w
    for _ in range(REFINEMENTS):
        scores = csls(source.vectors[own] @ w.T, english.vectors[other])
        best = scores.argmax(axis=1)
        mutual = np.flatnonzero(scores.argmax(axis=0)[best] == np.arange(len(own)))
        more = source.vectors[own[mutual]], english.vectors[other[best[mutual]]]
        everything = np.concatenate([weights, np.full(len(mutual), 0.5)])
        w = procrustes(np.concatenate([x, more[0]]), np.concatenate([y, more[1]]), everything)
    return w


def _frequent(pack: Pack) -> np.ndarray:
    usable = pack.vectors.any(axis=1) & (pack.counts >= TRUSTED_COUNT)
    return np.flatnonzero(usable)[:FREQUENT]  # dictionaries are in order of frequency


def add_lexicon(
    aligned: np.ndarray, anchors: Sequence[Anchor], english: Pack, strength: float = LEXICON_STRENGTH
) -> np.ndarray:
    """(V, Q) unit rows: ``aligned`` moved towards the mean of each piece's translations.

    Anchors of one piece speak for it. A piece that has none of them takes its share of the longer words that it is in:
    a stem is pulled to what its words mean, while a suffix, being in words of all meanings, hardly moves. Identical
    strings count for pieces without a translation, if their vectors agree (they may be false friends).
    """
    total, weight = np.zeros_like(aligned), np.zeros(len(aligned))
    translated = [anchor for anchor in anchors if anchor.kind != "identical"]
    alike = [
        anchor
        for anchor in anchors
        if anchor.kind == "identical"
        and (not any(map(str.isalpha, anchor.word)) or _cosine(aligned, anchor, english) >= FRIENDS_COSINE)
    ]
    one = [anchor for anchor in translated if len(anchor.source) == 1]
    many = [anchor for anchor in translated if len(anchor.source) > 1]
    for group in (one, alike, many):  # each speaks for pieces that those before it left out
        free = weight == 0
        for anchor in group:
            vector, share = english.compose(anchor.english), 1 / len(anchor.source)
            for row in anchor.source:
                if free[row]:
                    total[row] += share * vector
                    weight[row] += share
    mean = total / np.where(weight > 0, weight, 1)[:, None]
    return unit(unit(aligned) + strength * mean)


def _cosine(aligned: np.ndarray, anchor: Anchor, english: Pack) -> float:
    return float(unit(aligned[anchor.source[0]]) @ english.vectors[anchor.english[0]])


def queries(anchors: Sequence[Anchor], source: Pack, english: Pack) -> np.ndarray:
    """(V, Q) query vectors of all pieces of the source pack: aligned, and with the lexicon of the anchors."""
    w = fit_map(anchors, source, english)
    return add_lexicon(source.vectors @ w.T, anchors, english)


def precision(rows: np.ndarray, held: Sequence[Anchor], english: Pack) -> dict[str, Any]:
    """Precision@1 and @5 of query vectors (V, Q) by CSLS among all English pieces, over words that are one piece.

    A word counts as right if one of its translations (one piece, too) is among the first 1 or 5.
    """
    gold: dict[int, set[int]] = {}
    for anchor in held:
        if len(anchor.source) == len(anchor.english) == 1:
            gold.setdefault(anchor.source[0], set()).add(anchor.english[0])
    if not gold:
        return {"precision_at_1": None, "precision_at_5": None, "words": 0}
    candidates = np.flatnonzero(english.vectors.any(axis=1))
    pieces = list(gold)
    best = candidates[np.argsort(-csls(rows[pieces], english.vectors[candidates]), axis=1)[:, :5]]
    hits = np.array([[row in gold[piece] for row in found] for piece, found in zip(pieces, best, strict=True)])
    shares = {"precision_at_1": hits[:, 0].mean(), "precision_at_5": hits.any(axis=1).mean()}
    return {name: round(float(share), 4) for name, share in shares.items()} | {"words": len(pieces)}


def align_pack(pack: Path, raw: Path, english_pack: Path, sources: Sources) -> dict[str, Any]:
    """Write the pack's vectors.npy and return the alignment's part of its card.

    The quality is measured on held-out words with a fit that has not seen them; the vectors written have seen all.
    """
    source = read_pack(pack, raw)
    english = read_pack(english_pack, english_pack / "vectors.npy")
    anchors = collect_anchors(sources, source, english)
    fit, held = hold_out(anchors)
    quality = precision(queries(fit, source, english), held, english)
    write_array(pack / "vectors.npy", queries(anchors, source, english).astype(np.float32))
    kinds = [anchor.kind for anchor in anchors]
    counts = {kind: kinds.count(kind) for kind in ("dictionary", "identical", "parallel")}
    poor = quality["precision_at_1"] is None or quality["precision_at_1"] < POOR_PRECISION
    files = [*sources.dictionaries, *sources.parallel]
    return {
        "alignment": quality | {"anchors": len(anchors), "anchors_by_kind": counts, "poor": bool(poor)},
        "anchor_files": [{"name": path.name, "sha256": sha256(path)} for path in files],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Align a language pack's vectors to English; writes vectors.npy and card.json of the pack."""
    parser = OneLineParser(prog="python -m data_prep.align", description=main.__doc__)
    pack_help = "language pack with spm.model and dict.txt"
    parser.add_argument("--pack", type=Path, required=True, metavar="DIR", help=pack_help)
    parser.add_argument("--raw", type=Path, required=True, metavar="FILE.npy", help="its monolingual vectors")
    english_help = "the English pack, with vectors.npy"
    parser.add_argument("--english-pack", type=Path, required=True, metavar="DIR", help=english_help)
    list_help = "word list: word, tab or space, English word; may be given several times"
    parser.add_argument("--dictionary", type=Path, action="append", default=[], metavar="FILE", help=list_help)
    parallel_help = "line-aligned text to mine pairs from"
    parser.add_argument("--parallel", type=Path, nargs=2, default=[], metavar="FILE", help=parallel_help)
    args = parser.parse_args(argv)
    sources = Sources(tuple(args.dictionary), tuple(args.parallel))
    card = align_pack(args.pack, args.raw, args.english_pack, sources)
    write_json(args.pack / "card.json", card)
    print(card["alignment"])
    if card["alignment"]["poor"]:
        print(f"warning: {args.pack}: the alignment is poor", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep.align"))
