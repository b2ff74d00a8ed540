"""Malformed raw text: corpora in every layout, monolingual text, word lists, vectors, manifests, text to translate."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from arguments import arguments

from campaign.bad_input import HANDLED, REFUSED, Case, Materials, replace

CORPUS, PREPROCESS, FETCH, TRANSLATE = (
    "data_prep.corpora.corpus", "meta_nmt.cli.preprocess", "data_prep.corpora.fetch", "meta_nmt.cli.translate",
)  # fmt: skip
TSV = b"eins zwei\tone two\ndrei\tthree\n"
ODD_BYTES = {
    "invalid UTF-8": b"a\tb\n\xff\xfe\tc\n",
    "a surrogate": b"a\tb\n\xed\xa0\x80\tc\n",
    "UTF-16": "a\tb\n".encode("utf-16"),
    "Latin-1": "für\tfor\n".encode("latin-1"),
    "no columns": b"a b\nc d\n",
    "three columns": b"a\tb\tc\n",
    "one line without a column": b"a\tb\nc\n",
    "empty": b"",
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "an endless line": b"a" * 70_000_000 + b"\tb\n",
}


def listed(folder: Path, content: dict[str, bytes]) -> list[str]:
    """The flags of `python -m data_prep corpus` for a folder with these files."""
    for name, data in content.items():
        replace(folder / "corpus" / name, data)
    return arguments("--corpus {}/corpus --langs xx", folder)


def zipped(content: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return packed.getvalue()


def tarred(name: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(TSV)
        archive.addfile(member, io.BytesIO(TSV))
    return packed.getvalue()


GOOD_TMX = (
    b'<tmx version="1.4"><header/><body><tu><tuv xml:lang="xx"><seg>a</seg></tuv>'
    b'<tuv xml:lang="en"><seg>b</seg></tuv></tu></body></tmx>'
)
LAUGHS = b"<!DOCTYPE t [<!ENTITY a 'ha'>" + b"".join(
    b"<!ENTITY %c '%s'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(12)
) + b"]>" + GOOD_TMX.replace(b"<seg>a", b"<seg>&m;")  # fmt: skip
OUTSIDE = b'<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + GOOD_TMX.replace(b"<seg>a", b"<seg>&x;")

# name -> files of the corpus folder, and what must be named
LAYOUTS: dict[str, tuple[dict[str, bytes], str]] = {
    "gzip cut short": ({"xx-en.tsv.gz": gzip.compress(TSV * 999)[:60]}, "xx-en.tsv.gz"),
    "gzip with a flipped byte": ({"xx-en.tsv.gz": gzip.compress(TSV)[:-6] + b"\0\0\0\0\0\0"}, "xx-en.tsv.gz"),
    "gzip that is none": ({"xx-en.tsv.gz": TSV}, "xx-en.tsv.gz"),
    "gzip of nothing": ({"xx-en.tsv.gz": gzip.compress(b"")}, "xx-en.tsv.gz"),
    "plain and gzip": ({"xx-en.tsv": TSV, "xx-en.tsv.gz": gzip.compress(TSV)}, "xx-en.tsv"),
    "zip cut short": ({"xx-en.txt.zip": zipped({"a.xx": b"a\n", "a.en": b"b\n"})[:40]}, "xx-en.txt.zip"),
    "zip without the files": ({"xx-en.txt.zip": zipped({"readme": b"a\n"})}, "xx-en.txt.zip"),
    "zip with unequal sides": ({"xx-en.txt.zip": zipped({"a.xx": b"a\nb\n", "a.en": b"b\n"})}, "xx-en.txt.zip"),
    "zip that is none": ({"xx-en.txt.zip": TSV}, "xx-en.txt.zip"),
    "sides of other lengths": ({"train.xx": b"a\nb\n", "train.en": b"a\n"}, "train.xx"),
    "one side only": ({"train.xx": b"a\nb\n"}, "train.en"),
    "a test set alone": ({"test.xx": b"a\n", "test.en": b"b\n"}, "train.xx"),
    "ids without the other file": ({"xx.tsv": b"1\ta\n"}, "en.tsv"),
    "ids twice": ({"xx.tsv": b"1\ta\n1\tb\n", "en.tsv": b"1\ta\n"}, "xx.tsv"),
    "ids in common: none": ({"xx.tsv": b"1\ta\n", "en.tsv": b"2\ta\n"}, "en.tsv"),
    "no corpus": ({"yy-en.tsv": TSV}, "xx"),
    "TMX cut short": ({"xx-en.tmx": GOOD_TMX[:90]}, "xx-en.tmx"),
    "TMX that is none": ({"xx-en.tmx": TSV}, "xx-en.tmx"),
    "TMX with entities that explode": ({"xx-en.tmx": LAUGHS}, "xx-en.tmx"),
    "TMX with an outside entity": ({"xx-en.tmx": OUTSIDE}, "xx-en.tmx"),
    "TMX with an entity that nobody declares": (
        {"xx-en.tmx": b'<!DOCTYPE tmx SYSTEM "tmx14.dtd">' + GOOD_TMX.replace(b"<seg>a", b"<seg>&brand;")}, "&brand;"),
    "TMX with an endless segment": (
        {"xx-en.tmx.gz": gzip.compress(GOOD_TMX.partition(b"a</seg>")[0] + b"a" * 20_000_000, 1)}, "xx-en.tmx.gz"),
    "TMX with an endless comment": ({"xx-en.tmx.gz": gzip.compress(b"<tmx><!--" + b"a" * 20_000_000, 1)}, "comment"),
    "TMX of endless depth": ({"xx-en.tmx.gz": gzip.compress(b"<tmx>" + b"<a>" * 2000, 1)}, "xx-en.tmx.gz"),
    "TMX of other languages": ({"xx-en.tmx": GOOD_TMX.replace(b'"xx"', b'"yy"')}, "xx-en.tmx"),
    "parquet that is none": ({"xx-en.parquet": TSV}, "xx-en.parquet"),
    "parquet cut short": ({"xx-en.parquet": b"PAR1" + bytes(40)}, "xx-en.parquet"),
    "JSON that is none": ({"xx-en.json": b"{"}, "xx-en.json"),
    "JSON of numbers": ({"xx-en.json": b"[1, 2]"}, "xx-en.json"),
    "JSON lines without columns": ({"xx-en.jsonl": b'{"a": 1}\n'}, "xx-en.jsonl"),
    "JSON that nests deeply": ({"xx-en.json": b"[" * 100_000}, "xx-en.json"),
    "JSON with a number of 5,000 digits": ({"xx-en.jsonl": b'{"n": ' + b"9" * 5000 + b"}\n"}, "xx-en.jsonl"),
    "a zip file of another name": ({"xx-en.tsv": zipped({"a": b"b"})}, "is a zip file"),
    "CSV without columns": ({"xx-en.csv": b"a,b\n1,2\n"}, "xx-en.csv"),
    "CSV of nothing": ({"xx-en.csv": b""}, "xx-en.csv"),
}  # fmt: skip


def corpora() -> Iterator[Case]:
    for name, data in ODD_BYTES.items():
        yield Case("raw text", f"TSV: {name}", CORPUS, lambda f, m, d=data: listed(f, {"xx-en.tsv": d}), ("xx-en.tsv",))
    for name, (content, word) in LAYOUTS.items():
        yield Case("raw text", name, CORPUS, lambda f, m, c=content: listed(f, c), (word,))

    def odd(make: Callable[[Path], None]) -> Callable[[Path, Materials], list[str]]:
        def argv(folder: Path, materials: Materials) -> list[str]:
            (folder / "corpus").mkdir()
            make(folder / "corpus/xx-en.tsv")
            return arguments("--corpus {}/corpus --langs xx", folder)

        return argv

    yield Case("raw text", "a folder in place of the file", CORPUS, odd(Path.mkdir), ("xx",))
    yield Case("raw text", "a link to nowhere", CORPUS, odd(lambda p: p.symlink_to("nowhere")), ("xx",))
    yield Case("raw text", "a link to itself", CORPUS, odd(lambda p: p.symlink_to(p.name)), ("xx",))
    yield Case("raw text", "a pipe that nobody writes to", CORPUS, odd(os.mkfifo), ("xx-en.tsv",))
    for name, text in (("DOS line ends", b"a\tb\r\nc\td\r\n"), ("a byte order mark", b"\xef\xbb\xbfa\tb\n"),
                       ("no last line end", b"a\tb"), ("control characters", "a\0\x85\tb\x0b\n".encode())):  # fmt: skip
        yield Case("raw text", name, CORPUS, lambda f, m, t=text: listed(f, {"xx-en.tsv": t}), (), HANDLED)


def preprocess(folder: Path, more: str = "") -> list[str]:
    rows = "".join(f"w{i % 17} x{i % 13} y{i}\tv{i % 17} u{i % 13} y{i}\n" for i in range(300))
    replace(folder / "corpus/xx-en.tsv", rows.encode())
    (folder / "extra").mkdir()
    line = "--out {folder}/out --corpus {folder}/corpus --source-langs xx --workers 1 "
    return arguments(line + more, folder=folder)


def with_extra(flag: str, name: str, data: bytes) -> Callable[[Path, Materials], list[str]]:
    def argv(folder: Path, materials: Materials) -> list[str]:
        flags = [*preprocess(folder), flag, str(folder / "extra")]
        replace(folder / "extra" / name, data)
        return flags

    return argv


def more_text() -> Iterator[Case]:
    for name, data in (("invalid UTF-8", b"a\n\xff\n"), ("empty", b"")):
        yield Case("raw text", f"monolingual: {name}", PREPROCESS, with_extra("--mono", "xx.txt", data), ("xx.txt",))
    for name, data in (("invalid UTF-8", b"a\tb\n\xff\tc\n"), ("one column", b"hello\n")):
        yield Case("word lists", name, PREPROCESS, with_extra("--dictionaries", "xx-en.train.tsv", data), ("xx-en.",))
    vectors = {
        "no header": b"hello 1 2\n",
        "a header that lies": b"5 3\nw0 1 2 3\n",
        "text for a number": b"1 3\nw0 1 two 3\n",
        "a short row": b"2 3\nw0 1 2 3\nw1 1 2\n",
        "not finite": b"2 3\nw0 1 2 nan\nw1 1 2 3\n",
        "invalid UTF-8": b"1 3\n\xff\xfe 1 2 3\n",
        "a huge header": b"99999999999 99999999\nw0 1\n",
        "empty": b"",
    }
    for name, data in vectors.items():
        yield Case("vectors", f".vec: {name}", PREPROCESS, with_extra("--vec-files", "xx.vec", data), ("xx.vec",))


ENTRY = "corpora:\n  - {name: a, kind: tsv, languages: [xx, en], licence: CC0, path: a.tsv%s}\n"
YAML = {
    "runs a command": "!!python/object/apply:os.system ['touch proof']\n",
    "runs a command in a field": "corpora:\n - name: !!python/object/apply:os.system ['touch proof']\n",
    "makes an object": "!!python/object:os.stat_result {}\n",
    "names a function": "corpora: !!python/name:os.system\n",
    "imports a module": "corpora: !!python/module:antigravity\n",
    "aliases that explode": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)) + "corpora: *j\n",
    "an alias of itself": "corpora: &a [*a]\n",
    "nests deeply": "[" * 5000,
    "no YAML": "corpora: [\n",
    "tabs": "corpora:\n\t- name: a\n",
    "empty": "",
    "a number": "3\n",
    "a list": "- a\n- b\n",
    "corpora is text": "corpora: all of them\n",
    "corpora is empty": "corpora: []\n",
    "an entry is text": "corpora: [a]\n",
    "no fields": "corpora: [{}]\n",
    "a field that there is not": ENTRY % ", licens: CC0",
    "a number for a path": ENTRY.replace("a.tsv", "3") % "",
    "an unknown kind": ENTRY.replace("kind: tsv", "kind: docx") % "",
    "three languages": ENTRY.replace("[xx, en]", "[xx, en, de]") % "",
    "a language that is none": ENTRY.replace("[xx, en]", "['../..', en]") % "",
    "a name that climbs": ENTRY.replace("name: a", "name: ../../a") % "",
    "an unknown split": ENTRY % ", split: exam",
    "a hash that is none": ENTRY % ", sha256: abc",
    "a hash that is another": ENTRY % f", sha256: {'0' * 64}",
    "negative lines": ENTRY % ", lines: -3",
    "other lines": ENTRY % ", lines: 3000",
    "lines beyond all": ENTRY % ", lines: 1.0e+400",
    "a path and a URL": ENTRY % ", url: 'https://example.org/a'",
    "a URL of a file": ENTRY.replace("path: a.tsv", "url: 'file:///etc/passwd'") % "",
    "a URL that is none": ENTRY.replace("path: a.tsv", "url: 'not a url'") % "",
    "a path that is missing": ENTRY.replace("a.tsv", "b.tsv") % "",
    "no licence": ENTRY.replace(", licence: CC0", "") % "",
    "the same name twice": ENTRY % "" + ENTRY.split("\n")[1] % "" + "\n",
    "a member that climbs": ENTRY.replace("a.tsv", "a.tar.gz") % ", members: ['../../a.tsv']",
    "a member that is not there": ENTRY.replace("a.tsv", "a.tar.gz") % ", members: [b.tsv]",
}  # fmt: skip


def manifests() -> Iterator[Case]:
    def argv(folder: Path, text: bytes) -> list[str]:
        replace(folder / "a.tsv", TSV)
        replace(folder / "a.tar.gz", tarred("a.tsv"))
        replace(folder / "list.yaml", text)
        return arguments("{folder}/list.yaml --out {folder}/out", folder=folder)

    for name, text in YAML.items():
        yield Case("YAML", name, FETCH, lambda f, m, t=text: argv(f, t.encode()))
    odd = {"invalid UTF-8": b"corpora: \xff\n", "a NUL": b"corpora: \0\n", "binary": bytes(range(256))}
    for name, data in odd.items():
        yield Case("YAML", name, FETCH, lambda f, m, d=data: argv(f, d), ("list.yaml",))
    yield Case("YAML", "good", FETCH, lambda f, m: argv(f, (ENTRY % "").encode()), (), HANDLED)


def to_translate() -> Iterator[Case]:
    def argv(folder: Path, materials: Materials, data: bytes) -> list[str]:
        replace(folder / "text", data)
        paths = materials.data, materials.checkpoint, folder
        return arguments("{} --path {} --source-lang dd --input {}/text --beam 1 --max-pieces 20", *paths)

    cases = {
        "invalid UTF-8": (b"ddwaa\n\xff\n", REFUSED),
        "a surrogate": (b"\xed\xa0\x80\n", REFUSED),
        "nothing": (b"", HANDLED),
        "empty lines": (b"\n\n\n", HANDLED),
        "control characters": (b"\0\x01\x1b[2J\x7f\n", HANDLED),
        "unknown letters": ("漢字 😀 \u202e\n".encode(), HANDLED),
        "a long line": (b"ddwaa " * 5000 + b"\n", HANDLED),
        "no last line end": (b"ddwaa", HANDLED),
    }
    for name, (data, status) in cases.items():
        words = ("text: line",) if status == REFUSED else ()
        yield Case("text to translate", name, TRANSLATE, lambda f, m, d=data: argv(f, m, d), words, status)


def cases() -> Iterator[Case]:
    yield from corpora()
    yield from more_text()
    yield from manifests()
    yield from to_translate()
