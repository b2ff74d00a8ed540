"""A translator: odd lines, no lines, and batches of lines."""

import pytest

from meta_nmt.translation.translator import BATCH_PIECES, batches_by_length


@pytest.mark.parametrize("backend", ["torch", "ctranslate2"])
def test_odd_lines_stay_in_their_places(loaded, lines, backend):
    translator = loaded[backend]
    odd = ["", "   ", "Привет, мир", "\ud83d", "\u200b", " ".join(lines * 20), "a\nb\tc\x00d"]
    results = translator.results([lines[0], *odd, lines[1]])
    assert [result.source for result in results] == [lines[0], *odd, lines[1]]
    alone = translator.translate(lines[:2])
    assert [results[0].text, results[-1].text] == alone, "the others do not change a line"
    assert [bool(result.hypotheses) for result in results[1:3]] == [False, False], "no word, no translation"
    assert results[1].text == "" and not results[1].warnings
    assert "script" in results[3].warnings[0], "unknown words are said"
    assert results[6].warnings == [f"cut from {len(' '.join(lines * 20).split())} to 500 pieces"]
    assert len(results[6].pieces) == 500 and not results[0].warnings
    assert all("\n" not in result.text for result in results)


def test_no_lines(loaded):
    assert [translator.translate([]) for translator in loaded.values()] == [[], []]


def test_batches_are_bounded_and_whole():
    lengths = [1, 2, 2, 3, 5, 400, 3000, 3999, 4000, 9000] + [1] * 200
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    batches = list(batches_by_length(order, lengths, 64))
    assert [i for batch in batches for i in batch] == order
    for batch in batches:
        padded = len(batch) * (max(lengths[i] for i in batch) + 1)
        assert len(batch) <= 64 and (padded <= BATCH_PIECES or len(batch) == 1)
