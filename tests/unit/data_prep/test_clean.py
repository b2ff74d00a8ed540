"""Cleaning: what a line becomes, and accounting that always adds up."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.clean import CleanOptions, clean_mono, clean_pairs, match_key, normalise
from data_prep.corpus import Parallel
from data_prep.errors import InputError

LINES = st.text(st.sampled_from("ab \t\u00a0\u200b\x07é\u0301Ω."), max_size=12)
PAIRS = st.lists(st.tuples(LINES, LINES), max_size=30)


def parallel(pairs: list[tuple[str, str]]) -> Parallel:
    return Parallel([x for x, _ in pairs], [y for _, y in pairs], [])


@pytest.mark.parametrize(
    "raw, clean",
    [
        ("  a \t b\u00a0c\u3000", "a b c"),
        ("cafe\u0301", "café"),
        ("a\x07b\u200bc\ufeff", "abc"),
        ("a\u2028b\x85c", "a b c"),
        ("می\u200cروم", "می\u200cروم"),
        ("\u200b", ""),
    ],
)
def test_normalise(raw: str, clean: str) -> None:
    assert normalise(raw) == clean, f"{raw!r} must become {clean!r}"


@given(st.text(max_size=40))
def test_normalise_is_idempotent_and_one_clean_line(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once, "cleaning clean text must change nothing"
    assert once == unicodedata.normalize("NFC", once) and once == " ".join(once.split()), "NFC, single spaces"
    assert len(once.splitlines()) <= 1, "a line must stay one line"


@given(PAIRS, st.integers(1, 4), st.floats(1, 3), st.booleans())
def test_kept_and_dropped_are_all_that_was_read(pairs: list, most: int, ratio: float, repeats: bool) -> None:
    kept, dropped = clean_pairs(parallel(pairs), CleanOptions(most, ratio), keep_repeats=repeats)
    assert len(kept) + sum(dropped.values()) == len(pairs), f"accounting is off: {dropped}"
    assert all(kept.source) and all(kept.english), "no side of a kept pair is empty"
    if not repeats:
        assert len(set(zip(kept.source, kept.english, strict=True))) == len(kept), "a pair was kept twice"


@given(st.lists(LINES, max_size=30), st.integers(1, 4), st.lists(LINES, max_size=3))
def test_mono_accounting(lines: list[str], most: int, held: list[str]) -> None:
    keys = {match_key(normalise(line)) for line in held}
    kept, dropped = clean_mono(lines, CleanOptions(most), keys)
    assert len(kept) + sum(dropped.values()) == len(lines), f"accounting is off: {dropped}"
    assert not keys & {match_key(line) for line in kept}, "a held-out line was kept"


def test_every_reason() -> None:
    pairs = [("a b", "A b"), ("a  b", "A b"), ("", "A"), ("a b c d", "A"), ("a", "x" * 29), ("b", "B")]
    kept, dropped = clean_pairs(parallel(pairs), CleanOptions(max_tokens_per_line=3, length_ratio=2))
    assert kept.source == ["a b", "b"], "the two good pairs, in their order"
    assert dropped == {"duplicate": 1, "empty": 1, "over-long": 1, "length-ratio": 1}, "one of each reason"


def test_over_long_without_spaces() -> None:
    _, dropped = clean_mono(["字" * 31], CleanOptions(max_tokens_per_line=3))
    assert dropped == {"over-long": 1}, "text without spaces has a limit too"


def test_dev_and_test_lines_are_only_dropped_when_empty() -> None:
    pairs = [("a b c d", "A"), ("a b c d", "A"), ("", "A")]
    kept, dropped = clean_pairs(parallel(pairs), CleanOptions(3, 1), keep_repeats=True)
    assert len(kept) == 2 and dropped == {"empty": 1}, "a protocol's test set keeps its lines"


@pytest.mark.parametrize("most, ratio", [(0, 4.0), (10, 0.5), (10, float("nan"))])
def test_bad_limits(most: int, ratio: float) -> None:
    with pytest.raises(InputError, match="--(max-tokens-per-line|length-ratio) must be at least 1"):
        CleanOptions(most, ratio)
