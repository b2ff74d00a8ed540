"""Readers: every layout, and one clear line for every kind of bad input."""

import bz2
import gzip
import json
import lzma
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_prep.base import text_files
from data_prep.base.errors import InputError
from data_prep.base.text_files import read_lines
from data_prep.corpora.corpus import (
    find_corpus,
    find_mono,
    iter_corpus,
    iter_mono,
    languages,
    main,
    read_corpus,
    read_mono,
)
from data_prep.corpora.readers import READERS, Parallel, Part, Reader, Tally


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


@pytest.mark.parametrize("pair", ["LG-en", "LG-EN"])
def test_a_code_in_capitals_is_the_same_language(tmp_path: Path, pair: str) -> None:
    write(tmp_path / f"{pair}.tsv", "a\tA\n")
    write(tmp_path / "LG.txt", "b\n")
    assert languages(tmp_path, pair[3:]) == ["lg"]
    files = find_corpus(tmp_path, "lg")
    assert files.lang == "lg" and read_corpus(files)["all"].source == ["a"]
    assert [path.name for path in find_mono([tmp_path], "lg")] == ["LG.txt", f"{pair}.tsv"]
    write(tmp_path / "ids" / "LG.tsv", "1\tc\n")
    assert read_mono(tmp_path / "ids" / "LG.tsv", "lg") == ["c"], "the column of an id file is the text"


def test_the_name_of_a_file_is_no_language(tmp_path: Path) -> None:
    for name in ("train.tsv", "train.txt.gz", "bible.tsv", "yo-en.tsv"):
        write(tmp_path / name, "a\tA\n")
    assert languages(tmp_path) == ["yo"]


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


TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="EN-us"><seg>A <bpt i="1">&lt;b&gt;</bpt>b<ept i="1">&lt;/b&gt;</ept></seg></tuv>
    <tuv xml:lang="xx"><seg>\u00e4
b</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu>
<tu><tuv lang="en"><seg>C</seg></tuv><tuv lang="XX"><seg>c</seg></tuv><tuv lang="xx"><seg>not the first</seg></tuv></tu>
</body></tmx>
"""
ROWS = [{"translation": {"xx": "\u00e4 b", "en": "A b"}}, {"translation": {"xx": None, "en": "alone"}},
        {"translation": {"xx": "c", "en": "C"}}]  # fmt: skip


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def make_parquet(path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)


@pytest.mark.parametrize("order", ["xx-en", "en-xx"])
@pytest.mark.parametrize("kind", [".tmx", ".tmx.gz", ".txt.zip", ".parquet", ".jsonl", ".json", ".csv"])
def test_every_format_of_a_pair_gives_the_same_pairs(tmp_path: Path, kind: str, order: str) -> None:
    path = tmp_path / (order + kind)
    if kind == ".txt.zip":
        zipped(path, {"README": "about", f"Corpus.{order}.xx": "\u00e4 b\nc\n", f"Corpus.{order}.en": "A b\nC\n"})
    elif kind == ".parquet":
        make_parquet(path)
    elif kind == ".csv":
        write(path, "n,en,xx\n1,A b,\u00e4 b\n3,C,c\n")
    else:
        text = {
            ".tmx": TMX,
            ".tmx.gz": TMX,
            ".jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
            ".json": json.dumps([{"xx": "\u00e4 b", "en": "A b"}, {"xx": None, "en": "D"}, {"xx": "c", "en": "C"}]),
        }[kind]
        write(path, gzip.compress(text.encode()) if kind.endswith("gz") else text)
    tally = Tally()
    (text,) = iter_corpus(find_corpus(tmp_path, "xx"), tally=tally)
    assert (text.source, text.english) == (["\u00e4 b", "c"], ["A b", "C"]), f"wrong pairs from {kind}"
    dropped = {} if kind in (".txt.zip", ".csv") else {"no-text": 1}
    assert (tally.read, tally.kept, tally.dropped) == (2 + len(dropped), 2, dropped), (
        "what has one side only is counted"
    )
    assert languages(tmp_path) == ["xx"], "the folder holds one language"


@pytest.mark.parametrize(
    "names, expected",
    [
        (["train", "dev", "test"], {"train": 1, "valid": 1, "test": 1}),
        (["train", "val", "test_2016", "test_2017"], {"train": 1, "valid": 1, "test": 2}),
        (["train", "dev", "test.xx2en", "test.en2xx"], {"train": 1, "valid": 1, "test": 1}),
    ],
)
@pytest.mark.parametrize("pattern", ["{}.", "xx-en/{}.", "{}.xx-en."])
def test_splits_by_their_usual_names(tmp_path: Path, pattern: str, names: list[str], expected: dict[str, int]) -> None:
    for name in names:
        for side in ("xx", "en"):
            write(tmp_path / (pattern.format(name) + side), f"{name} {side}\n")
    parts = read_corpus(find_corpus(tmp_path, "xx"))
    assert {split: len(text) for split, text in parts.items()} == expected, "splits by name"
    assert all(text.startswith("test") for text in parts["test"].source), "test sets are in test alone"
    assert "test.en2xx xx" not in parts["test"].source, "the test set of the other direction is no test set of this one"
    assert languages(tmp_path) == ["xx"], "the folder holds one language"


def test_a_folder_of_tsv_files_is_one_corpus(tmp_path: Path) -> None:
    for year in (2016, 2015):
        write(tmp_path / f"xx-en/newstest{year}.tsv", f"x{year}\tE\n")
    assert read_corpus(find_corpus(tmp_path, "xx"))["all"].source == ["x2015", "x2016"], "all files, by name"
    write(tmp_path / "xx-en/test.tsv", "x\tE\n")
    assert "newstest2015" in error_of(find_corpus, tmp_path, "xx"), "a file that belongs to no split is named"


def test_batches_are_small_and_memory_does_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "BATCH", 1000)
    monkeypatch.setattr(text_files, "BLOCK", 1 << 16)
    write(tmp_path / "xx-en/train.xx", "".join(f"source line number {n}\n" for n in range(100_000)))
    write(tmp_path / "xx-en/train.en", "".join(f"line {n}\n" for n in range(100_000)))
    files, tally, first = find_corpus(tmp_path, "xx"), Tally(), 0
    tracemalloc.start()
    for text in iter_corpus(files, "train", tally):
        assert 0 < len(text) <= 1000, "a batch is never empty and never larger than BATCH"
        assert text.source[0] == f"source line number {first}" and text.english[-1] == f"line {first + len(text) - 1}"
        first += len(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tally.read, tally.kept) == (100_000, 100_000), "every line is counted"
    assert peak < 2_000_000, f"{peak} bytes for a corpus of 3.5 MB: it must not be held whole"


def test_lines_end_with_a_line_feed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "BLOCK", 7)  # so that every line crosses blocks
    odd = "a\u2028b\x85c\x0bd\x0ce\x1cf\rg"
    write(tmp_path / "xx-en.tsv", f"\ufeff{odd}\tE\r\nsecond\t\n\t\nlast\t{odd}")
    text = read_corpus(find_corpus(tmp_path, "xx"))["all"]
    assert (text.source, text.english) == ([odd, "second", "", "last"], ["E", "", "", odd]), (
        "only LF and CRLF end lines"
    )


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "BLOCK", 8)
    monkeypatch.setattr(text_files, "LONGEST_LINE", 100)
    message = error_of(read_lines, write(tmp_path / "a.txt", "short\n" * 3 + "x" * 1000))
    assert "line 4" in message and "at most 100 bytes" in message, message


def test_joined_lines_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "xx.tsv", "2\tb\n9\tonly here\n1\ta\n")
    write(tmp_path / "en.tsv", "1\tA\n2\tB\n3\tC\n")
    tally = Tally()
    (text,) = iter_corpus(find_corpus(tmp_path, "xx"), tally=tally)
    assert (text.source, text.english, text.ids) == (["b", "a"], ["B", "A"], ["2", "1"]), "joined in X's order"
    assert (tally.read, tally.kept, tally.dropped) == (3, 2, {"no-partner": 1}), "a line without partner is counted"


def test_ids_that_never_meet_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "xx.tsv", "1\ta\n")
    write(tmp_path / "en.tsv", "2\tA\n")
    assert "must share ids with en.tsv" in error_of(read_corpus, find_corpus(tmp_path, "xx")), "no pair at all"


def test_a_tmx_with_entities_or_out_of_order_is_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tmx><body><tu>&b;</tu></body></tmx>'
    write(tmp_path / "xx-en.tmx", bomb)
    assert "must declare no entities" in error_of(read_corpus, find_corpus(tmp_path, "xx")), "no entity is expanded"
    for odd in ("<tu><tu></tu></tu>", "<seg>text</seg>", "<tu><tuv><seg><seg/></seg></tuv></tu>"):
        write(tmp_path / "xx-en.tmx", f"<tmx>{odd}</tmx>")
        assert "is elsewhere" in error_of(read_corpus, find_corpus(tmp_path, "xx")), f"text is lost: {odd}"
    write(tmp_path / "xx-en.tmx", TMX[:-40])
    message = error_of(read_corpus, find_corpus(tmp_path, "xx"))
    assert "line 8: must be well-formed TMX" in message, message
    write(tmp_path / "xx-en.tmx", TMX.replace("EN-us", "de").replace('lang="en"', 'lang="de"'))
    assert "none of 3 rows has both" in error_of(read_corpus, find_corpus(tmp_path, "xx")), (
        "the other language is missing"
    )


@pytest.mark.parametrize("folder", ["__MACOSX/", "__MACOSX/sub/", ""])
def test_what_a_mac_adds_to_a_zip_file_is_no_text(tmp_path: Path, folder: str) -> None:
    members = {"sub/a.xx": "a\n", f"{folder}._a.xx": "\0\5\26\7", "sub/a.en": "A\n", f"{folder}._a.en": "\0"}
    zipped(tmp_path / "xx-en.txt.zip", members)
    (text,) = read_corpus(find_corpus(tmp_path, "xx")).values()
    assert (text.source, text.english) == (["a"], ["A"])


@pytest.mark.parametrize("name, data", [("xx-en.tsv", b"a\tA\n"), ("xx-en.jsonl", b'{"xx": "a", "en": "A"}\n'),
                                        ("xx-en.csv", b"xx,en\na,A\n"), ("xx-en.tmx", TMX.encode())])  # fmt: skip
def test_a_gzip_file_is_known_by_its_bytes(tmp_path: Path, name: str, data: bytes) -> None:
    """Whatever the address was that it came from."""
    (plain,) = read_corpus(find_corpus(write(tmp_path / "plain" / name, data).parent, "xx")).values()
    (packed,) = read_corpus(find_corpus(write(tmp_path / "gz" / name, gzip.compress(data)).parent, "xx")).values()
    assert packed == plain
    write(tmp_path / "gz" / name, gzip.compress(data)[:-9])
    assert "must be a whole gzip file" in error_of(read_corpus, find_corpus(tmp_path / "gz", "xx"))


def test_an_archive_that_is_no_gzip_is_named(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", {"a": "b"})
    data = {"zip": (tmp_path / "a.zip").read_bytes(), "xz": lzma.compress(b"a\tb\n"), "bzip2": bz2.compress(b"a\tb\n")}
    for kind, content in data.items():
        write(tmp_path / "xx-en.tsv", content)
        assert f"but is a {kind} file" in error_of(read_corpus, find_corpus(tmp_path, "xx"))


def test_a_reader_of_a_user_that_loses_something_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "xx-en.tsv", "a\tA\n")
    given = {
        "2 texts, 1 translations, 0 ids": Parallel(["a", "b"], ["A"], []),
        "1 texts, 2 translations, 0 ids": Parallel(["a"], ["A", "B"], []),
        "1 texts, 1 translations, 2 ids": Parallel(["a"], ["A"], ["1", "2"]),
        "counts 3 lines as read, and 1 as given": Parallel(["a"], ["A"], []),
    }
    for expected, pairs in given.items():

        def read(part: Part, tally: Tally, pairs: Parallel = pairs) -> Iterator[Parallel]:
            tally.read += 3
            yield pairs

        monkeypatch.setitem(READERS, "tsv", Reader(read, 1, (".tsv",)))
        message = error_of(read_corpus, find_corpus(tmp_path, "xx"))
        assert "xx-en.tsv: the reader of tsv must" in message and expected in message, message


def test_the_command_says_where_nothing_is(tmp_path: Path) -> None:
    assert error_of(main, ["--corpus", str(tmp_path)]).endswith("has no such files: nothing")
    write(tmp_path / "yoruba.txt", "a\n")
    assert error_of(main, ["--corpus", str(tmp_path)]).endswith("has no such files: yoruba.txt")
    write(tmp_path / "manifest.yaml", "corpora:\n  - {name: a, kind: text, languages: [en], licence: x, path: a}\n")
    assert "must hold text of a language and en" in error_of(main, ["--corpus", str(tmp_path)])


@pytest.mark.parametrize(
    "members, expected",
    [
        ({"a.xx": "a\n", "a.en": "A\nB\n"}, "equally many lines, but have 1 and 2"),
        ({"a.xx": "a\n"}, "must hold one file *.en, but holds 0"),
        ({"a.xx": "a\n", "a.en": "A\n", "b.en": "B\n"}, "must hold one file *.en, but holds 2"),
    ],
)
def test_zip_files_that_are_no_pair(tmp_path: Path, members: dict[str, str], expected: str) -> None:
    zipped(tmp_path / "xx-en.txt.zip", members)
    assert expected in error_of(read_corpus, find_corpus(tmp_path, "xx")), "the members are checked"


def test_a_cut_zip_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "xx-en.txt.zip", {"a.xx": "a\n" * 999, "a.en": "A\n" * 999})
    write(path, path.read_bytes()[:-30])
    assert "must be a whole, unencrypted zip" in error_of(read_corpus, find_corpus(tmp_path, "xx")), "cut short"


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("xx-en.csv", "xx,en\na,b,c\n", "row 1: must have 2 fields"),
        ("xx-en.csv", "xx,de\na,b\n", "must have a column translation, or columns xx and en"),
        ("xx-en.jsonl", '{"xx": 1, "en": "A"}\n', "row 1: must be text, but is int"),
        ("xx-en.jsonl", '{"xx": "a", "en"', "cannot be read"),
        ("xx-en.parquet", "no parquet", "cannot be read"),
        ("xx-en.json", '[{"xx": null, "en": "A"}]', "none of 1 rows has both"),
    ],
)
def test_datasets_that_are_no_pairs(tmp_path: Path, name: str, text: str, expected: str) -> None:
    path = write(tmp_path / name, text)
    message = error_of(read_corpus, find_corpus(tmp_path, "xx"))
    assert str(path) in message and expected in message, message


def test_mono_is_counted_and_comes_in_batches(tmp_path: Path) -> None:
    path, tally = write(tmp_path / "xx.tsv", "JHN.1.1\ttest\nGEN.1.1\ttrain\n"), Tally()
    assert list(iter_mono(path, "xx", held_out_ids=("JHN",), tally=tally)) == [["train"]]
    assert (tally.read, tally.kept, tally.dropped) == (2, 1, {"held-out-id": 1}), "held-out lines are counted"


def test_the_command_says_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "xx.tsv", "1\ta\n9\tonly here\n")
    write(tmp_path / "en.tsv", "1\tA\n")
    write(tmp_path / "yy-en.tsv", "y\tY\nz\tZ\n")
    assert main(["--corpus", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "xx\tall 1 lines, 1 dropped (no-partner)\nyy\tall 2 lines\n"
