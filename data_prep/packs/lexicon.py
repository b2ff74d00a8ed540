"""Translation pairs mined from line-aligned text: IBM model 1 in both directions, mutual best.

Model 1 of Brown et al. 1993, over the distinct pieces of a sentence pair. Plain co-occurrence (Dice) links a word with
all that is frequent beside it; EM removes such links. Dice only chooses the candidates that EM weighs, so that memory
stays at some bytes a link.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse

ROUNDS = 8  # of EM
FEWEST = 2  # sentence pairs in which a mined pair must stand
SMALLEST = 0.1  # smallest score of a mined pair: geometric mean of both translation probabilities
CANDIDATES = 60  # candidates of a token: so many tokens, those with the highest Dice coefficient
MOST_LINES = 50_000  # most lines to mine; of longer text so many, evenly spaced: see anchors.cut_parallel
MOST_TOKENS = 10_000  # different tokens of each side that are mined, the most frequent
BLOCK = 500  # lines whose links are listed at once


def incidence(lines: Sequence[Sequence[int]], size: int) -> scipy.sparse.csr_array:
    """(lines, size) float32 matrix: 1 where a line holds a token."""
    row = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    column = np.fromiter((token for line in lines for token in line), dtype=np.int64, count=len(row))
    matrix = scipy.sparse.csr_array((np.ones(len(row), np.float32), (row, column)), shape=(len(lines), size))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def mine_pairs(
    source: Sequence[Sequence[int]],
    english: Sequence[Sequence[int]],
    fewest: int = FEWEST,
    smallest: float = SMALLEST,
) -> list[tuple[int, int, float]]:
    """(source token, English token, score) of pairs that are each other's best translation, best score first.

    score = sqrt(t(y|x) t(x|y)) in [0, 1]. ``source`` and ``english`` hold a list of token numbers for each line.

    fewest: sentence pairs that a pair must stand in, at least.
    smallest: least score of a pair.
    """
    sides = []
    for lines in (source, english):
        size = max((max(line) for line in lines if line), default=-1) + 1
        whole = incidence(lines, size)
        often = np.sort(np.argsort(-whole.sum(axis=0), kind="stable")[:MOST_TOKENS])
        sides.append((scipy.sparse.csr_array(whole[:, often]), often))
    (x, x_tokens), (y, y_tokens) = sides
    pair_x, pair_y, together = _candidates(x, y, fewest)
    if not len(pair_x):
        return []
    scores = np.sqrt(_both_ways(x, y, pair_x, pair_y))
    best_of_x, best_of_y = _best(scores, pair_x), _best(scores, pair_y)
    good = (best_of_x == np.arange(len(scores))) & (best_of_y == np.arange(len(scores)))
    good &= (together >= fewest) & (scores >= smallest)
    order = sorted(np.flatnonzero(good), key=lambda row: (-scores[row], row))
    return [(int(x_tokens[pair_x[row]]), int(y_tokens[pair_y[row]]), float(scores[row])) for row in order]


def _candidates(
    x: scipy.sparse.csr_array, y: scipy.sparse.csr_array, fewest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of tokens, x (pairs,) and y (pairs,), in the order of x, and the number of lines that they share (pairs,).

    For each token of both sides they are the CANDIDATES best pairs by Dice.
    """
    shared = scipy.sparse.csr_array(x.T @ y)
    row = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr))
    enough = shared.data >= fewest
    row, column, together = row[enough], shared.indices[enough].astype(np.int64), shared.data[enough]
    dice = 2 * together / (x.sum(axis=0)[row] + y.sum(axis=0)[column])
    kept = _among_best(dice, row) | _among_best(dice, column)
    row, column, together = row[kept], column[kept], together[kept]
    order = np.lexsort((column, row))
    return row[order], column[order], together[order]


def _among_best(scores: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(n,) whether each score is one of the CANDIDATES best of its group."""
    order = np.lexsort((-scores, group))
    start = np.r_[0, np.flatnonzero(np.diff(group[order])) + 1]
    rank = np.arange(len(order)) - np.repeat(start, np.diff(np.r_[start, len(order)]))
    kept = np.zeros(len(order), dtype=bool)
    kept[order[rank < CANDIDATES]] = True
    return kept


def _both_ways(
    x: scipy.sparse.csr_array, y: scipy.sparse.csr_array, pair_x: np.ndarray, pair_y: np.ndarray
) -> np.ndarray:
    """(pairs,) t(y|x) t(x|y) of every pair."""
    number = np.full((x.shape[1], y.shape[1]), -1, dtype=np.int32)
    number[pair_x, pair_y] = np.arange(len(pair_x))
    blocks = list(_links(x, y, number))
    del number
    x_slot, y_slot, pair = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return _translation(y_slot, pair, pair_x) * _translation(x_slot, pair, pair_y)


def _links(
    x: scipy.sparse.csr_array, y: scipy.sparse.csr_array, number: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All links of an x token and a y token of the same line, in blocks of lines.

    A block is three arrays (links,): the slots of both tokens, and the number of their pair. A slot is a token of a
    line.
    """
    for first in range(0, x.shape[0], BLOCK):
        lines = np.arange(first, min(first + BLOCK, x.shape[0]))
        wide = y.indptr[lines + 1] - y.indptr[lines]
        links = (x.indptr[lines + 1] - x.indptr[lines]) * wide
        line = np.repeat(lines, links)
        place = np.arange(links.sum()) - np.repeat(np.cumsum(links) - links, links)
        x_slot = x.indptr[line] + place // wide[line - first]
        y_slot = y.indptr[line] + place % wide[line - first]
        pair = number[x.indices[x_slot], y.indices[y_slot]]
        kept = pair >= 0
        yield x_slot[kept].astype(np.int32), y_slot[kept].astype(np.int32), pair[kept]


def _translation(slot: np.ndarray, pair: np.ndarray, given: np.ndarray) -> np.ndarray:
    """(pairs,) t(token | given) of every pair, by EM.

    slot: (links,) the token of a line that a link explains.
    pair: (links,) the number of the link's pair.
    given: (pairs,) the token of the other side, by which a pair explains.
    """
    probability = np.ones(len(given))
    for _ in range(ROUNDS):
        link = probability[pair]
        link /= np.maximum(np.bincount(slot, link), 1e-300)[slot]
        counts = np.bincount(pair, link, minlength=len(given))
        probability = counts / np.maximum(np.bincount(given, counts), 1e-300)[given]
    return probability


def _best(scores: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(pairs,) the number of the best-scored pair of each pair's group; the first of equally good ones."""
    order = np.lexsort((np.arange(len(scores)), -scores, group))
    first = order[np.r_[True, np.diff(group[order]) > 0]]
    best = np.empty(group.max() + 1, dtype=int)
    best[group[first]] = first
    return best[group]
