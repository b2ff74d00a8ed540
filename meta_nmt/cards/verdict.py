"""The verdict on a model: what its scores are good enough for, in one line with the floors that were asked of them.

BLEU from 20 on is said to give the gist of a text, and below 10 to be almost useless (Google, "Evaluate models",
Cloud Translation). The floors here are lower, as the languages are small; they are a judgement, not a measurement.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_REPEATED = 20.0  # per cent of the translations
LOOP = re.compile(r"(.{2,60}?)\1{2,}")  # the same thing three times in a row: "of the of the of the "


@dataclass(frozen=True)
class Use:
    """A use of a model, with the least BLEU and chrF++ (per cent) that it needs."""

    name: str
    bleu: float
    chrf: float


DRAFT = Use("a draft", 20, 40)
HINT = Use("a hint at the subject", 5, 25)
USES = (DRAFT, HINT)  # the most demanding first


@dataclass(frozen=True)
class Verdict:
    """What a model is good enough for.

    use: the most demanding of USES whose floors the scores reach; None where they reach none.
    scores: the scores in words.
    """

    use: Use | None
    scores: str

    @property
    def line(self) -> str:
        """The verdict in one line, with the scores and all floors."""
        good_for = "of no use" if self.use is None else f"good for {self.use.name}"
        floors = "; ".join(f"{use.name} needs BLEU {use.bleu:g} and chrF2++ {use.chrf:g}" for use in reversed(USES))
        return f"verdict: {good_for}: {self.scores} ({floors}; at most {MOST_REPEATED:g}% repetition)"


def judge(split: str, bleu: float, chrf: float | None = None, repeated: float | None = None) -> Verdict:
    """The verdict on scores in per cent.

    Args:
        split: what was translated: "test" or "dev".
        chrf: chrF++; None if not measured.
        repeated: what `repetition` gives; None if not measured.
    """
    words = [f"{split} BLEU {bleu:.1f}"]
    words += [] if chrf is None else [f"chrF2++ {chrf:.1f}"]
    words += [] if repeated is None else [f"repetition {repeated:.0f}%"]
    varied = repeated is None or repeated <= MOST_REPEATED
    reached = (use for use in USES if varied and bleu >= use.bleu and (chrf is None or chrf >= use.chrf))
    return Verdict(next(reached, None), ", ".join(words))


def repetition(translations: Sequence[str], references: Iterable[str]) -> float:
    """The share in per cent of translations that loop, or that stand for sentences with different references too.

    ``translations`` must not be empty.
    """
    references_of = defaultdict(set)
    for translation, reference in zip(translations, references, strict=True):
        references_of[translation].add(reference)
    repeated = [len(references_of[translation]) > 1 or loops(translation) for translation in translations]
    return 100 * sum(repeated) / len(repeated)


def loops(text: str) -> bool:
    """Whether something with a letter in it, of 2 to 60 characters, stands three times in a row."""
    return any(any(map(str.isalpha, match[1])) for match in LOOP.finditer(f"{text} "))
