"""The packs of real text, where META_NMT_DATA names their folder: every one reads as it is, and whole."""

import gzip
import os
from pathlib import Path

import pytest

from data_prep.corpora.corpus import find_corpus, iter_corpus, languages
from data_prep.corpora.readers import Tally

DATA = Path(os.environ.get("META_NMT_DATA", ""))
# pack -> how many languages to English, one of them, and its pairs by split
PACKS = {
    "bible": (23, "ro", {"all": 30905}),
    "gnome": (19, "fi", {"all": 1772}),
    "tatoeba": (24, "lv", {"all": 1631}),
    "ntrex": (27, "no", {"all": 1997}),
    "wmt": (13, "fi", {"all": 1370 + 3000 + 3002}),
    "pud": (13, "is", {"all": 1000}),
    "multi30k": (3, "cs", {"train": 29000, "valid": 1014, "test": 1000 + 1071}),
    "lafand": (4, "zu", {"train": 3118, "valid": 1141, "test": 998}),
    "loresmt-ga": (1, "ga", {"train": 8112, "valid": 502, "test": 249}),
}
needs_data = pytest.mark.skipif(
    "META_NMT_DATA" not in os.environ, reason="META_NMT_DATA names no folder of the packs: real text was NOT read"
)


@needs_data
@pytest.mark.parametrize("pack", PACKS)
def test_every_pack_reads_as_it_is(pack: str) -> None:
    count, lang, expected = PACKS[pack]
    assert len(languages(DATA / pack)) == count, "languages"
    files = find_corpus(DATA / pack, lang)
    for split in files.splits:
        tally = Tally()
        assert sum(map(len, iter_corpus(files, split, tally))) == expected[split], f"pairs of {split}"
        assert tally.read == tally.kept, f"{split}: what the pack holds is all pairs, but some were dropped: {tally}"
    assert set(files.splits) == set(expected), "splits"


@needs_data
def test_what_is_in_a_file_is_what_is_read() -> None:
    with gzip.open(DATA / "wmt/ro-en/newstest2016.tsv.gz", "rt", encoding="utf-8", newline="\n") as file:
        expected = [tuple(line.rstrip("\n").split("\t")) for line in file]
    (text,) = iter_corpus(find_corpus(DATA / "wmt", "ro"))
    assert list(zip(text.source, text.english, strict=True)) == expected
