"""Readers: every layout, and one clear line for every kind of bad input."""

import gzip
from pathlib import Path

import pytest

from data_prep.corpus import find_corpus, find_mono, languages, read_corpus, read_lines, read_mono
from data_prep.errors import InputError


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def error_of(call, *args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message, "an input error must be one line"
    return message


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("layout", ["tsv", "id-tsv", "folder", "flat"])
def test_every_layout_gives_the_same_pairs(tmp_path: Path, layout: str, packed: bool) -> None:
    files = {
        "tsv": {"xx-en.tsv": "ä b\tA b\nc\tC\n"},
        "id-tsv": {"xx.tsv": "1.1\tä b\n1.2\tc\n9.9\tonly here\n", "en.tsv": "1.1\tA b\n1.2\tC\n1.3\tD\n"},
        "folder": {"xx-en/train.xx": "ä b\nc\n", "xx-en/train.en": "A b\nC\n"},
        "flat": {"train.xx-en.xx": "ä b\r\nc\r\n", "train.xx-en.en": "A b\nC"},
    }[layout]
    for name, text in files.items():
        data = text.encode()
        write(tmp_path / (name + ".gz" * packed), gzip.compress(data) if packed else data)
    (text,) = read_corpus(find_corpus(tmp_path, "xx")).values()
    assert (text.source, text.english) == (["ä b", "c"], ["A b", "C"]), f"wrong pairs from layout {layout}"
    assert text.ids == (["1.1", "1.2"] if layout == "id-tsv" else []), "ids come from id files alone"
    assert languages(tmp_path) == ["xx"], "the folder holds one language"


def test_unequal_line_counts_are_named(tmp_path: Path) -> None:
    write(tmp_path / "xx-en/train.xx", "a\nb\nc\n")
    write(tmp_path / "xx-en/train.en", "A\nB\n")
    message = error_of(read_corpus, find_corpus(tmp_path, "xx"))
    assert "train.xx" in message and "3 and 2" in message, message


def test_invalid_utf8_names_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "xx-en.tsv", b"good\tgood\nb\xffd\tbad\n")
    message = error_of(read_lines, path)
    assert f"{path}, line 2" in message and "0xff" in message, message


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_empty_file(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "xx-en.tsv", text)
    message = error_of(read_corpus, find_corpus(tmp_path, "xx"))
    assert str(path) in message and "empty" in message, message


def test_truncated_gzip(tmp_path: Path) -> None:
    path = write(tmp_path / "xx-en.tsv.gz", gzip.compress(b"a\tb\n" * 1000)[:-12])
    assert "whole gzip file" in error_of(read_lines, path), "a cut gzip file must be called that"


def test_missing_other_side(tmp_path: Path) -> None:
    write(tmp_path / "xx-en/train.xx", "a\n")
    message = error_of(find_corpus, tmp_path, "xx")
    assert "train.en" in message and "missing" in message, message


def test_missing_english_of_an_id_corpus(tmp_path: Path) -> None:
    write(tmp_path / "xx.tsv", "1\ta\n")
    assert "en.tsv: file is missing" in error_of(find_corpus, tmp_path, "xx"), "the missing file must be named"


def test_unknown_language_lists_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "ro-en.tsv", "a\tb\n")
    message = error_of(find_corpus, tmp_path, "lv")
    assert "'lv'" in message and "languages there: ro" in message, message
    assert "language code" in error_of(find_corpus, tmp_path, "../etc"), "a code is never a path"


@pytest.mark.parametrize("row, columns", [("no tab", 1), ("a\tb\tc", 3)])
def test_wrong_columns_name_the_line(tmp_path: Path, row: str, columns: int) -> None:
    write(tmp_path / "xx-en.tsv", f"a\tb\n{row}\n")
    message = error_of(read_corpus, find_corpus(tmp_path, "xx"))
    assert "line 2" in message and f"has {columns}" in message, message


def test_repeated_id_names_the_line(tmp_path: Path) -> None:
    write(tmp_path / "xx.tsv", "1\ta\n1\tb\n")
    write(tmp_path / "en.tsv", "1\tA\n")
    message = error_of(read_corpus, find_corpus(tmp_path, "xx"))
    assert "xx.tsv, line 2" in message and "twice" in message, message


def test_mono_layouts_and_held_out_ids(tmp_path: Path) -> None:
    write(tmp_path / "a/xx.txt", "one\ntwo\n")
    write(tmp_path / "b/xx.tsv", "JHN.1.1\ttest\nJHNX.1\tnear\nGEN.1.1\ttrain\n")
    write(tmp_path / "c/xx-en.tsv", "x\tX\n")
    folders = [tmp_path / name for name in "abc"]
    own = [line for path in find_mono(folders, "xx") for line in read_mono(path, "xx", held_out_ids=("JHN",))]
    assert own == ["one", "two", "near", "train", "x"], "held-out ids must go, ids that only look alike must stay"
    english = [line for path in find_mono(folders, "en") for line in read_mono(path, "en")]
    assert english == ["X"], "English is the second column of pairs"
