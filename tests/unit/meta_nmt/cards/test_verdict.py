"""The verdict on a model: floors that are said, and what counts as repetition."""

import pytest

from meta_nmt.cards.verdict import DRAFT, HINT, judge, loops, repetition


@pytest.mark.parametrize(
    "scores, use",
    [
        ((0.1, 12.0, 0.0), None), ((4.9, 60.0, 0.0), None), ((60.0, 24.0, 0.0), None), ((60.0, 60.0, 21.0), None),
        ((5.0, 25.0, 20.0), HINT), ((19.9, 60.0, 0.0), HINT), ((60.0, 39.0, 0.0), HINT),
        ((20.0, 40.0, 20.0), DRAFT), ((20.0, None, None), DRAFT), ((4.0, None, None), None),
    ],
)  # fmt: skip
def test_every_floor_counts(scores, use):
    assert judge("test", *scores).use is use


def test_the_line_has_the_scores_and_the_floors():
    line = judge("test", 0.123, 12.0, 64.4).line
    assert line.startswith("verdict: of no use: test BLEU 0.1, chrF2++ 12.0, repetition 64%") and "\n" not in line
    for floor in ("a hint at the subject needs BLEU 5 and chrF2++ 25", "a draft needs BLEU 20", "at most 20%"):
        assert floor in line, line
    assert "chrF2++ 12" not in judge("dev", 30.0).line and "good for a draft: dev BLEU 30.0" in judge("dev", 30.0).line


def test_loops_of_words_and_of_characters():
    for text in ("of the of the of the", "and and and", "我不知道我不知道我不知道", "it is a ro-ro-ro-ro"):
        assert loops(text), text
    for text in ("1,000,000,000", "Wait ......", "-- -- -- --", "no, no", "that that is is", "", "aaaa"):
        assert not loops(text), text


def test_one_line_for_many_sentences_is_repetition():
    assert repetition(["I go.", "I go.", "You go.", "We go."], ["I go.", "He came.", "You go.", "We go."]) == 50
    assert repetition(["Yes."] * 3 + ["No."], ["Yes."] * 3 + ["No."]) == 0, "so it is in the references"
    assert repetition(["", ""], ["a", "b"]) == 100, "nothing at all, twice"
