"""A translator: odd lines, no lines, and batches of lines."""

import pytest

from data_prep.base.errors import InputError
from meta_nmt.translation.translator import BATCH_PIECES, batches_by_length, check_limits


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


@pytest.mark.parametrize("backend", ["torch", "ctranslate2"])
def test_a_bare_str_is_one_text(loaded, lines, backend):
    translator = loaded[backend]
    text = f"{lines[0]}\n\r\n{lines[1]}\n"
    assert translator.translate(text) == translator.translate([lines[0], "", lines[1]])
    assert [translation.source for translation in translator.results(text)] == [lines[0], "", lines[1]]
    assert translator.translate(line for line in lines[:2]) == translator.translate(lines[:2])


def test_a_beam_that_no_machine_has():
    with pytest.raises(InputError, match="beam must be at most 100, but is 1000000"):
        check_limits(1_000_000, 500)
    check_limits(100, 500)


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
