"""ULR tables: the universal space (English vectors), its keys, and the language packs' query vectors.

Keys K (M, Q): unit vectors of the M most frequent English pieces. Queries of a language (V, Q): unit vectors of its
pieces in the same space. Gu et al., NAACL 2018 (arXiv 1802.05368), section 3.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.data_folder import PackFolder, UniversalFolder
from data_prep.base.errors import InputError
from data_prep.base.files import write_array, write_lines
from data_prep.packs.subwords import read_dictionary
from data_prep.packs.vectors import FAIRSEQ_SPECIALS


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows scaled to length 1; zero rows stay zero."""
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def normalised(rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Rows (V, Q) in float64: scaled to unit length, centred, and scaled again; zero rows stay zero.

    Centring subtracts the mean of the pieces that occur at least 5 times, so that rare pieces do not shift it. It makes
    unrelated words orthogonal, which Procrustes then keeps (Artetxe et al., EMNLP 2016). ``counts`` (V,): occurrences.
    """
    rows = unit(rows.astype(np.float64))
    filled = np.asarray(rows.any(axis=1))
    trusted = filled & (counts >= min(5, counts[filled].max(initial=0)))
    if trusted.any():
        rows = np.where(filled[:, None], rows - rows[trusted].mean(axis=0), 0)
    return unit(rows)


def counts_of(pack: PackFolder) -> np.ndarray:
    """(V,) occurrences of a pack's pieces by fairseq index; 0 for the special symbols."""
    return np.array([0] * FAIRSEQ_SPECIALS + [count for _, count in read_dictionary(pack.dictionary)])


def load_table(path: Path, pack: PackFolder) -> np.ndarray:
    """Load a table of vectors (V, Q); InputError if it is damaged or has other rows than the pack's dictionary."""
    try:
        rows = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: file is missing") from error
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: must be a whole .npy file: {error}") from error
    wanted = len(counts_of(pack))
    if rows.ndim != 2 or len(rows) != wanted:
        raise InputError(f"{path}: must have {wanted} rows as {pack.dictionary} has, but its shape is {rows.shape}")
    return rows


def write_english(pack: PackFolder, raw: Path) -> None:
    """Write the vectors of the English pack, which are the universal space: its monolingual vectors, normalised.

    ``raw``: the table of monolingual vectors (vectors.write_vectors).
    """
    write_array(pack.vectors, normalised(load_table(raw, pack), counts_of(pack)).astype(np.float32))


def write_universal(pack: PackFolder, out: UniversalFolder, most: int) -> int:
    """Write the universal tokens: the M <= ``most`` most frequent English pieces with a vector; returns M."""
    vectors = load_table(pack.vectors, pack)
    pieces = [piece for piece, _ in read_dictionary(pack.dictionary)]
    filled = np.flatnonzero(vectors.any(axis=1))[:most]  # the dictionary is in order of frequency
    write_array(out.keys, vectors[filled])
    write_lines(out.tokens, [pieces[index - FAIRSEQ_SPECIALS] for index in filled])
    return len(filled)


def add_universal_argument(parser: OneLineParser) -> None:
    """Add the flag of the number of universal tokens."""
    parser.add_argument(
        "--universal-tokens", type=int, default=20_000, metavar="M",
        help="most universal tokens: the M most frequent pieces of the target language (all, if it has fewer)",
    )  # fmt: skip


def check_universal_tokens(most: int) -> None:
    """InputError unless the number of universal tokens is positive."""
    if most < 1:
        raise InputError(f"--universal-tokens must be at least 1, but is {most}")


def main(argv: Sequence[str] | None = None) -> int:
    """Make the English vectors and the universal keys from a pack and its monolingual vectors."""
    parser = OneLineParser(prog="python -m data_prep ulr_tables", description=main.__doc__)
    parser.add_argument("--pack", type=Path, required=True, metavar="DIR", help="the English language pack")
    parser.add_argument("--raw", type=Path, required=True, metavar="FILE.npy", help="its monolingual vectors")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where keys.npy and tokens.txt go")
    add_universal_argument(parser)
    args = parser.parse_args(argv)
    check_universal_tokens(args.universal_tokens)
    pack, universal = PackFolder(args.pack), UniversalFolder(args.out)
    write_english(pack, args.raw)
    print(f"{args.out}: {write_universal(pack, universal, args.universal_tokens)} universal tokens")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep ulr_tables"))
