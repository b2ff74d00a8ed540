"""The universal tokens that ULR makes a language's words of, in an adapted model."""

from __future__ import annotations

from data_prep.base.data_folder import DataFolder
from data_prep.packs.align import LETTERS, WORD_START
from meta_nmt.data.language_pack import load_universal_names
from meta_nmt.modules.neighbours import nearest_universal
from meta_nmt.tasks.adapted import load_adapted

SHORTEST = 4  # letters; shorter pieces are mostly function words and fragments
NEAREST = 5


def nearest_pieces(data: str, checkpoint: str, lang: str, count: int) -> list[tuple[str, list[tuple[str, float]]]]:
    """The most frequent pieces that begin a word, each with its nearest universal tokens and their weights.

    Raises:
        InputError: the checkpoint or the language pack cannot be read.
    """
    task, (model,) = load_adapted(data, [checkpoint], lang, DataFolder(data).english)
    symbols = task.source_dictionary.symbols[task.source_dictionary.nspecial :]  # most frequent first
    words = [s for s in symbols if s.startswith(WORD_START) and len(s) > SHORTEST and LETTERS.fullmatch(s, 1)][
        : 2 * count
    ]
    names = load_universal_names(data, len(task.universal_keys))
    nearest = nearest_universal(model, task.source_dictionary, names, words, NEAREST)
    return [(piece.removeprefix(WORD_START), tokens) for piece, tokens in zip(words, nearest, strict=True) if tokens][
        :count
    ]
