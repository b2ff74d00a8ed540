"""Monolingual vectors of a language's SentencePiece pieces, from its own text alone or from given vectors of words.

Row i of every table here belongs to index i of the language's fairseq dictionary: 4 special rows come first.

Three methods make vectors from text. All are deterministic: one thread a language.

- "svd", the default: a matrix of positive pointwise mutual information, cut by singular value decomposition to Q
  dimensions (eigenvalue exponent 1). The matrix has two halves side by side, scaled to the same norm. The first is of
  pieces and the pieces around them (Levy, Goldberg and Dagan, TACL 2015, with their context smoothing 0.75). The second
  is of pieces and the sentences that they stand in (Levy, Soegaard and Goldberg, EACL 2017). Either half alone aligns
  less well.
- "word2vec" and "fasttext": gensim's skip-gram with negative sampling, without and with character n-grams of pieces.

On low-resource text, a million tokens or fewer, "svd" is better aligned afterwards and takes a tenth of the time. The
other two are for many millions of tokens.

Given vectors of words (``XX.vec``, the text format of word2vec and fastText) are composed to vectors of pieces. A
piece's vector is a weighted mean of the words whose segmentation contains it. The weight of a word is the number of its
occurrences in the text, divided by the number of its pieces.
"""

import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import regex
import scipy.sparse
import sentencepiece

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.data_folder import PackFolder
from data_prep.base.errors import InputError
from data_prep.base.evenly import evenly
from data_prep.base.extras import need
from data_prep.base.files import write_array
from data_prep.base.text_files import line_blocks, plain_or_gz, read_lines
from data_prep.cleaning.clean_form import normalise
from data_prep.packs.lexicon import incidence
from data_prep.packs.subwords import domain_weight, load, read_dictionary

FAIRSEQ_SPECIALS = 4  # bos, pad, eos, unk
METHODS = ("svd", "word2vec", "fasttext")
WINDOW = 10  # pieces on each side; nearer pieces weigh more
CONTEXT_SMOOTHING = 0.75
POWER_ITERATIONS = 7  # of the singular value decomposition; 2 and 4 align less well (docs/results/alignment.md)
MOST_LINES = 1_000_000  # most lines to read; of longer text so many, evenly spaced
MOST_SENTENCES = 100_000  # most columns of sentences; of longer text so many, evenly spaced
GENSIM_WINDOW = 5
TOKENS_TO_SEE = 12_000_000  # gensim reads a text until it has seen so many tokens, but at most MOST_EPOCHS times
MOST_EPOCHS = 30
FEWEST_EPOCHS = 5
BUCKETS = 200_000  # vectors that fastText's n-grams share; gensim's default takes 2.4 GB at 300 dimensions
WORD = regex.compile(r"\w+|[^\w\s]")  # a word, with its combining marks, or a sign of a text, as .vec files have it


def cooccurrence(sentences: Sequence[Sequence[int]], size: int, weights: Sequence[int]) -> scipy.sparse.csr_array:
    """(size, size) symmetric weighted counts of pieces within WINDOW of each other, in the same sentence.

    ``sentences`` hold piece numbers; ``weights`` says how often each sentence counts.
    """
    gap = np.full(WINDOW, -1)  # between sentences, so that windows do not reach into the next one
    flat = np.concatenate([part for sentence in sentences for part in (np.asarray(sentence, dtype=np.int64), gap)])
    times = np.repeat(np.asarray(weights, dtype=np.float32), [len(sentence) + WINDOW for sentence in sentences])
    total = scipy.sparse.csr_array((size, size), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        left, right = flat[:-distance], flat[distance:]
        both = (left >= 0) & (right >= 0)
        values = times[:-distance][both] * np.float32((WINDOW + 1 - distance) / WINDOW)
        total += scipy.sparse.coo_array((values, (left[both], right[both])), shape=(size, size)).tocsr()
    return (total + total.T).tocsr()


def positive_pmi(counts: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Positive pointwise mutual information of counts (pieces, contexts): (pieces, contexts) float32.

    max(0, log p(x, c) / (p(x) p'(c))), where p'(c) is p(c)^0.75, normalised.
    """
    cells = counts.tocoo()
    row_sums, contexts = counts.sum(axis=1), counts.sum(axis=0) ** CONTEXT_SMOOTHING
    contexts = contexts / contexts.sum()
    row, column = cells.coords
    pmi = np.log(cells.data / (row_sums[row] * contexts[column]))
    positive = pmi > 0
    values = pmi[positive].astype(np.float32)
    return scipy.sparse.csr_array((values, (row[positive], column[positive])), shape=counts.shape)


def reduce_rank(matrix: scipy.sparse.csr_array, dim: int, seed: int) -> np.ndarray:
    """A matrix (n, m) cut to (n, dim) float32: U S of its truncated singular value decomposition.

    Zero columns fill up to ``dim`` where the rank is smaller.
    """
    from sklearn.utils.extmath import randomized_svd  # slow to import: only where used

    rank = min(dim, *matrix.shape)
    u, values, _ = randomized_svd(
        scipy.sparse.csr_matrix(matrix), rank, n_iter=POWER_ITERATIONS, random_state=seed, flip_sign=True
    )
    reduced = np.zeros((matrix.shape[0], dim), dtype=np.float32)
    reduced[:, :rank] = u * values
    return reduced


def context_matrix(numbers: Sequence[Sequence[int]], size: int, weights: Sequence[int]) -> scipy.sparse.csr_array:
    """(size, size + sentences) mutual information of pieces with near pieces, and with sentences.

    Each of the two halves has Frobenius norm 1. ``numbers``: sentences as lists of piece numbers.
    """
    chosen = evenly(len(numbers), MOST_SENTENCES)
    sentences = incidence([numbers[row] for row in chosen], size)
    sentences = sentences[np.flatnonzero(sentences.sum(axis=1))]
    halves = [positive_pmi(cooccurrence(numbers, size, weights)), positive_pmi(scipy.sparse.csr_array(sentences.T))]
    norms = [max(float(np.sqrt((half.data.astype(np.float64) ** 2).sum())), 1e-9) for half in halves]
    return scipy.sparse.hstack([half / np.float32(norm) for half, norm in zip(halves, norms, strict=True)], "csr")


def train_svd(
    pieces: Sequence[Sequence[str]], weights: Sequence[int], dim: int, seed: int = 1
) -> dict[str, np.ndarray]:
    """The vectors (dim,) of pieces, by "svd".

    ``pieces``: sentences as lists of pieces; ``weights``: how often each sentence counts.
    """
    index = {piece: row for row, piece in enumerate(dict.fromkeys(p for sentence in pieces for p in sentence))}
    numbers = [[index[piece] for piece in sentence] for sentence in pieces]
    rows = reduce_rank(context_matrix(numbers, len(index), weights), dim, seed)
    return {piece: rows[row] for piece, row in index.items()}


def epochs_for(tokens: int) -> int:
    """The number of gensim's passes over a text of ``tokens`` pieces."""
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, math.ceil(TOKENS_TO_SEE / max(1, tokens))))


def train_word2vec(
    pieces: Sequence[Sequence[str]], weights: Sequence[int], dim: int, seed: int = 1
) -> dict[str, np.ndarray]:
    """The vectors (dim,) of pieces, by gensim's word2vec; arguments as for ``train_svd``."""
    from gensim.models import Word2Vec  # slow to import: only where used

    return _train_gensim(Word2Vec, pieces, weights, dim, seed)


def train_fasttext(
    pieces: Sequence[Sequence[str]], weights: Sequence[int], dim: int, seed: int = 1
) -> dict[str, np.ndarray]:
    """The vectors (dim,) of pieces, by gensim's fastText; arguments as for ``train_svd``."""
    from gensim.models import FastText  # slow to import: only where used

    return _train_gensim(FastText, pieces, weights, dim, seed, bucket=BUCKETS)


def _train_gensim(
    kind: Any, pieces: Sequence[Sequence[str]], weights: Sequence[int], dim: int, seed: int, **options: int
) -> dict[str, np.ndarray]:
    tokens = sum(len(sentence) * weight for sentence, weight in zip(pieces, weights, strict=True))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pieces") as file:
        for sentence, weight in zip(pieces, weights, strict=True):
            file.write((" ".join(sentence) + "\n") * weight)
        file.flush()
        model = kind(
            corpus_file=file.name,
            sg=1,
            vector_size=dim,
            window=GENSIM_WINDOW,
            negative=5,
            sample=1e-4 if tokens > 1_000_000 else 1e-3,
            min_count=1,  # rare pieces get a vector too; the alignment weighs anchors by their counts
            epochs=epochs_for(tokens),
            workers=1,
            seed=seed,
            **options,
        )
    return {piece: model.wv[piece] for piece in model.wv.index_to_key}


TRAINERS = {"svd": train_svd, "word2vec": train_word2vec, "fasttext": train_fasttext}


def find_vec(folder: Path | None, lang: str) -> Path | None:
    """The file ``XX.vec`` or ``XX.vec.gz`` of a language in ``folder``; None if there is neither."""
    return plain_or_gz(folder / f"{lang}.vec") if folder else None


def read_vec(path: Path, wanted: Iterable[str], dim: int) -> dict[str, np.ndarray]:
    """The vectors (dim,) of those ``wanted`` words that the file has; the first where a word stands twice.

    The format: a word and ``dim`` numbers a line, with spaces between; the first line may be ``words dim``. Words are
    wanted in clean form, and may stand in another in the file. The file is streamed, and only wanted words are kept.
    InputError, with the line, if a line has another number of fields or no numbers.
    """
    vectors: dict[str, np.ndarray] = {}
    words = set(wanted)
    for number, line in enumerate(chain.from_iterable(line_blocks(path)), start=1):
        fields = line.rstrip(" ").split(" ")
        if number == 1 and len(fields) == 2 and all(map(str.isdecimal, fields)):
            if int(fields[1]) != dim:
                raise InputError(f"{path}: --vector-dim must be that of the file ({fields[1]}), but is {dim}")
            continue
        word = fields[0] if fields[0] in words else normalise(fields[0])
        if word not in words or word in vectors:
            continue
        try:
            vector = np.array(fields[1:], dtype=np.float32)
        except ValueError:
            vector = np.zeros(0, dtype=np.float32)
        if len(vector) != dim or not np.isfinite(vector).all():
            raise InputError(
                f"{path}, line {number}: must be a word and --vector-dim ({dim}) numbers, but has {len(fields) - 1} "
                f"fields after {word!r}"
            )
        vectors[word] = vector
    if not vectors:
        raise InputError(f"{path}: must hold words of the text, but has none of its {len(words)}")
    return vectors


def compose(
    counts: Mapping[str, int], vectors: Mapping[str, np.ndarray], model: sentencepiece.SentencePieceProcessor
) -> dict[str, np.ndarray]:
    """The vectors of pieces: for each, a weighted sum of the unit vectors of the words that it is a piece of.

    ``counts``: occurrences of each word. A word that has no vector as written is looked up in lower case, since lists
    of words are in lower case.
    """
    total: dict[str, np.ndarray] = {}
    for word, count in counts.items():
        vector = vectors.get(word, vectors.get(word.lower()))
        if vector is None or not vector.any():
            continue
        pieces = [piece for piece in model.encode(word, out_type=str) if piece != "\u2581"]
        for piece in pieces:
            share = vector * (count / len(pieces) / np.linalg.norm(vector))
            total[piece] = total[piece] + share if piece in total else share
    return total  # vectors of any length: only their directions are used


def word_counts(lines: Sequence[str], weights: Sequence[int]) -> Counter[str]:
    """The occurrences of the words and signs of a text; ``weights``: how often each line counts."""
    counts: Counter[str] = Counter()
    for line, weight in zip(lines, weights, strict=True):
        for word in WORD.findall(line):
            counts[word] += weight
    return counts


def table(vectors: dict[str, np.ndarray], pieces: Sequence[str], dim: int) -> np.ndarray:
    """(4 + len(pieces), dim) float32 vectors in dictionary order; zero rows for special symbols and absent vectors."""
    rows = np.zeros((FAIRSEQ_SPECIALS + len(pieces), dim), dtype=np.float32)
    for index, piece in enumerate(pieces, start=FAIRSEQ_SPECIALS):
        if piece in vectors:
            rows[index] = vectors[piece]
    return rows


def write_vectors(
    pack: PackFolder,
    domain: Sequence[str],
    extra: Sequence[str],
    dim: int,
    out: Path,
    method: str = "svd",
    seed: int = 1,
    vec: Path | None = None,
) -> None:
    """Make the vectors of a pack's pieces from its text and write the table (V, dim) to ``out``.

    Domain text weighs as in subwords. ``vec``: a file of word vectors to compose from, in place of ``method``.
    """
    model, lines = load(pack.model), [*domain, *extra]
    weights = [domain_weight(domain, extra)] * len(domain) + [1] * len(extra)
    rows = evenly(len(lines), MOST_LINES)
    lines, weights = [lines[row] for row in rows], [weights[row] for row in rows]
    if vec is None:
        vectors = TRAINERS[method](model.encode(lines, out_type=str), weights, dim, seed)
    else:
        counts = word_counts(lines, weights)
        vectors = compose(counts, read_vec(vec, {*counts, *map(str.lower, counts)}, dim), model)
    write_array(out, table(vectors, [piece for piece, _ in read_dictionary(pack.dictionary)], dim))


def add_vector_arguments(parser: OneLineParser) -> None:
    """Add the flags of the vectors."""
    parser.add_argument("--vector-dim", type=int, default=300, metavar="Q", help="size of the monolingual vectors")
    parser.add_argument(
        "--vector-method",
        choices=METHODS,
        default="svd",
        help="svd: mutual information with near pieces and sentences, cut to Q dimensions, best for little text; "
        "word2vec, fasttext: gensim's skip-gram, for tens of millions of tokens",
    )


def check_vector_method(method: str) -> None:
    """InputError where the method needs gensim and that is not installed."""
    if method != "svd":
        need("gensim", "vectors", f"--vector-method {method}")


def check_vector_dim(dim: int) -> None:
    """InputError unless the size of the vectors is positive."""
    if dim < 1:
        raise InputError(f"--vector-dim must be at least 1, but is {dim}")


def main(argv: Sequence[str] | None = None) -> int:
    """Make monolingual vectors of a language pack's pieces."""
    parser = OneLineParser(prog="python -m data_prep vectors", description=main.__doc__)
    parser.add_argument(
        "--pack", type=Path, required=True, metavar="DIR", help="language pack with spm.model and dict.txt"
    )
    parser.add_argument("--text", type=Path, required=True, metavar="FILE", help="clean text of the domain")
    parser.add_argument("--extra", type=Path, metavar="FILE", help="more monolingual text; weighs as much in all")
    out_help = "table to write, a row per dictionary index"
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npy", help=out_help)
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the start")
    vec_help = "vectors of words to compose those of the pieces from, in place of --vector-method"
    parser.add_argument("--vec-file", type=Path, metavar="XX.vec", help=vec_help)
    add_vector_arguments(parser)
    args = parser.parse_args(argv)
    check_vector_dim(args.vector_dim)
    check_vector_method(args.vector_method)
    text, extra = read_lines(args.text), read_lines(args.extra) if args.extra else []
    pack = PackFolder(args.pack)
    write_vectors(pack, text, extra, args.vector_dim, args.out, args.vector_method, args.seed, args.vec_file)
    print(f"{args.out}: {np.load(args.out).shape}")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep vectors"))
