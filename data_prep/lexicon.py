"""Translation pairs mined from line-aligned text: IBM model 1 in both directions, mutual best.

Brown et al. 1993 (model 1) over the distinct pieces of a sentence pair. Plain co-occurrence (Dice) links a word with
whatever is frequent beside it; EM explains that away.
"""

from collections.abc import Sequence

import numpy as np

ROUNDS = 8
FEWEST = 2  # sentence pairs in which a mined pair must stand
SMALLEST = 0.1  # geometric mean of both translation probabilities


def mine_pairs(
    source: Sequence[Sequence[int]],
    english: Sequence[Sequence[int]],
    fewest: int = FEWEST,
    smallest: float = SMALLEST,
) -> list[tuple[int, int, float]]:
    """(source token, English token, score) of pairs that are each other's best translation, best score first.

    score = sqrt(t(y|x) t(x|y)) in [0, 1]; both arguments hold one list of token numbers a line.
    """
    cells = [
        (line, x, y)
        for line, (xs, ys) in enumerate(zip(source, english, strict=True))
        for x in dict.fromkeys(xs)
        for y in dict.fromkeys(ys)
    ]
    if not cells:
        return []
    lines, xs, ys = np.array(cells).T
    pair_codes, pair = np.unique(xs * (ys.max() + 1) + ys, return_inverse=True)
    pair_x, pair_y = pair_codes // (ys.max() + 1), pair_codes % (ys.max() + 1)
    forward = _translation(lines, ys, pair, pair_x)  # t(y|x)
    backward = _translation(lines, xs, pair, pair_y)  # t(x|y)
    scores = np.sqrt(forward * backward)
    together = np.bincount(pair)
    best_of_x, best_of_y = _best(scores, pair_x), _best(scores, pair_y)
    good = (best_of_x == np.arange(len(scores))) & (best_of_y == np.arange(len(scores)))
    good &= (together >= fewest) & (scores >= smallest)
    order = sorted(np.flatnonzero(good), key=lambda row: (-scores[row], row))
    return [(int(pair_x[row]), int(pair_y[row]), float(scores[row])) for row in order]


def _translation(lines: np.ndarray, tokens: np.ndarray, pair: np.ndarray, given: np.ndarray) -> np.ndarray:
    """t(token | given) of every distinct pair, by EM; cells are the links (line, token, given) of the text."""
    _, slot = np.unique(lines * (tokens.max() + 1) + tokens, return_inverse=True)  # a token of a sentence to explain
    probability = np.ones(len(given))
    for _ in range(ROUNDS):
        link = probability[pair]
        link = link / np.bincount(slot, link)[slot]
        counts = np.bincount(pair, link)
        probability = counts / np.bincount(given, counts)[given]
    return probability


def _best(scores: np.ndarray, group: np.ndarray) -> np.ndarray:
    """For every pair, the number of the best-scored pair of its group (the first, where several are best)."""
    order = np.lexsort((np.arange(len(scores)), -scores, group))
    first = order[np.r_[True, np.diff(group[order]) > 0]]
    best = np.empty(group.max() + 1, dtype=int)
    best[group[first]] = first
    return best[group]
