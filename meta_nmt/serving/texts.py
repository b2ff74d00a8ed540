"""Texts of requests: cut into lines for the translator, which knows lines alone, and put together with their breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.cleaning.clean_form import match_key
from meta_nmt.translation.translator import Hypothesis, Translation


@dataclass(frozen=True)
class Text:
    """A text, cut at its line breaks.

    lines: what stands between the breaks.
    breaks: what ends each line; empty for a last line without one.
    """

    lines: Sequence[str]
    breaks: Sequence[str]

    @classmethod
    def cut(cls, text: str) -> Text:
        """The text cut into lines."""
        ended = text.splitlines(keepends=True)
        lines = text.splitlines()
        return cls(lines, [whole[len(line) :] for whole, line in zip(ended, lines, strict=True)])

    def joined(self, lines: Sequence[str]) -> str:
        """Other lines, such as translations of these, with the breaks of this text."""
        return "".join(line + end for line, end in zip(lines, self.breaks, strict=True))

    def alternatives(self, translations: Sequence[Translation]) -> list[Hypothesis]:
        """The hypotheses of the text as a whole, best first, from the translations of its lines.

        The n-th has the n-th best hypothesis of each line, or the line's last where it has fewer.
        """
        most = max((len(translation.hypotheses) for translation in translations), default=0)
        return [self._whole([one.hypotheses[: rank + 1][-1:] for one in translations]) for rank in range(most)]

    def _whole(self, chosen: Sequence[Sequence[Hypothesis]]) -> Hypothesis:
        """One hypothesis from those of the lines, of which a line without a word has none."""
        hypotheses = [hypothesis for line in chosen for hypothesis in line]
        weights = [len(hypothesis.pieces) + 1 for hypothesis in hypotheses]  # the end symbol has a probability too
        score = sum(one.score * weight for one, weight in zip(hypotheses, weights, strict=True)) / sum(weights)
        pieces = [piece for hypothesis in hypotheses for piece in hypothesis.pieces]
        return Hypothesis(self.joined([line[0].text if line else "" for line in chosen]), score, pieces)


def likenesses(texts: Sequence[str]) -> list[int | None]:
    """For each text, the place of the first before it that differs in case, spaces and punctuation alone, or None."""
    first: dict[str, int] = {}
    places = [first.setdefault(match_key(text), place) for place, text in enumerate(texts)]
    return [known if known < place else None for place, known in enumerate(places)]
