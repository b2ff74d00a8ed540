"""meta-nmt-add-language: a language the data folder never heard of, and no other file touched."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import sha256, sole_writer
from data_prep.base.text_files import read_lines
from data_prep.cleaning import subsample
from data_prep.cleaning.clean_form import match_key
from data_prep.cleaning.held_out import hashes_of, write_held_out
from data_prep.packs import subwords
from data_prep.pipeline.add_language import NewLanguage, add
from meta_nmt.cli import preprocess
from meta_nmt.cli.add_language import main

WORDS = [a + b for a in ("ka", "lo", "mi", "ru") for b in ("nda", "fter", "wing", "pose", "gri", "tum")]


def foreign(line: str, step: int) -> str:
    return "".join(chr((ord(c) - 97 + step) % 26 + 97) if c.isalpha() else c for c in line)


def write_pairs(path: Path, step: int, lines: int, seed: int) -> list[str]:
    """A TSV of made-up pairs; returns the English."""
    rng = random.Random(seed)
    english = [" ".join(rng.choices(WORDS, k=rng.randint(3, 8))) for _ in range(lines)]
    path.write_text("".join(f"{foreign(line, step)}\t{line}\n" for line in english), "utf-8")
    return english


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of one source language."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "corpus").mkdir()
    write_pairs(folder / "corpus/aa-en.tsv", 1, 300, 1)
    flags = {"out": folder / "data", "corpus": folder / "corpus", "source-langs": "aa", "vector-dim": 16, "workers": 1}
    assert preprocess.main([str(item) for flag, value in flags.items() for item in (f"--{flag}", value)]) == 0
    return folder / "data"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """150 pairs of the language zz, and monolingual text."""
    write_pairs(tmp_path / "zz-en.tsv", 5, 150, 2)
    mono = write_pairs(tmp_path / "unused.tsv", 5, 400, 3)
    (tmp_path / "zz.txt").write_text("".join(foreign(line, 5) + "\n" for line in mono), "utf-8")
    return tmp_path


def hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_a_new_language_touches_nothing_else(data: Path, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = hashes(data)
    assert main([str(data), "--lang", "zz", "--corpus", str(corpus), "--mono", str(corpus)]) == 0
    after = hashes(data)
    new = after.keys() - before.keys()
    assert {name: after[name] for name in before} == before, "files of the folder were changed"
    assert all(name.startswith(("lang/zz/", "text/zz-en/", "bin/", "work/")) and "zz" in name for name in new), new
    assert {f"work/{name}" for name in ("mono/zz.domain.txt", "mono/zz.extra.txt", "vectors/zz.npy")} <= new
    for split, lines in (("train", 120), ("valid", 15), ("test", 15)):
        sides = [len(read_lines(data / f"text/zz-en/{split}.{side}")) for side in ("zz", "en")]
        assert sides[0] == sides[1] and lines - 2 <= sides[0] <= lines, f"tenths of 150: {split} has {sides}"
        assert {f"bin/{split}.zz-en.{side}.{end}" for side in ("zz", "en") for end in ("bin", "idx")} <= new, split
    card = json.loads((data / "lang/zz/card.json").read_text("utf-8"))
    assert card["role"] == "target" and card["vector_dim"] == 16, "a target, in the space of the folder"
    assert {source["name"] for source in card["sources"]} == {"zz-en.tsv", "zz.txt"}, "where it is from"
    assert card["alignment"]["anchors_by_kind"]["parallel"] == 0, "zero-shot vectors know no pair"
    of_train = card["samples"]["train"]
    assert of_train["alignment"]["precision_at_1"] > 0.5, f"24 words and 120 pairs must be enough: {of_train}"
    assert all(len(near) == 5 for near in of_train["nearest"].values()) and of_train["nearest"], (
        "the alignment's pieces"
    )
    rows, entries = np.load(data / "lang/zz/vectors.npy"), subwords.read_dictionary(data / "lang/zz/dict.txt")
    assert rows.shape == (4 + len(entries), 16) and rows.dtype == np.float32, "a row for every entry"
    tokens = sum(len(line.split()) for name in ("zz.txt", "zz-en.tsv") for line in read_lines(corpus / name))
    assert len(entries) - 256 < tokens / 10, "the vocabulary must follow from the small corpus"
    assert "alignment precision@1" in capsys.readouterr().out, "the quality must be said"

    from meta_nmt.data.language_pack import LanguagePack
    from meta_nmt.roles import refuse_held_out

    refuse_held_out(data, ["aa"], [])
    with pytest.raises(InputError, match="names zz, a target language"):
        refuse_held_out(data, ["aa", "zz"], [])

    assert len(LanguagePack.load(data, "zz").queries) == len(entries), "what meta-nmt-adapt reads"
    assert main([str(data), "--lang", "zz", "--corpus", str(corpus)]) == 2, "it is there already"
    assert "must not have zz yet" in capsys.readouterr().err and hashes(data) == after, "nothing is written over"


def test_leaks_into_meta_training_are_said(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    english = read_lines(data / "text/aa-en/train.en")[:100]
    (tmp_path / "ll-en.tsv").write_text("".join(f"{foreign(line, 7)}\t{line}\n" for line in english), "utf-8")
    assert main([str(data), "--lang", "ll", "--corpus", str(tmp_path)]) == 0, "a warning is no error"
    assert "the English of 20 dev and test lines stands in the training text" in capsys.readouterr().err


def test_low_resource_samples_are_those_that_subsample_draws(data: Path, corpus: Path, tmp_path: Path) -> None:
    (corpus / "zz-en.tsv").rename(corpus / "ss-en.tsv")
    left = data / "bin/train-99-s1.ss-en.ss.idx"
    left.touch()
    flags = ["--english-tokens", "0,200,60", "--sample-seeds", "1,4"]
    assert main([str(data), "--lang", "ss", "--corpus", str(corpus), *flags]) == 0
    text = data / "text/ss-en"
    given = ["--source", str(text / "train.ss"), "--target", str(text / "train.en"), "--out", str(tmp_path / "drawn")]
    assert subsample.main([*given, *flags]) == 0
    for name in ("train-200-s1", "train-200-s4", "train-60-s1", "train-60-s4"):
        for side in ("ss", "en"):
            assert read_lines(text / f"{name}.{side}") == read_lines(tmp_path / f"drawn/{name}.{side}"), name
            assert (data / f"bin/{name}.ss-en.{side}.idx").is_file(), "binarised, as meta-nmt-adapt reads it"
    assert not list((data / "bin").glob("train-0-*")), "zero-shot has no sample"
    assert not left.exists(), "a sample of a run that was killed must not stay beside these"
    card = json.loads((data / "lang/ss/card.json").read_text("utf-8"))
    assert card["alignment"]["anchors_by_kind"]["parallel"] == 0, "zero-shot vectors know no pair"
    for name in ("train-200-s1", "train-200-s4", "train-60-s1", "train-60-s4"):
        files = [entry["name"] for entry in card["samples"][name]["anchor_files"]]
        assert files == [f"{name}.ss", f"{name}.en"], "a sample's vectors know that sample alone"
        assert (data / f"lang/ss/vectors.{name}.npy").is_file()
    splits = card["text"]["splits"]
    assert 200 <= splits["train-200-s1"]["english_tokens"] < 210, "the last pair completes them"


def test_held_out_sentences_are_recognised_by_their_hashes(
    data: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / "zz-en.tsv").rename(corpus / "hh-en.tsv")
    english = [line.split("\t")[1] for line in read_lines(corpus / "hh-en.tsv")]
    folder = DataFolder(data)
    files = (folder.held_out, folder.held_out_keys)
    keys = [match_key(f"{line.upper()}!") for line in english[:7]]  # of lines that are to be training text

    def dropped(lang: str) -> int:
        shutil.copy(corpus / "hh-en.tsv", corpus / f"{lang}-en.tsv")
        assert main([str(data), "--lang", lang, "--corpus", str(corpus)]) == 0, capsys.readouterr().err
        card = json.loads((data / f"lang/{lang}/card.json").read_text("utf-8"))
        return card["text"]["dropped"].get("held-out-english", 0)

    before = folder.held_out.read_bytes()
    try:
        assert dropped("ha") == 0, "nothing is held out in this folder"
        write_held_out(folder, hashes_of(keys))
        assert not any(line.encode() in files[0].read_bytes() for line in keys), "no text can be read there"
        assert dropped("hb") == 7
        folder.held_out.unlink()
        files[1].write_text("".join(f"{key}\n" for key in keys), "utf-8")
        assert dropped("hc") == 7, "the keys themselves, as an earlier version wrote them"
        folder.held_out.write_bytes(b"no")
        shutil.copy(corpus / "hh-en.tsv", corpus / "hd-en.tsv")
        assert main([str(data), "--lang", "hd", "--corpus", str(corpus)]) == 2
        assert "held-out.en.npy: must be a NumPy file" in capsys.readouterr().err
    finally:
        files[1].unlink(missing_ok=True)
        folder.held_out.write_bytes(before)


def test_two_at_once_do_not_mix_and_what_a_killed_one_left_goes(data: Path, corpus: Path) -> None:
    (corpus / "zz-en.tsv").rename(corpus / "tt-en.tsv")
    left = data / ".add-tt.killed.partial"
    left.mkdir()
    first, second = NewLanguage(data, "tt", corpus), NewLanguage(data, "tt", corpus)  # both before either is made
    with sole_writer(data), pytest.raises(InputError, match="another run is writing"):
        add(first)
    add(first)
    made = hashes(data)
    assert not left.exists(), "the temporary folder of a killed run must go"
    with pytest.raises(InputError, match="must not have tt yet"):
        add(second)
    assert hashes(data) == made, "the second must not write into what the first has made"


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--lang", "en"], "must not have en yet"),
        (["--lang", "aa"], "must not have aa yet"),
        (["--lang", "no/pe"], "unknown language code"),
        (["--lang", "qq"], "unknown language 'qq'"),
        (["--lang", "yy", "--vocab-size", "3"], "--vocab-size must be at least 30"),
        (["--lang", "yy", "--hold-out-last", "100,100"], "--hold-out-last"),
        (["--lang", "yy", "--vec-files", "nowhere"], "--vec-files nowhere: must be a folder"),
        (["--lang", "yy", "--english-tokens", "9999"], "--english-tokens must be at most the training text of yy"),
        (["--lang", "yy", "--english-tokens", "-9"], "--english-tokens must be at least 0"),
    ],
)
def test_refusals_leave_nothing(
    data: Path, corpus: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    before = hashes(data)
    (corpus / "zz-en.tsv").rename(corpus / "yy-en.tsv")
    assert main([str(data), "--corpus", str(corpus), *flags]) == 2, "it must be refused"
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1, error
    assert hashes(data) == before and not list(data.glob(".add-*")), "something was left"


def test_no_data_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--lang", "zz", "--corpus", str(tmp_path)]) == 2
    assert "must be a folder made by meta-nmt-preprocess" in capsys.readouterr().err
