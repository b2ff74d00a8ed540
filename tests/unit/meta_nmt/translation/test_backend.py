"""The two backends search alike."""

import pytest

from meta_nmt.translation.backend import longest_hypothesis
from meta_nmt.translation.loaders import load_checkpoints


def test_both_backends_and_the_checkpoint_agree(data, adapted, loaded, lines):
    results = {name: translator.results(lines, 2) for name, translator in loaded.items()}
    results["checkpoint"] = load_checkpoints(data, [adapted], "dd", beam=3).results(lines, 2)
    expected = results.pop("checkpoint")
    assert len({result.text for result in expected}) > len(lines) // 2, "the model says different things"
    for name, found in results.items():
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.text == theirs.text and ours.pieces == theirs.pieces, name
            assert len(ours.hypotheses) == 2
            for one, other in zip(ours.hypotheses, theirs.hypotheses, strict=True):
                if one.pieces == other.pieces:  # CTranslate2 forbids an empty hypothesis before the softmax
                    assert one.score == pytest.approx(other.score, abs=5e-3), f"{name}: the same scale of scores"
            assert ours.hypotheses[0].score >= ours.hypotheses[1].score, "best first"


def test_the_longest_hypothesis_is_fairseq_s():
    assert longest_hypothesis([["a"] * 9, ["a"]]) == 25, "1.5 times 9 pieces and the end symbol, and 10"
    assert longest_hypothesis([["a"] * 5000]) == 1023
