"""Any bytes through every reader: pairs or one clear error, and never a line lost: kept + dropped = read."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data_prep.base import text_files
from data_prep.base.errors import InputError
from data_prep.corpora.corpus import find_corpus, find_mono, iter_corpus, iter_mono
from data_prep.corpora.readers import Tally

ODD = ["\0", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\ufeff", "\ufffe", "\U0010ffff", "&amp;",
       '"', ",", "<seg>", "\\ud800", "nan", "12", "2020-01-01", " ", "e\u0301"]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=4)), max_size=5).map("".join)
LINES = TEXTS.map(lambda text: text.replace("\n", " ").replace("\t", " ").rstrip("\r"))  # what a line can hold
PAIRS = st.lists(st.tuples(LINES, LINES), min_size=1, max_size=5)
PIECES = st.one_of(
    st.sampled_from(
        [b"\n", b"\r\n", b"\t", b"1\t", b"\xed\xa0\x80", b"\xff", b"\xef\xbb\xbf", b"\0", b"<tu>", b"</tu>", b"{"]
    ),
    TEXTS.map(str.encode),
    st.binary(max_size=4),
)
BYTES = st.lists(PIECES, max_size=12).map(b"".join)
MEGABYTE = b"\xc3\xa9" * 500_000

few = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def as_tsv(pairs: list[tuple[str, str]]) -> dict[str, bytes]:
    return {"xx-en.tsv": "".join(f"{own}\t{other}\n" for own, other in pairs).encode()}


def as_ids(pairs: list[tuple[str, str]]) -> dict[str, bytes]:
    sides = zip(*pairs, strict=True)
    files = ["".join(f"id.{number}\t{text}\n" for number, text in enumerate(side)).encode() for side in sides]
    return dict(zip(("xx.tsv", "en.tsv"), files, strict=True))


def as_lines(pairs: list[tuple[str, str]]) -> dict[str, bytes]:
    sides = ["".join(f"{text}\n" for text in side).encode() for side in zip(*pairs, strict=True)]
    return {"train.xx": sides[0], "train.en": sides[1]}


def as_zip(pairs: list[tuple[str, str]]) -> dict[str, bytes]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in as_lines(pairs).items():
            archive.writestr(name, data)
    return {"xx-en.txt.zip": packed.getvalue()}


def as_tmx(pairs: list[tuple[str, str]]) -> dict[str, bytes]:
    unit = '<tu><tuv lang="xx"><seg>{}</seg></tuv><tuv lang="en"><seg>{}</seg></tuv></tu>'
    units = [unit.format(*map(escape, pair)) for pair in pairs]
    return {"xx-en.tmx": f"<tmx>{''.join(units)}</tmx>".encode()}


def as_jsonl(pairs: list[tuple[str, str]]) -> dict[str, bytes]:
    return {"xx-en.jsonl": "".join(json.dumps({"translation": dict(zip(("xx", "en"), pair, strict=True))}) + "\n"
                                   for pair in pairs).encode()}  # fmt: skip


def as_csv(pairs: list[tuple[str, str]]) -> dict[str, bytes]:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("xx", "en"), *pairs])
    return {"xx-en.csv": text.getvalue().encode()}


def as_parquet(pairs: list[tuple[str, str]]) -> dict[str, bytes]:
    packed = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(dict(zip(("xx", "en"), zip(*pairs, strict=True), strict=True))), packed)
    return {"xx-en.parquet": packed.getvalue()}


FORMS = [as_tsv, as_ids, as_lines, as_zip, as_tmx, as_jsonl, as_csv, as_parquet]
Form = Callable[[list[tuple[str, str]]], dict[str, bytes]]


def lay_out(folder: Path, files: dict[str, bytes]) -> Path:
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def read(folder: Path) -> list[tuple[str, str]] | str:
    """The pairs of the folder, or the error; either way the counts must be right."""
    try:
        files, tally = find_corpus(folder, "xx"), Tally()
        batches = list(iter_corpus(files, files.splits[0], tally))
    except InputError as error:
        assert str(folder) in str(error) and str(error).strip(), "an error names the file"
        return str(error)
    pairs = [pair for text in batches for pair in zip(text.source, text.english, strict=True)]
    assert tally.kept == len(pairs) and tally.kept + sum(tally.dropped.values()) == tally.read, f"lost lines: {tally}"
    assert not any("\n" in text for pair in pairs for text in pair), "a line feed in a text"
    return pairs


@pytest.mark.parametrize("form", FORMS)
@few
@given(pairs=PAIRS)
@example(pairs=[(MEGABYTE.decode(), "a"), ("b", MEGABYTE.decode())])
@example(pairs=[("NA", "null"), ("1", "2.50"), ("true", "None")])
@example(pairs=[("2020-01-01", "a")])
@example(pairs=[("007", " 0"), ("1.50", "1e3")])
@example(pairs=[("a\0b", "\0"), ("\0c", "d")])
def test_every_pair_comes_back(tmp_path: Path, form: Form, pairs: list[tuple[str, str]]) -> None:
    if form is as_tmx:  # XML cannot say control characters
        pairs = [
            pair for pair in pairs if not any(char < " " or char in "\ufffe\uffff" for text in pair for char in text)
        ]
    sides = list(zip(*pairs, strict=True))
    if not pairs or any(side[0].startswith("\ufeff") for side in sides):
        return  # nothing to write, or what is a mark of the encoding at the beginning of a file
    found = read(lay_out(tmp_path, form(pairs)))
    if isinstance(found, str):
        assert not all(any(text.strip() for text in side) for side in sides), found  # a side without text is refused
        return
    flat = str.maketrans("\r", " ") if form in (as_jsonl, as_csv, as_parquet) else {}
    assert found == [(own.translate(flat), other.translate(flat)) for own, other in pairs], "a text was changed"


@pytest.mark.parametrize("name", [name for form in FORMS for name in form([("x", "E")])])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@few
@given(data=BYTES, cut=st.integers(0, 30))
@example(data=b"", cut=0)
@example(data=MEGABYTE + b"\t" + MEGABYTE + b"\n" + MEGABYTE, cut=0)
@example(data=b"a\tb\n\xed\xa0\x80\tb\n", cut=0)
@example(data=b"a\tb\r\n\xef\xbb\xbfc\td\r\n", cut=9)
def test_any_bytes_are_pairs_or_an_error(tmp_path: Path, name: str, packed: bool, data: bytes, cut: int) -> None:
    others = {"en.tsv": ("xx.tsv", b"1\ta\n"), "xx.tsv": ("en.tsv", b"1\tA\n"),
              "train.en": ("train.xx", b"a\n"), "train.xx": ("train.en", b"A\n")}  # fmt: skip
    files = dict([others[name]]) if name in others else {}
    whole = gzip.compress(data) if packed else data
    found = read(lay_out(tmp_path, {**files, name + ".gz" * packed: whole[: len(whole) - cut * packed]}))
    if packed and 0 < cut < len(whole):
        assert isinstance(found, str), "a cut gzip file was taken for a whole one"
    elif not isinstance(found, str) and name == "xx-en.tsv":
        assert len(found) == data.count(b"\n") + (not data.endswith(b"\n")), "a line was lost"


@few
@given(data=BYTES, name=st.sampled_from(["xx.txt", "xx.tsv", "xx-en.tsv"]))
@example(data=MEGABYTE, name="xx.txt")
def test_any_bytes_are_monolingual_text_or_an_error(tmp_path: Path, data: bytes, name: str) -> None:
    (path,) = find_mono([lay_out(tmp_path, {name: data})], "xx")
    tally = Tally()
    try:
        lines = [line for batch in iter_mono(path, "xx", held_out_ids=("1",), tally=tally) for line in batch]
    except InputError as error:
        assert str(path) in str(error), "an error names the file"
        return
    assert tally.read == data.count(b"\n") + (not data.endswith(b"\n")), "a line was not read"
    assert tally.kept == len(lines) and tally.kept + sum(tally.dropped.values()) == tally.read, f"lost lines: {tally}"


@pytest.mark.parametrize("start", [b"", b"a\n", b"abc\n"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\nmore\n"])
def test_the_longest_line_is_measured_whole(monkeypatch: pytest.MonkeyPatch, start: bytes, end: bytes) -> None:
    """However the blocks that are read cut it."""
    monkeypatch.setattr(text_files, "BLOCK", 8)
    monkeypatch.setattr(text_files, "LONGEST_LINE", 20)
    lines = [line for block in text_files.iter_blocks(io.BytesIO(start + b"x" * 20 + end), "f") for line in block]
    assert "x" * 20 in lines
    with pytest.raises(InputError, match=f"f, line {1 + start.count(10)}: must have at most 20 bytes"):
        list(text_files.iter_blocks(io.BytesIO(start + b"x" * 21 + end), "f"))
