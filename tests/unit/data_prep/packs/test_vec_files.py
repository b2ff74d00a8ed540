"""Given vectors of words: the format, composition to pieces, and through the whole of meta-nmt-preprocess."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from data_prep.base.data_folder import PackFolder
from data_prep.base.errors import InputError
from data_prep.packs import subwords, vectors

WORDS = {"red": [1, 0, 0], "green": [0, 2, 0], "blue": [0, 0, 3], "unseen": [1, 1, 1]}


def vec_text(header: bool = True) -> str:
    rows = [" ".join([word, *map(str, numbers)]) for word, numbers in WORDS.items()]
    return "".join(line + "\n" for line in [f"{len(rows)} 3"] * header + rows)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("name", ["xx.vec", "xx.vec.gz"])
def test_only_wanted_words_are_read(tmp_path: Path, name: str, header: bool) -> None:
    text = vec_text(header).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    path = vectors.find_vec(tmp_path, "xx")
    assert path == tmp_path / name and vectors.find_vec(tmp_path, "yy") is None, "XX.vec or XX.vec.gz"
    found = vectors.read_vec(path, ["red", "green", "not there"], 3)
    assert {word: row.tolist() for word, row in found.items()} == {"red": [1, 0, 0], "green": [0, 2, 0]}, "no others"


def test_words_of_the_file_are_in_clean_form_too(tmp_path: Path) -> None:
    rows = ["cafe\u0301 1 0 0", "don&#39;t 0 1 0", "ma\u200bre 0 0 1", "café 9 9 9", "\u0915\u093f 1 1 1"]
    (tmp_path / "xx.vec").write_text("\ufeff5 3\r\n" + "".join(row + " \r\n" for row in rows))
    read = vectors.read_vec(tmp_path / "xx.vec", ["café", "don't", "mare", "\u0915\u093f"], 3)
    wanted = {"café": [1, 0, 0], "don't": [0, 1, 0], "mare": [0, 0, 1], "\u0915\u093f": [1, 1, 1]}
    assert {word: row.tolist() for word, row in read.items()} == wanted


@pytest.mark.parametrize(
    "words",
    [
        ["\u092f\u094c\u091a\u0947", "\u0939\u093f\u0928\u094d\u0926\u0940"],  # Hindi: vowel signs, virama
        ["\u0ba4\u0bae\u0bbf\u0bb4\u0bcd", "\u0bae\u0bca\u0bb4\u0bbf"],  # Tamil
        [
            "\u0645\u064e\u0643\u0652\u062a\u064e\u0628",
            "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",
        ],  # with points
        ["\u0f56\u0f7c\u0f51", "\u1019\u103c\u1014\u103a"],  # Tibetan, Burmese
        ["q\u0301a", "\u1ecd\u0300r\u1ecd\u0300"],  # letters that have no composed form
        ["\u0645\u06cc\u200c\u0631\u0648\u062f", "\u0915\u094d\u200d\u0937"],  # joiners inside a word
    ],
)
def test_combining_marks_are_of_their_word(words: list[str]) -> None:
    assert vectors.word_counts([f"{words[0]}, {words[1]}."], [2]) == {words[0]: 2, words[1]: 2, ",": 2, ".": 2}


def test_the_first_of_repeated_words_counts(tmp_path: Path) -> None:
    (tmp_path / "xx.vec").write_text(vec_text() + "red 9 9 9\n")
    assert vectors.read_vec(tmp_path / "xx.vec", ["red"], 3)["red"].tolist() == [1, 0, 0], "the first"


@pytest.mark.parametrize(
    "text, words",
    [
        ("1 5\nred 1 0 0\n", "--vector-dim must be that of the file"),
        ("red 1 0\n", "line 1: must be a word and --vector-dim"),
        ("2 3\nblue 1 1 1\nred 1 0 x\n", "line 3: must be a word and --vector-dim"),
        ("red 1 nan 0\n", "line 1: must be a word"),
        ("black 1 1 1\n", "must hold words of the text, but has none of its 1"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "xx.vec").write_text(text)
    with pytest.raises(InputError) as refused:
        vectors.read_vec(tmp_path / "xx.vec", ["red"], 3)
    assert words in str(refused.value) and "xx.vec" in str(refused.value), refused.value


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "xx.vec").write_bytes(b"red 1 0 0\nr\xff 1 0 0\n")
    with pytest.raises(InputError, match="line 2: must be UTF-8"):
        vectors.read_vec(tmp_path / "xx.vec", ["red"], 3)
    (tmp_path / "yy.vec.gz").write_bytes(gzip.compress(vec_text().encode())[:30])
    with pytest.raises(InputError, match="whole gzip"):
        vectors.read_vec(tmp_path / "yy.vec.gz", ["red"], 3)


def test_a_piece_is_the_mean_of_its_words(tmp_path: Path) -> None:
    lines = ["Red blue", "red green blue"] * 40
    subwords.write_pack(PackFolder(tmp_path / "xx"), lines, [], 40)
    model = subwords.load(tmp_path / "xx/spm.model")
    counts = vectors.word_counts([*lines, "red, green!"], [1] * 81)
    assert counts == {"Red": 40, "red": 41, "blue": 80, "green": 41, ",": 1, "!": 1}, "signs are words of their own"
    given = {word: np.array(numbers, dtype=np.float32) for word, numbers in WORDS.items()}
    found = vectors.compose(counts, given, model)
    expected: dict[str, np.ndarray] = {}
    for word, count in counts.items():
        if word.lower() in given:
            pieces = [piece for piece in model.encode(word, out_type=str) if piece != "▁"]
            for piece in pieces:
                share = count * given[word.lower()] / np.linalg.norm(given[word.lower()]) / len(pieces)
                expected[piece] = expected.get(piece, 0) + share
    assert expected.keys() == found.keys() and found, "a vector for every piece of a known word, and no other"
    for piece, vector in expected.items():
        cosine = vector @ found[piece] / np.linalg.norm(vector) / np.linalg.norm(found[piece])
        assert cosine == pytest.approx(1), f"direction of {piece!r}"


def test_the_table_of_a_pack(tmp_path: Path) -> None:
    lines = ["red blue", "red green blue"] * 40
    subwords.write_pack(PackFolder(tmp_path / "xx"), lines, [], 40)
    (tmp_path / "xx.vec").write_text(vec_text())
    (tmp_path / "text").write_text("\n".join(lines) + "\n")
    pack = ["--pack", str(tmp_path / "xx"), "--text", str(tmp_path / "text"), "--out", str(tmp_path / "raw.npy")]
    assert vectors.main([*pack, "--vec-file", str(tmp_path / "xx.vec"), "--vector-dim", "3"]) == 0
    rows = np.load(tmp_path / "raw.npy")
    pieces = [piece for piece, _ in subwords.read_dictionary(tmp_path / "xx/dict.txt")]
    model = subwords.load(tmp_path / "xx/spm.model")
    for word in ("red", "green", "blue"):
        cut = model.encode(word, out_type=str)
        row = rows[4 + pieces.index(cut[-1])]
        assert row @ WORDS[word] > 0, f"the pieces of {word} must have its direction, but {cut[-1]!r} has {row}"
