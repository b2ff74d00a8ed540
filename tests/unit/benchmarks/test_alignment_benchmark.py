"""benchmarks.alignment on a small made-up corpus: its rows, and that what is held out is held out."""

import json
import random
from pathlib import Path

import pytest

from benchmarks import alignment
from data_prep.packs.anchors import Anchor

WORDS = [a + b for a in ("ka", "lo", "mi", "ru", "se") for b in ("nda", "fter", "wing", "pose", "gri", "tum")]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """400 verses in English and two made-up languages, one book of them held out, and a word list of the second."""
    rng = random.Random(1)
    verses = {f"{'AAA' if i < 380 else 'ZZZ'}.1.{i}": rng.choices(WORDS, k=6) for i in range(400)}
    for lang, mark in (("en", ""), ("xx", "q"), ("yy", "v")):
        text = "".join(f"{key}\t{' '.join(word + mark for word in verse)}\n" for key, verse in verses.items())
        (tmp_path / f"{lang}.tsv").write_text(text, "utf-8")
    (tmp_path / "yy-en.txt").write_text("".join(f"{word}v {word}\n" for word in WORDS), "utf-8")
    return tmp_path


def test_rows_and_means(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = {
        "corpus": corpus, "dictionaries": corpus, "source-langs": "xx", "target-langs": "yy", "pairs": 100,
        "test-ids": "ZZZ", "vocab-size": 120, "vector-dim": 16, "json": corpus / "rows.json",
    }  # fmt: skip
    assert alignment.main([str(item) for flag, value in flags.items() for item in (f"--{flag}", value)]) == 0
    rows = json.loads((corpus / "rows.json").read_text("utf-8"))
    assert [(row["lang"], row["setting"]) for row in rows] == [
        ("xx", "all"), ("yy", "100 pairs"), ("yy", "100 pairs + list"),
    ]  # fmt: skip
    source, target, listed = rows
    assert source["lines"] == 380, "the held-out book is not read"
    assert source["pairs"] >= 30 and source["held_out"] >= 3, f"30 words translate one to one: {source}"
    assert source["final_p1"] == 1.0 and source["disjoint_p1"] is not None, f"verses in common say it: {source}"
    assert target["list_p1"] > 0.8 and target["list_words"] == 30, f"so do 100 of them: {target}"
    assert "list_p1" not in listed, "a list that gave anchors measures nothing"
    shown = capsys.readouterr().out
    assert shown.count("| mean") == 3 and "| xx | all | 380 |" in shown and "peak" in shown, shown


def test_no_anchor_of_a_held_out_piece_is_left() -> None:
    held = [Anchor((1,), (5,), "1", "parallel")]
    others = [Anchor((2,), (5,), "2", "parallel"), Anchor((1, 2), (7,), "one two", "dictionary")]
    anchors = [Anchor((1,), (6,), "one", "dictionary"), Anchor((1,), (9,), "1984", "identical"), *others]
    assert alignment.without(anchors, held) == others, "whatever the anchor's kind and translation"
