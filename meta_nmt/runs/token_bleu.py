"""fairseq's scorer ``bleu``, BLEU over token ids, without its compiled library ``fairseq.libbleu``.

It is for a fairseq that was installed without a C++ compiler. These functions take the place of methods of
``fairseq.scoring.bleu.Scorer``, and count what the library counts. ``fairseq-generate`` prints this score unless told
otherwise; ours are sacreBLEU's (`meta_nmt.bleu_tokeniser`).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import Tensor

ORDERS = (1, 2, 3, 4)  # lengths of n-grams


def start(scorer: Any, cfg: Any) -> None:
    """Make a scorer, in place of ``Scorer.__init__``."""
    from fairseq.scoring.bleu import BleuStat

    scorer.stat = BleuStat()  # all counts are 0
    scorer.pad, scorer.eos, scorer.unk = cfg.pad, cfg.eos, cfg.unk


def reset(scorer: Any, one_init: bool = False) -> None:
    """Forget all sentences, in place of ``Scorer.reset``. ``one_init``: smooth, by one n-gram of each order above 1."""
    for name, _ in scorer.stat._fields_:
        setattr(scorer.stat, name, int(one_init and name[-1] in "234"))


def add(scorer: Any, ref: Tensor, pred: Tensor) -> None:
    """Count one sentence, in place of ``Scorer.add``.

    Args:
        scorer: fairseq's scorer.
        ref: (T,) int32 token ids of the reference; an unknown word in it matches nothing.
        pred: (T,) int32 token ids of the translation.
    """
    stat = scorer.stat
    reference = [None if i == scorer.unk else i for i in _trimmed(ref, scorer)]
    translation = _trimmed(pred, scorer)
    stat.reflen += len(reference)
    stat.predlen += len(translation)
    for order in ORDERS:
        found = _ngrams(translation, order)
        matches = (found & _ngrams(reference, order)).total()
        setattr(stat, f"count{order}", getattr(stat, f"count{order}") + found.total())
        setattr(stat, f"match{order}", getattr(stat, f"match{order}") + matches)


def _trimmed(tokens: Tensor, scorer: Any) -> list[int]:
    """The ids without padding in front, and without padding and ends of sentence behind; one id at least."""
    ids = tokens.reshape(-1).tolist()
    start, end = 0, len(ids)
    while start < end and ids[start] == scorer.pad:
        start += 1
    while end > start + 1 and ids[end - 1] in (scorer.pad, scorer.eos):
        end -= 1
    return ids[start:end]


def _ngrams(ids: list[Any], order: int) -> Counter[tuple[Any, ...]]:
    return Counter(zip(*(ids[i:] for i in range(order)), strict=False))
