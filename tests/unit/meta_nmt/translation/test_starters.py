"""Starters: the model that is taken where no checkpoint is named, and what is said of it."""

import pytest

from data_prep.base.errors import InputError
from meta_nmt.cli import adapt_raw_flags, export
from meta_nmt.translation import starters

PAIRS = ["--pairs", "qu-en.tsv", "--out", "out"]


@pytest.fixture
def place(data, meta, tmp_path, monkeypatch):
    """A folder of starters with one in it, as if it had come with the package."""
    monkeypatch.setattr(starters, "PLACE", tmp_path / "starters")
    flags = [str(data), "--path", str(meta), "--to", "meta", "--half", "--licence", "cc-by-sa-4.0"]
    assert export.main([*flags, "--out", str(tmp_path / "starters/many-en")]) == 0
    return tmp_path / "starters"


def test_the_starter_is_the_default_checkpoint(place):
    assert adapt_raw_flags.parse_args(PAIRS).checkpoint == place / "many-en/meta.pt"
    assert str(adapt_raw_flags.parse_args([*PAIRS, "--checkpoint", "my.pt"]).checkpoint) == "my.pt"


def test_the_listing_says_what_it_knows(place, capsys):
    with pytest.raises(SystemExit) as end:
        adapt_raw_flags.parse_args(["--list-starters"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    for words in ("many-en: into en", "licence cc-by-sa-4.0", str(place / "many-en/meta.pt"), "2 languages: aa bb"):
        assert words in said, said


def test_scores_of_a_card_are_listed(place):
    (starter,) = starters.starters()
    result = {
        "dataset": {"name": "JHN in ko"},
        "metrics": [{"name": "BLEU", "value": 9.5}, {"name": "chrF2++", "value": 31}],
    }
    known = starters.Starter(starter.path, starter.head | {"model-index": [{"name": "x", "results": [result]}]})
    assert "JHN in ko: BLEU 9.5, chrF2++ 31" in known.describe()


def test_a_damaged_starter_is_refused(place):
    with (place / "many-en/meta.pt").open("r+b") as file:
        file.seek(1000)
        file.write(b"damaged")
    with pytest.raises(InputError, match=r"meta\.pt: must have the SHA-256"):
        adapt_raw_flags.parse_args(PAIRS)


def test_without_a_starter_a_checkpoint_must_be_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(starters, "PLACE", tmp_path)
    with pytest.raises(SystemExit) as end:
        adapt_raw_flags.parse_args(PAIRS)
    err = capsys.readouterr().err
    assert end.value.code == 2 and "required: --checkpoint" in err and err.count("\n") == 1, err
    assert starters.listing() == "No starter came with this package."
