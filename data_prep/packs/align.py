"""Alignment of a language's vectors to English: Procrustes on anchors, sentences in common, then the lexicon.

Procrustes on anchors (anchors.py) (Schoenemann 1966): W = argmin_{W'W = I} sum_i w_i |W x_i - y_i|^2 = U V', where
U S V' = svd(sum_i w_i y_i x_i'). Refinement: Conneau et al., ICLR 2018 (arXiv 1710.04087), sections 2.2 and 2.3.

Parallel text says more than its mutual best pairs. Pieces of both languages that stand in the same sentence pairs mean
the same (sentence ids; Levy, Soegaard and Goldberg, EACL 2017). From this alone, without anchors, ``sentence_queries``
gives every piece of parallel text a place in the English space. It also works where anchors fail.

Our addition, as in retrofitting (Faruqui et al., NAACL 2015): a piece that the anchors translate is moved towards its
translations. Low-resource vectors are noisy, and the softmax over the universal tokens reads a query by its nearest
key. Where the lexicon knows a translation, it gives that key. In all, for a piece x that stands in n sentence pairs,

    q = unit(unit(W x) + strength_s * n / (n + n_0) * sentence query + strength_l * mean of its translations)
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import regex
import scipy.sparse

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.data_folder import PackFolder
from data_prep.base.errors import InputError
from data_prep.base.files import sha256, write_array, write_json, write_lines
from data_prep.packs.anchors import (
    Anchor,
    Pack,
    Rows,
    Sources,
    collect_anchors,
    cut_parallel,
    hold_out,
    read_pack,
    read_word_list,
)
from data_prep.packs.lexicon import incidence
from data_prep.packs.ulr_tables import unit
from data_prep.packs.vectors import positive_pmi

REFINEMENTS = 3  # rounds of refinement
ENOUGH_ANCHORS = 2000  # with so many, refinement only adds noise (measured on ro and hu)
NEIGHBOURS = 10  # nearest rows that CSLS takes the mean of
FREQUENT = 5000  # most frequent pieces, which alone may become anchors in a refinement round
MUTUAL_WEIGHT = 0.5  # weight of an anchor found by refinement
TRUSTED_COUNT = 5  # occurrences at which an anchor, and a sentence query, has half of its weight
FRIENDS_COSINE = 0.1  # identical words enter the lexicon only if their aligned vectors have at least this cosine
SENTENCE_STRENGTH = 2.0
SENTENCE_RIDGE = 0.1
LEXICON_STRENGTH = 1.0
POOR_PRECISION = 0.1  # precision@1 below which the alignment is called poor
FEWEST_WORDS = 10  # held-out words below which the alignment is called poor too
SHOWN = 10  # number of pieces whose nearest English pieces the card shows
WORD_START = "\u2581"  # begins a piece that begins a word
LETTERS = regex.compile(r"[\p{L}\p{M}]+")  # with combining marks, which most words of many scripts have
BLOCK = 1000  # rows whose cosines are in memory at once


def anchor_rows(anchors: Sequence[Anchor], source: Pack, english: Pack) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The vectors X (n, Q) and Y (n, Q) of n anchors, and their weights (n,): common words of few pieces weigh most."""
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
    r_x, r_y = _mean_of_best(cosines, neighbours), _mean_of_best(np.ascontiguousarray(cosines.T), neighbours)
    cosines *= 2
    cosines -= r_x[:, None]
    cosines -= r_y[None, :]
    return cosines


def _mean_of_best(rows: np.ndarray, neighbours: int) -> np.ndarray:
    best = min(neighbours, rows.shape[1])
    return np.partition(rows, -best, axis=1)[:, -best:].mean(axis=1)


def nearest(
    rows: np.ndarray, pieces: Sequence[int], english: np.ndarray, best: int = 5, neighbours: int = NEIGHBOURS
) -> np.ndarray:
    """(len(pieces), best) indices of the English pieces nearest to some pieces, nearest first, by CSLS.

    rows: (V, Q) unit vectors of the language; ``pieces`` are indices of them.
    english: (V, Q) unit vectors of English. Candidates are all pieces that have a vector (no zero row).

    r(y) of a candidate is taken over all rows of the language that are not zero.
    """
    candidates, filled = np.flatnonzero(english.any(axis=1)), np.flatnonzero(rows.any(axis=1))
    x, y = rows[filled].astype(np.float32), english[candidates].astype(np.float32)
    crowded = np.concatenate([_mean_of_best(y[i : i + BLOCK] @ x.T, neighbours) for i in range(0, len(y), BLOCK)])
    query_rows = rows[list(pieces)].astype(np.float32)
    scores = 2 * query_rows @ y.T - crowded  # r(x) is the same for all candidates of x
    nearest_rows: np.ndarray = candidates[np.argsort(-scores, axis=1, kind="stable")[:, :best]]
    return nearest_rows


def fit_map(anchors: Sequence[Anchor], source: Pack, english: Pack) -> np.ndarray:
    """The map W (Q, Q) by Procrustes on the anchors.

    Where anchors are few, W is refined on frequent pieces that are each other's best by CSLS.
    """
    if not anchors:
        return np.eye(source.vectors.shape[1])
    x, y, weights = anchor_rows(anchors, source, english)
    w = procrustes(x, y, weights)
    source_rows, english_rows = _frequent(source), _frequent(english)
    if len(anchors) >= ENOUGH_ANCHORS or not len(source_rows) or not len(english_rows):
        return w
    for _ in range(REFINEMENTS):
        scores = csls(source.vectors[source_rows] @ w.T, english.vectors[english_rows])
        best = scores.argmax(axis=1)
        mutual = np.flatnonzero(scores.argmax(axis=0)[best] == np.arange(len(source_rows)))
        mutual_pairs = source.vectors[source_rows[mutual]], english.vectors[english_rows[best[mutual]]]
        all_weights = np.concatenate([weights, np.full(len(mutual), MUTUAL_WEIGHT)])
        w = procrustes(np.concatenate([x, mutual_pairs[0]]), np.concatenate([y, mutual_pairs[1]]), all_weights)
    return w


def _frequent(pack: Pack) -> np.ndarray:
    usable = pack.vectors.any(axis=1) & (pack.counts >= TRUSTED_COUNT)
    return np.flatnonzero(usable)[:FREQUENT]  # a dictionary is in order of frequency


def sentence_queries(parallel: tuple[Rows, Rows], source: Pack, english: Pack) -> np.ndarray:
    """(V, Q) queries of the pieces of parallel text, by the sentence pairs that they stand in; zero rows for others.

    P is the positive mutual information of pieces and sentences, E the English vectors. S = P_en' E is what each
    sentence is about. P_xx S and P_en S are what the pieces of both languages are about. The ridge regression of E on
    P_en S, which English alone teaches, takes both back to the space E. The row of a piece that stands in n lines has
    length n / (n + TRUSTED_COUNT).
    """
    lines = [incidence(rows, len(pack.counts)) for rows, pack in zip(parallel, (source, english), strict=True)]
    source_pmi, english_pmi = (_per_sentence(part) for part in lines)
    sentences = english_pmi.T @ english.vectors.astype(np.float32)
    about_source, about_english = unit(source_pmi @ sentences), unit(english_pmi @ sentences)
    line_counts = lines[1].sum(axis=0)
    trust = line_counts / (line_counts + TRUSTED_COUNT)
    mean = np.average(about_english, axis=0, weights=trust) if trust.any() else 0
    about_source, about_english = (
        unit(np.where(rows.any(axis=1, keepdims=True), rows - mean, 0)) for rows in (about_source, about_english)
    )
    weighted = about_english * trust[:, None]
    gram = weighted.T @ about_english + SENTENCE_RIDGE * np.eye(about_english.shape[1])
    queries = unit(about_source @ np.linalg.solve(gram, weighted.T @ english.vectors))
    line_counts = lines[0].sum(axis=0)
    return queries * (line_counts / (line_counts + TRUSTED_COUNT))[:, None]


def _per_sentence(lines: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Positive mutual information (pieces, sentences) of an incidence (sentences, pieces)."""
    return positive_pmi(scipy.sparse.csr_array(lines.T))


def add_lexicon(
    aligned: np.ndarray, anchors: Sequence[Anchor], english: Pack, strength: float = LEXICON_STRENGTH
) -> np.ndarray:
    """(V, Q) unit rows: ``aligned`` (V, Q) moved towards the mean of each piece's translations.

    A piece that is by itself the source of an anchor is moved by such anchors only. Of the other pieces, one that
    English writes alike is moved by that identical string, if their vectors agree (they may be false friends). All
    others are moved by the longer words that they are part of, each by its share: a stem goes to what its words mean,
    while a suffix, which is in words of all meanings, hardly moves.
    """
    total, weight = np.zeros_like(aligned), np.zeros(len(aligned))
    translated = [anchor for anchor in anchors if anchor.kind != "identical"]
    identical = [
        anchor
        for anchor in anchors
        if anchor.kind == "identical"
        and (not any(map(str.isalpha, anchor.word)) or _cosine(aligned, anchor, english) >= FRIENDS_COSINE)
    ]
    one_piece = [anchor for anchor in translated if len(anchor.source) == 1]
    several_pieces = [anchor for anchor in translated if len(anchor.source) > 1]
    for group in (one_piece, identical, several_pieces):  # a group moves only pieces that earlier groups left alone
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


def queries(
    anchors: Sequence[Anchor], sentences: np.ndarray | None, source: Pack, english: Pack
) -> tuple[np.ndarray, np.ndarray]:
    """Two tables (V, Q) of query vectors of the source pack: by Procrustes alone, and with sentences and the lexicon.

    ``sentences``: (V, Q), the sentence queries, or None without parallel text.
    """
    mapped = unit(source.vectors @ fit_map(anchors, source, english).T)
    known = mapped if sentences is None else unit(mapped + SENTENCE_STRENGTH * sentences)
    return mapped, add_lexicon(known, anchors, english)


def precision(rows: np.ndarray, held: Sequence[Anchor], english: Pack) -> dict[str, Any]:
    """Precision@1 and @5 of query vectors (V, Q) by CSLS among all English pieces, over held-out words of one piece.

    A word counts as right if one of its translations of one piece is among the first 1 or 5 English pieces.
    """
    gold: dict[int, set[int]] = {}
    for anchor in held:
        if len(anchor.source) == len(anchor.english) == 1:
            gold.setdefault(anchor.source[0], set()).add(anchor.english[0])
    if not gold:
        return {"precision_at_1": None, "precision_at_5": None, "words": 0}
    best = nearest(unit(rows), list(gold), english.vectors)
    hits = np.array([[row in gold[piece] for row in neighbours] for piece, neighbours in zip(gold, best, strict=True)])
    shares = {"precision_at_1": hits[:, 0].mean(), "precision_at_5": hits.any(axis=1).mean()}
    return {name: round(float(share), 4) for name, share in shares.items()} | {"words": len(gold)}


def neighbours_of_samples(rows: np.ndarray, source: Pack, english: Pack) -> dict[str, list[str]]:
    """The 5 nearest English pieces of some pieces: of SHOWN of the more frequent whole words, evenly spaced."""
    names, english_names = ({row: piece for piece, row in pack.index.items()} for pack in (source, english))
    filled = np.asarray(rows.any(axis=1))
    words = [
        row for row, piece in names.items() if filled[row] and piece[0] == WORD_START and LETTERS.fullmatch(piece, 1)
    ]
    words = words[: len(words) // 4 + SHOWN]  # a dictionary is in order of frequency
    shown = words[:: max(1, len(words) // SHOWN)][:SHOWN]
    if not shown or not english.vectors.any():
        return {}
    neighbours = nearest(rows, shown, english.vectors)
    return {names[row]: [english_names[i] for i in best] for row, best in zip(shown, neighbours, strict=True)}


def align_pack(
    pack: PackFolder,
    raw: Path,
    english_pack: PackFolder,
    sources: Sources,
    samples: Mapping[str, tuple[Path, ...]] | None = None,
) -> dict[str, Any]:
    """Write the vectors of a pack, aligned to English, and return the alignment's part of its card.

    Args:
        raw: the table of the pack's monolingual vectors.
        sources: what the pack's vectors are aligned with.
        samples: for each low-resource sample its two files of line-aligned text. The pack gets a table more for each,
            aligned with the sample as well as with the word lists of ``sources``: what a user of that sample has.

    Returns:
        the fields ``alignment``, ``nearest`` and ``anchor_files`` of the card, and under ``samples`` the same fields
        for each sample.
    """
    source, english = read_both(pack, raw, english_pack)
    words = [pair for path in sources.dictionaries for pair in read_word_list(path)]
    if words:
        write_lines(pack.words, ["\t".join(pair) for pair in words])
    else:
        pack.words.unlink(missing_ok=True)  # of an earlier run with lists
    of_samples = {
        name: _align(source, english, replace(sources, parallel=files), pack.vectors_with(name))
        for name, files in (samples or {}).items()
    }
    return _align(source, english, sources, pack.vectors) | ({"samples": of_samples} if of_samples else {})


def align_anew(
    pack: PackFolder, raw: Path, english_pack: PackFolder, parallel: tuple[Path, Path], table: Path
) -> dict[str, Any]:
    """Write vectors of a pack to ``table``, aligned with its word lists and with two files of line-aligned text.

    Returns the same as `align_pack`; the pack is only read.
    """
    source, english = read_both(pack, raw, english_pack)
    lists = (pack.words,) if pack.words.is_file() else ()
    return _align(source, english, Sources(lists, parallel), table)


def _align(source: Pack, english: Pack, sources: Sources, table: Path) -> dict[str, Any]:
    """Write one table of aligned vectors, and return its part of the card.

    The quality is measured on held-out words, with a fit of which they are no anchors; the vectors that are written are
    fitted on all anchors. ``procrustes_alone`` has seen nothing of the held-out words. All other figures are of a fit
    that has read the sentences in which these words stand.
    """
    parallel = cut_parallel(sources, source, english)
    anchors = collect_anchors(sources, parallel, source, english)
    sentences = sentence_queries(parallel, source, english) if parallel else None
    fit, held = hold_out(anchors)
    alone, final = (precision(rows, held, english) for rows in queries(fit, sentences, source, english))
    rows = queries(anchors, sentences, source, english)[1]
    write_array(table, rows.astype(np.float32))
    kinds = [anchor.kind for anchor in anchors]
    counts = {kind: kinds.count(kind) for kind in ("dictionary", "identical", "parallel")}
    poor = final["words"] < FEWEST_WORDS or final["precision_at_1"] < POOR_PRECISION
    files = [*sources.dictionaries, *sources.parallel]
    return {
        "alignment": final
        | {
            "procrustes_alone": alone,
            "anchors": len(anchors),
            "anchors_by_kind": counts,
            "pieces_with_vector": int(rows.any(axis=1).sum()),
            "poor": bool(poor),
        },
        "nearest": neighbours_of_samples(rows, source, english),
        "anchor_files": [{"name": path.name, "sha256": sha256(path)} for path in files],
    }


def best_alignment(card: Mapping[str, Any]) -> dict[str, Any]:
    """The field "alignment" of a pack's card; of a target language that has samples, the one with its first sample.

    ``aligned_with`` in it is the name of that sample, or None.
    """
    for name, of_sample in card.get("samples", {}).items():
        return of_sample["alignment"] | {"aligned_with": name}
    return card["alignment"] | {"aligned_with": None}


def read_both(pack: PackFolder, raw: Path, english_pack: PackFolder) -> tuple[Pack, Pack]:
    """A pack with its monolingual vectors (``raw``), and the English pack with its vectors.

    InputError if the two tables have vectors of different sizes.
    """
    source, english = read_pack(pack, raw), read_pack(english_pack, english_pack.vectors)
    sizes = [side.vectors.shape[1] for side in (source, english)]
    if sizes[0] != sizes[1]:
        raise InputError(f"{raw}: must have vectors of {sizes[1]} numbers as {english_pack} has, but has {sizes[0]}")
    return source, english


def precision_in_words(quality: Mapping[str, Any]) -> str:
    """The precision@1 of an alignment with the number of held-out words; ``quality``: as for `poor_warning`."""
    if quality["precision_at_1"] is None:
        return "precision@1 could not be measured: 0 held-out words"
    return f"precision@1 {quality['precision_at_1']} on {quality['words']} held-out words"


def poor_warning(pack: PackFolder, english: str, quality: Mapping[str, Any], advice: str | None = None) -> str | None:
    """A warning of a poor alignment of a pack, with what to do about it; None if the alignment is good.

    quality: the field "alignment" of the pack's card.
    advice: what to give for a better alignment; None stands for flags of meta-nmt-preprocess and meta-nmt-add-language.
    """
    if not quality["poor"]:
        return None
    if advice is None:
        advice = (
            f"a word list (--dictionaries DIR with {pack.lang}-{english}.txt), more parallel or more monolingual text "
            "(--mono), or word vectors (--vec-files)"
        )
    return (
        f"warning: {pack.lang}: the alignment to {english} is poor: {precision_in_words(quality)} with "
        f"{quality['anchors']} anchors, and must be at least {POOR_PRECISION} on at least {FEWEST_WORDS}. Translation "
        f"from {pack.lang} will suffer. Give {advice}; `nearest` in {pack.card} shows samples"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Align a language pack's vectors to English; writes vectors.npy and card.json of the pack."""
    parser = OneLineParser(prog="python -m data_prep align", description=main.__doc__)
    parser.add_argument(
        "--pack", type=Path, required=True, metavar="DIR", help="language pack with spm.model and dict.txt"
    )
    parser.add_argument("--raw", type=Path, required=True, metavar="FILE.npy", help="its monolingual vectors")
    parser.add_argument(
        "--english-pack", type=Path, required=True, metavar="DIR", help="the English pack, with vectors.npy"
    )
    list_help = "word list: word, tab or space, English word; may be given several times"
    parser.add_argument("--dictionary", type=Path, action="append", default=[], metavar="FILE", help=list_help)
    parallel_help = "line-aligned text to mine pairs from"
    parser.add_argument("--parallel", type=Path, nargs=2, default=[], metavar="FILE", help=parallel_help)
    args = parser.parse_args(argv)
    sources = Sources(tuple(args.dictionary), tuple(args.parallel))
    pack, english = PackFolder(args.pack), PackFolder(args.english_pack)
    card = align_pack(pack, args.raw, english, sources)
    write_json(pack.card, card)
    print(card["alignment"])
    warning = poor_warning(pack, english.lang, card["alignment"])
    if warning:
        print(warning, file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep align"))
