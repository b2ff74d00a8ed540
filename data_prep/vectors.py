"""Monolingual vectors of a language's SentencePiece pieces, from its own text alone.

Row i of every table here belongs to index i of the language's fairseq dictionary: 4 special rows come first.

Two methods. "svd", the default: positive pointwise mutual information of the pieces around each other, cut to Q
dimensions by singular values (Levy, Goldberg and Dagan, TACL 2015, with their context smoothing 0.75 and eigenvalue
exponent 0.5). "word2vec": gensim's skip-gram with negative sampling. On low-resource text, a million tokens or fewer,
the first is better aligned afterwards and takes a tenth of the time; word2vec is for many millions of tokens.
Both are deterministic: one thread a language (several languages run in processes beside each other).
"""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse

from data_prep.corpus import read_lines
from data_prep.errors import InputError, OneLineParser, run_command
from data_prep.provenance import write_array
from data_prep.subwords import domain_weight, load, read_dictionary

FAIRSEQ_SPECIALS = 4  # bos, pad, eos, unk
METHODS = ("svd", "word2vec")
WINDOW = 10  # pieces on each side; nearer ones weigh more
CONTEXT_SMOOTHING = 0.75
EIGENVALUE_EXPONENT = 0.5
W2V_WINDOW = 5
TOKENS_TO_SEE = 12_000_000  # word2vec: small texts are read more often, but at most MOST_EPOCHS times
MOST_EPOCHS = 30
FEWEST_EPOCHS = 5


def cooccurrence(sentences: Sequence[Sequence[int]], size: int, weights: Sequence[int]) -> scipy.sparse.csr_array:
    """(size, size) symmetric weighted counts of pieces within WINDOW of each other, in the same sentence.

    ``sentences`` hold piece numbers; ``weights`` counts a sentence several times.
    """
    gap = np.full(WINDOW, -1)  # so that windows do not reach into the next sentence
    flat = np.concatenate([part for sentence in sentences for part in (np.asarray(sentence, dtype=np.int64), gap)])
    times = np.repeat(np.asarray(weights, dtype=np.float64), [len(sentence) + WINDOW for sentence in sentences])
    total = scipy.sparse.csr_array((size, size))
    for distance in range(1, WINDOW + 1):
        left, right = flat[:-distance], flat[distance:]
        both = (left >= 0) & (right >= 0)
        values = times[:-distance][both] * (WINDOW + 1 - distance) / WINDOW
        total += scipy.sparse.coo_array((values, (left[both], right[both])), shape=(size, size)).tocsr()
    return (total + total.T).tocsr()


def positive_pmi(counts: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """max(0, log p(x, c) / (p(x) p(c)^0.75 normalised)) of symmetric counts."""
    cells = counts.tocoo()
    row_sums = counts.sum(axis=1)
    contexts = row_sums**CONTEXT_SMOOTHING
    contexts /= contexts.sum()
    pmi = np.log(cells.data / (row_sums[cells.row] * contexts[cells.col]))
    positive = pmi > 0
    return scipy.sparse.csr_array((pmi[positive], (cells.row[positive], cells.col[positive])), shape=counts.shape)


def reduce_rank(matrix: scipy.sparse.csr_array, dim: int, seed: int) -> np.ndarray:
    """(n, dim): U S^0.5 of the truncated singular value decomposition; zero columns where n is smaller."""
    from sklearn.utils.extmath import randomized_svd  # slow to import: only where used

    rank = min(dim, matrix.shape[0])
    u, values, _ = randomized_svd(scipy.sparse.csr_matrix(matrix), rank, n_iter=4, random_state=seed)
    reduced = np.zeros((matrix.shape[0], dim))
    reduced[:, :rank] = u * values**EIGENVALUE_EXPONENT
    return reduced


def train_svd(
    pieces: Sequence[Sequence[str]], weights: Sequence[int], dim: int, seed: int = 1
) -> dict[str, np.ndarray]:
    """piece -> vector (dim,). ``pieces``: sentences as lists of pieces; ``weights`` counts a sentence several times."""
    index = {piece: row for row, piece in enumerate(dict.fromkeys(p for sentence in pieces for p in sentence))}
    numbers = [[index[piece] for piece in sentence] for sentence in pieces]
    counts = cooccurrence(numbers, len(index), weights)
    rows = reduce_rank(positive_pmi(counts), dim, seed)
    return {piece: rows[row] for piece, row in index.items()}


def epochs_for(tokens: int) -> int:
    """word2vec's passes over a text of so many pieces."""
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, math.ceil(TOKENS_TO_SEE / max(1, tokens))))


def train_word2vec(
    pieces: Sequence[Sequence[str]], weights: Sequence[int], dim: int, seed: int = 1
) -> dict[str, np.ndarray]:
    """The same by gensim."""
    from gensim.models import Word2Vec  # slow to import: only where used

    tokens = sum(len(sentence) * weight for sentence, weight in zip(pieces, weights, strict=True))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pieces") as file:
        for sentence, weight in zip(pieces, weights, strict=True):
            file.write((" ".join(sentence) + "\n") * weight)
        file.flush()
        model = Word2Vec(
            corpus_file=file.name,
            sg=1,
            vector_size=dim,
            window=W2V_WINDOW,
            negative=5,
            sample=1e-4 if tokens > 1_000_000 else 1e-3,
            min_count=1,  # rare pieces get a vector too; the alignment weighs anchors by their counts
            epochs=epochs_for(tokens),
            workers=1,
            seed=seed,
        )
    return {piece: model.wv[piece] for piece in model.wv.index_to_key}


def table(vectors: dict[str, np.ndarray], pieces: Sequence[str], dim: int) -> np.ndarray:
    """(4 + len(pieces), dim) float32 in dictionary order; zero rows for specials and pieces without a vector."""
    rows = np.zeros((FAIRSEQ_SPECIALS + len(pieces), dim), dtype=np.float32)
    for index, piece in enumerate(pieces, start=FAIRSEQ_SPECIALS):
        if piece in vectors:
            rows[index] = vectors[piece]
    return rows


def write_vectors(
    pack: Path,
    domain: Sequence[str],
    extra: Sequence[str],
    dim: int,
    out: Path,
    method: str = "svd",
    seed: int = 1,
) -> None:
    """Make the vectors of a pack's pieces from its text and write the table; domain text weighs as in subwords."""
    model = load(pack / "spm.model")
    pieces = model.encode([*domain, *extra], out_type=str)
    weights = [domain_weight(domain, extra)] * len(domain) + [1] * len(extra)
    vectors = (train_svd if method == "svd" else train_word2vec)(pieces, weights, dim, seed)
    write_array(out, table(vectors, [piece for piece, _ in read_dictionary(pack / "dict.txt")], dim))


def add_vector_arguments(parser: OneLineParser) -> None:
    """The flags of the vectors."""
    parser.add_argument("--vector-dim", type=int, default=300, metavar="Q", help="size of the monolingual vectors")
    parser.add_argument(
        "--vector-method",
        choices=METHODS,
        default="svd",
        help="svd: mutual information cut to Q dimensions, best for little text; word2vec: gensim's skip-gram, "
        "for tens of millions of tokens",
    )


def check_vector_dim(dim: int) -> None:
    """InputError unless positive."""
    if dim < 1:
        raise InputError(f"--vector-dim must be at least 1, but is {dim}")


def main(argv: Sequence[str] | None = None) -> int:
    """Make monolingual vectors of a language pack's pieces."""
    parser = OneLineParser(prog="python -m data_prep.vectors", description=main.__doc__)
    pack_help = "language pack with spm.model and dict.txt"
    parser.add_argument("--pack", type=Path, required=True, metavar="DIR", help=pack_help)
    parser.add_argument("--text", type=Path, required=True, metavar="FILE", help="clean text of the domain")
    parser.add_argument("--extra", type=Path, metavar="FILE", help="more monolingual text; weighs as much in all")
    out_help = "table to write, a row per dictionary index"
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npy", help=out_help)
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the start")
    add_vector_arguments(parser)
    args = parser.parse_args(argv)
    check_vector_dim(args.vector_dim)
    text, extra = read_lines(args.text), read_lines(args.extra) if args.extra else []
    write_vectors(args.pack, text, extra, args.vector_dim, args.out, args.vector_method, args.seed)
    print(f"{args.out}: {np.load(args.out).shape}")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep.vectors"))
