"""The dev and test English of all languages of a data folder, as hashes by which its lines are recognised later.

The text itself cannot be read back from the file. So it can be given to others with a meta-trained model, and a
language that they add does not train on a test line of another.
"""

from collections.abc import Iterable

import numpy as np

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import write_array
from data_prep.cleaning.duplicates import hash_sorted


def hashes_of(keys: Iterable[str]) -> np.ndarray:
    """(n,) sorted hashes of match keys, each once."""
    return np.unique(hash_sorted(keys))


def write_held_out(folder: DataFolder, hashes: np.ndarray) -> None:
    """Write the hashes (n,) of the match keys of all dev and test English of a data folder."""
    write_array(folder.held_out, hashes)
    folder.held_out_keys.unlink(missing_ok=True)


def read_held_out(folder: DataFolder) -> np.ndarray:
    """(n,) sorted hashes of the match keys of all dev and test English of a data folder.

    An earlier version kept the keys themselves, which are read where there are no hashes; (0,) where there is neither.
    InputError if the file is damaged.
    """
    if not folder.held_out.is_file():
        path = folder.held_out_keys
        return hashes_of(path.read_text("utf-8").split("\n")[:-1] if path.is_file() else ())
    try:
        hashes = np.load(folder.held_out, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, RecursionError) as error:
        raise InputError(f"{folder.held_out}: must be a NumPy file of hashes: {error}") from error
    if not isinstance(hashes, np.ndarray) or hashes.ndim != 1 or hashes.dtype != np.uint64:
        raise InputError(f"{folder.held_out}: must be a NumPy file of one row of 64-bit hashes, but is not")
    return np.unique(hashes)
