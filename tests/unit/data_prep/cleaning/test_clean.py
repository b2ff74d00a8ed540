"""Cleaning: what a line becomes, what is dropped and why, and accounting that always adds up."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.clean_speed import generate, plain_clean, plain_key, plain_line, plain_tokens
from data_prep.base.errors import InputError
from data_prep.cleaning import clean, language_id
from data_prep.cleaning.clean import CleanOptions, Count, Duplicates, Filters, Stream, clean_batches, clean_files
from data_prep.cleaning.clean_form import KEY, match_key, normalise
from data_prep.cleaning.duplicates import Seen, hash_sorted

TRICKY = (
    "ab \t\n\r\0\x07\x1c\x85\xa0\xad\u0301\u0323é\u200b\u200d\ufeff\u2028\u3000Ω.;&#xamplt0字कि가\u11a8\U0001d15e\ud800"
)
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
LINES = st.text(st.sampled_from(TRICKY), max_size=14) | st.text(max_size=8)
PAIRS = st.lists(st.tuples(LINES, LINES), max_size=12)


def cleaned(
    sides: Sequence[Sequence[str]], filters: Filters, pool: Any = None
) -> tuple[list[tuple[str, ...]], dict[str, int]]:
    """The kept lines, a tuple for each row, and what was dropped."""
    count, rows = Count(), []
    for _, batch in clean_batches([("x", tuple(sides))], {"x": Stream(filters)}, pool):
        count.add(batch)
        rows += list(zip(*(side.decode().split("\n")[:-1] for side in batch.sides), strict=True))
    assert count.read == len(sides[0]) and count.kept == len(rows), f"lines were lost: {count}"
    assert count.kept + count.dropped.total() == count.read, f"accounting is off: {count}"
    assert count.words == sum(len(row[-1].split()) for row in rows), "words of the last side"
    return rows, dict(sorted(count.dropped.items()))


def pairs(*rows: tuple[str, str], **given: Any) -> tuple[list[tuple[str, ...]], dict[str, int]]:
    return cleaned([[x for x, _ in rows], [y for _, y in rows]], Filters(CleanOptions(**given)))


@pytest.mark.parametrize(
    "raw, wanted",
    [
        ("  a \t b\u00a0c\u3000", "a b c"),
        ("cafe\u0301", "café"),
        ("a\x07b\u200bc\ufeff\0", "abc"),
        ("co\u00adop", "coop"),
        ("a\u2028b\x85c\nd", "a b c d"),
        ("می\u200cروم", "می\u200cروم"),
        ("\u200b", ""),
        ("\u06dd1", "\u06dd1"),
        ("a\ud800b", "ab"),
        ("&lt;b&gt; &amp;amp;quot; &#233;&#xE9; &nbsp;x", '<b> " éé x'),
        ("AT&T ?a=1&copy=2 &unknown; &", "AT&T ?a=1&copy=2 &unknown; &"),
        ("&#10;a&#x200B;&am\u200bp;lt;", "a<"),
        ("&lt\u037e", "<"),
    ],
)
def test_normalise(raw: str, wanted: str) -> None:
    assert normalise(raw) == wanted, f"{raw!r} must become {wanted!r}"


@given(LINES)
def test_normalise_is_idempotent_and_one_clean_line(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once, "cleaning clean text must change nothing"
    assert once == unicodedata.normalize("NFC", once) and once == " ".join(once.split()), "NFC, single spaces"
    assert len(once.splitlines()) <= 1, "a line must stay one line"
    assert once.encode().decode() == once, "what is left can be written"


@given(LINES)
def test_one_line_is_as_the_plain_rules_say(text: str) -> None:
    assert normalise(text) == plain_line(text), "the rules for one line, written twice"
    assert match_key(normalise(text)) == plain_key(plain_line(text)), "and for its key"


def test_marks_are_of_the_key() -> None:
    assert match_key("कि!") != match_key("का"), "vowel signs tell words apart"
    assert match_key("Straße 5.") == match_key("STRASSE, 5"), "case and punctuation do not"
    assert match_key("page 5") != match_key("page 6"), "digits do"
    assert match_key("?!") != match_key("..."), "lines of signs alone are not all the same"


SAME_SENTENCES = {
    "apostrophe": ["I don't know", "I don\u02bct know", "I don\u2019t know", "I don\uff07t know", "I don\u00b4t know",
                   "I don`t know", "I don\u2032t know", "I don\u02b9t know", "I don\ua78ct know", "I DON\ua78bT KNOW"],
    "okina": ["hele \u02bbo Kimo", "hele 'o Kimo", "hele \u2018o Kimo", "hele \u02bfo Kimo", "hele `o Kimo"],
    "full width": ["Page 12, see ABC", "\uff30age\u3000\uff11\uff12\uff0c see \uff21\uff22\uff23"],
    "half width": ["\u30d1\u30fc\u30c6\u30a3", "\uff8a\uff9f\uff70\uff83\uff68"],
    "ligature": ["fine offer", "\ufb01ne o\ufb00er"],
    "mathematical": ["see x2 here", "see \U0001d431\u00b2 here"],
    "n with apostrophe": ["'n man", "\u0149 man", "\u02bcn man"],
    "tatweel": ["\u0643\u062a\u0627\u0628", "\u0643\u062a\u0640\u0640\u0627\u0628"],
    "presentation form": ["\u0644\u0627", "\ufefb"],
    "variation selector": ["I \u2764 you", "I \u2764\ufe0f you"],
    "joiner": ["\u0915\u094d\u0937", "\u0915\u094d\u200d\u0937", "\u0915\u034f\u094d\u0937"],
}  # fmt: skip


@pytest.mark.parametrize("forms", SAME_SENTENCES.values(), ids=SAME_SENTENCES)
def test_one_sentence_however_it_is_typed(forms: list[str]) -> None:
    """Also where a text is handled as a whole: what leaks is found there."""
    keys = {match_key(normalise(form)) for form in forms}
    assert len(keys) == 1, f"one key, not {keys}"
    held = np.zeros(0, np.uint64), hash_sorted(keys)
    sides = [[f"x{row}" for row in range(len(forms) + 1)], [*forms, "another sentence"]]
    _, dropped = cleaned(sides, Filters(held_out=held))
    assert dropped == {"held-out-english": len(forms)}, "every form of a test line is found"


def test_letters_that_tell_words_apart_are_of_the_key() -> None:
    for one, other in (
        ("\u30d3\u30fc\u30eb", "\u30d3\u30eb"),
        ("\u4eba\u3005", "\u4eba"),
        ("\ua4d0\ua4f8", "\ua4d0\ua4f9"),
    ):
        assert match_key(one) != match_key(other), f"{one} and {other}: a long sound, a repeated one, a tone"
    assert match_key("\u2764\ufe0f") != match_key("\u2600\ufe0f"), "signs alone keep their line"


def test_case_folding_makes_no_letter_that_is_not_of_the_key() -> None:
    """A text in NFKC is filtered once, before it is folded."""
    every = KEY.findall("".join(map(chr, range(0x40000))))
    once = [char for char in every if unicodedata.is_normalized("NFKC", char)]
    assert len(once) > 100_000 and not [char for char in once if KEY.sub("", char.casefold())]


@given(PAIRS, st.integers(1, 6), st.floats(1, 3))
def test_batches_keep_what_the_plain_rules_keep(rows: list[tuple[str, str]], most: int, ratio: float) -> None:
    counted: Counter[str] = Counter()
    kept, dropped = pairs(*rows, max_tokens_per_line=most, length_ratio=ratio)
    assert kept == list(plain_clean(rows, counted, most, ratio)), "numpy and one loop over the lines must agree"
    assert dropped == counted, "on the reasons too"


@pytest.fixture(scope="module")
def generated() -> list[tuple[str, str]]:
    """More than one batch."""
    return list(generate(6000))


def test_batches_of_generated_text_keep_what_the_plain_rules_keep(generated: list[tuple[str, str]]) -> None:
    rows = generated
    counted: Counter[str] = Counter()
    kept, dropped = pairs(*rows)
    assert kept == list(plain_clean(rows, counted)) and dropped == counted, "seven scripts"
    reasons = {"empty", "over-long", "length-ratio", "identical", "duplicate", "near-duplicate"}
    assert set(dropped) == reasons, f"the text must have every kind of dirt: {dropped}"


@given(PAIRS)
def test_dev_and_test_lines_are_only_dropped_when_empty(rows: list[tuple[str, str]]) -> None:
    filters = Filters(CleanOptions(1, 1), held_out=(np.zeros(0, np.uint64), hash_sorted(["ab"])), keep_all=True)
    kept, dropped = cleaned([[x for x, _ in rows], [y for _, y in rows]], filters)
    assert set(dropped) <= {"empty"}, "a protocol's test set keeps its lines"
    assert kept == [(x, y) for x, y in ((normalise(x), normalise(y)) for x, y in rows) if x and y], "in their order"


@given(st.lists(LINES, max_size=30), st.integers(1, 4), st.lists(LINES, max_size=3))
def test_monolingual_lines(lines: list[str], most: int, held: list[str]) -> None:
    keys = {match_key(normalise(line)) for line in held}
    kept, dropped = cleaned([lines], Filters(CleanOptions(most), ("xx",), (hash_sorted(keys),)))
    assert set(dropped) <= {"empty", "held-out", "over-long", "duplicate", "near-duplicate"}, f"{dropped}"
    assert not keys & {match_key(line) for (line,) in kept}, "a held-out line was kept"
    assert len({match_key(line) for (line,) in kept}) == len(kept), "a line was kept twice"


def test_the_first_reason_counts() -> None:
    rows = [
        ("a b", "A c"), ("a  b", "A c"), ("A, b", "a C!"), ("", "a c d e f g h i j"), ("a b c d", "A"), ("a", "x" * 31),
        ("z", "a b c"), ("same", "same"), ("b", "B b"),
    ]  # fmt: skip
    kept, dropped = pairs(*rows, max_tokens_per_line=3, length_ratio=1.5)
    assert kept == [("a b", "A c"), ("b", "B b")], "the two good pairs, in their order"
    wanted = {"duplicate": 1, "near-duplicate": 1, "empty": 1, "over-long": 2, "length-ratio": 1, "identical": 1}
    assert dropped == dict(sorted(wanted.items())), "each by the first reason that holds"


def test_held_out_lines_however_they_are_written() -> None:
    held = hash_sorted(["salut"]), hash_sorted(["helloworld"])
    sides = [["a", "SALUT", "b", "Salut!"], ["Hello, World!", "Hi.", "Hello, words", "hello world"]]
    kept, dropped = cleaned(sides, Filters(held_out=held))
    assert kept == [("b", "Hello, words")], "same letters and digits are the same sentence"
    assert dropped == {"held-out-english": 2, "held-out-source": 1}, "the English side is looked at first"


@pytest.mark.parametrize("line, most", [("字" * 5, 2), ("ab字字字字", 2), ("ไทยไทย", 3)])
def test_tokens_of_scripts_without_spaces(line: str, most: int) -> None:
    assert plain_tokens(line) > most, "one for two characters"
    _, dropped = cleaned([[line]], Filters(CleanOptions(most), ("xx",)))
    assert dropped == {"over-long": 1}, "text without spaces has a length too"


# first and last letter of scripts that are, or may be, written without spaces
SPACELESS = {
    "Thai": (0x0E01, 0x0E2E), "Lao": (0x0E81, 0x0EAE), "Tibetan": (0x0F40, 0x0F6C), "Burmese": (0x1000, 0x102A),
    "Khmer": (0x1780, 0x17B3), "Tai Le": (0x1950, 0x196D), "New Tai Lue": (0x1980, 0x19AB),
    "Tai Tham": (0x1A20, 0x1A54),
    "Balinese": (0x1B05, 0x1B33), "Kana": (0x3041, 0x3096), "Han": (0x4E00, 0x9FFF), "Yi": (0xA000, 0xA48C),
    "Vai": (0xA500, 0xA60B), "Javanese": (0xA984, 0xA9B2), "Cham": (0xAA00, 0xAA28), "Tai Viet": (0xAA80, 0xAAAF),
    "Han B": (0x20000, 0x2A6DF), "Tagalog": (0x1700, 0x1711),
}  # fmt: skip


@pytest.mark.parametrize("first, last", SPACELESS.values(), ids=SPACELESS)
@pytest.mark.parametrize("density", [0.4, 1.0], ids=["syllables", "letters"])
def test_translations_into_a_script_without_spaces_are_kept(first: int, last: int, density: float) -> None:
    """Whether a list knows the script or not; and whether a character is a syllable or a letter."""
    rng = np.random.default_rng(1)
    rows = []
    for words in (1, 3, 8, 15, 30, 60):
        english = " ".join("".join(rng.choice(list("etaoinsh"), 5)) for _ in range(words)) + "."
        rows.append(("".join(map(chr, rng.integers(first, last + 1, int(len(english) * density)))), english))
    kept, dropped = pairs(*rows)
    assert len(kept) == len(rows), dropped


def test_the_length_ratio_still_finds_what_is_no_translation() -> None:
    long = "this sentence has far more words than the other side could ever say in one or two, " * 2
    for short in ("maison", "\u0e1a\u0e49\u0e32\u0e19", "\u5bb6", "\ua984\ua985\ua986", "\ua500\ua501"):
        assert pairs((short, long))[1] == {"length-ratio": 1}, short


def test_streams_may_share_what_is_a_duplicate() -> None:
    kept = Duplicates()
    streams = {name: Stream(Filters(langs=("xx",)), kept) for name in "ab"}
    batches = [("a", (["x y", "z"],)), ("b", (["X y", "w"],)), ("a", (["w"],))]
    made = [(name, batch.sides[0]) for name, batch in clean_batches(batches, streams)]
    assert made == [("a", b"x y\nz\n"), ("b", b"w\n"), ("a", b"")], "what one kept the other must not"


def test_any_number_of_processes_makes_the_same(generated: list[tuple[str, str]], tmp_path: Path) -> None:
    rows = generated
    sides = [[x for x, _ in rows], [y for _, y in rows]]
    with ThreadPoolExecutor(3) as pool:  # finishes out of order, as processes do
        assert cleaned(sides, Filters(), pool) == cleaned(sides, Filters()), "order and counts must not change"
    files = [tmp_path / "raw.xx", tmp_path / "raw.en"]
    for path, side in zip(files, sides, strict=True):
        path.write_bytes("".join(line + "\n" for line in side).encode())
    made = {}
    for workers in ("1", "2"):
        outs = [tmp_path / f"{workers}.xx", tmp_path / f"{workers}.en"]
        flags = ["--source", files[0], "--target", files[1], "--out-source", outs[0], "--out-target", outs[1]]
        assert clean.main([*map(str, flags), "--workers", workers]) == 0
        made[workers] = [path.read_bytes() for path in outs]
    assert made["1"] == made["2"] and made["1"][0].count(b"\n") > 4000, "byte for byte"


def test_a_line_of_a_megabyte(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"\xef\xbb\xbfa\r\n" + b"x" * (1 << 20) + b"\n" + b"\0 \x01\n" + b"b")
    count = clean_files([tmp_path / "raw"], [tmp_path / "out"], Filters(langs=("xx",)))
    assert (tmp_path / "out").read_bytes() == b"a\nb\n", "BOM, CRLF, NUL and the long line are gone"
    assert count.as_json() == {"read": 4, "kept": 2, "dropped": {"empty": 1, "over-long": 1}}, "and counted"


@given(st.lists(st.lists(st.integers(0, 30), max_size=20), max_size=12))
def test_seen_is_a_set(batches: list[list[int]]) -> None:
    seen, plain = Seen(), set[int]()
    for values in batches:
        new = [value not in plain and value not in values[:row] for row, value in enumerate(values)]
        array = np.array(values, dtype=np.uint64)
        assert seen.holds(array).tolist() == [value in plain for value in values], "before they are added"
        assert seen.add(array).tolist() == new, "the first of equal ones is new"
        plain.update(values)
        assert sum(map(len, seen.runs)) == len(plain), "nothing is held twice"
        assert all((run[1:] > run[:-1]).all() for run in seen.runs), "sorted"


@pytest.mark.parametrize("most, ratio", [(0, 4.0), (10, 0.5), (10, float("nan"))])
def test_bad_limits(most: int, ratio: float) -> None:
    with pytest.raises(InputError, match="--(max-tokens-per-line|length-ratio) must be at least 1"):
        CleanOptions(most, ratio)


def test_lost_lines_are_no_small_matter() -> None:
    _, batch = next(clean_batches([("x", (["a", "b"],))], {"x": Stream(Filters(langs=("xx",)))}))
    with pytest.raises(RuntimeError, match="lost lines"):
        Count(read=1).add(batch)


def test_language_identification_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_id, "PACKAGE", "no_such_package")
    with pytest.raises(InputError, match="--language-id needs no_such_package, which is not installed: pip install"):
        CleanOptions(language_id=True)


def test_lines_of_another_language_are_dropped() -> None:
    pytest.importorskip("py3langid")
    rows = [
        ("Der Hund läuft schnell durch den dunklen Wald.", "The dog runs quickly through the dark forest."),
        ("The cat sleeps the whole day on the sofa.", "The cat sleeps on the sofa all day."),
        ("Die Katze schläft den ganzen Tag auf dem Sofa.", "Die Katze schläft heute den ganzen Tag auf dem Sofa."),
        ("Ja, Peter.", "Yes, Peter."),
    ]
    sides = [[x for x, _ in rows], [y for _, y in rows]]
    kept, dropped = cleaned(sides, Filters(CleanOptions(language_id=True), ("de", "en")))
    assert kept == [rows[0], rows[3]] and dropped == {"language": 2}, "either side; what is too short to tell stays"
    kept, _ = cleaned(sides, Filters(CleanOptions(language_id=True), ("qaa", "en")))
    assert kept == [rows[0], rows[1], rows[3]], "a language that the model does not know is not checked"
