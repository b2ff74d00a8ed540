"""Fetching: downloads that go on, checks that refuse, and folders that can be read. The server is a local one."""

import gzip
import hashlib
import http.server
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest

from data_prep.base.command_line import run_command
from data_prep.base.errors import InputError
from data_prep.corpora import download as downloading
from data_prep.corpora.corpus import find_corpus, find_mono, read_corpus, read_mono
from data_prep.corpora.download import download
from data_prep.corpora.entry import Corpus
from data_prep.corpora.fetch import main
from data_prep.corpora.manifest import manifest_text, read_manifest


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files``; what else it does is set by the test. ``asked`` holds the Range header of every request."""

    files: dict[str, bytes]
    ranges = True
    tags = True
    die_after = 0  # bytes sent of each answer before the connection is closed; 0: never
    busy = 0  # so many answers of 503 first


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(self.headers.get("Range"))
        data = server.files.get(self.path)
        if server.busy:
            server.busy -= 1
            self.send_error(503)
            return
        if data is None:
            self.send_error(404)
            return
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        first = int(start[1]) if start and server.ranges and self.headers.get("If-Range", tag) == tag else 0
        if first >= len(data) > 0 and first:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        if server.tags:
            self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        rest = data[first:]
        self.wfile.write(rest[: server.die_after] if server.die_after else rest)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloading, "PAUSE", 0)
    serving = Server(("127.0.0.1", 0), Handler)
    serving.files, serving.asked = {}, []
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield serving
    serving.shutdown()
    serving.server_close()
    thread.join()


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def corpus(**fields: Any) -> Corpus:
    listed = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Corpus(**{"name": "a", "kind": "tsv", "languages": ("xx", "en"), "licence": "CC0", **listed})


def run(tmp_path: Path, *corpora: Corpus, flags: tuple[str, ...] = ()) -> int:
    (tmp_path / "m.yaml").write_text(manifest_text(corpora), "utf-8")
    return run_command(main, [str(tmp_path / "m.yaml"), "--out", str(tmp_path / "out"), *flags], prog="fetch")


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed to stderr, but for the progress bars: it must be one line."""
    lines = [
        line for line in capsys.readouterr().err.replace("\r", "\n").split("\n") if line.startswith("fetch: error")
    ]
    assert len(lines) == 1, lines
    return lines[0]


TEXT = "".join(f"x{n}\tE{n}\n" for n in range(5000)).encode()


def test_a_download_that_dies_goes_on_where_it_stopped(tmp_path: Path, server: Server) -> None:
    server.files["/a.tsv"] = TEXT
    server.die_after = 20_000
    download(url(server, "/a.tsv"), tmp_path / "a.tsv", digest(TEXT))
    assert (tmp_path / "a.tsv").read_bytes() == TEXT, "put together wrongly"
    assert server.asked == [None, "bytes=20000-", "bytes=40000-"][: len(server.asked)] and len(server.asked) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"], "no part stays"


def test_an_interrupted_run_goes_on(tmp_path: Path, server: Server) -> None:
    server.files["/a.tsv"] = TEXT
    (tmp_path / "a.tsv.part").write_bytes(TEXT[:1000])
    download(url(server, "/a.tsv"), tmp_path / "a.tsv", digest(TEXT))
    assert (tmp_path / "a.tsv").read_bytes() == TEXT and server.asked == ["bytes=1000-"], "only the rest is fetched"
    download(url(server, "/a.tsv"), tmp_path / "a.tsv", digest(TEXT))
    assert len(server.asked) == 1, "what is here is not fetched again"


def test_without_hash_or_tag_nothing_is_continued(tmp_path: Path, server: Server) -> None:
    server.files["/a.tsv"] = TEXT
    (tmp_path / "a.tsv.part").write_bytes(b"something else")
    download(url(server, "/a.tsv"), tmp_path / "a.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == TEXT and server.asked == [None], "a part of who knows what is dropped"


@pytest.mark.parametrize("tags", [True, False])
@pytest.mark.parametrize("length", [100, len(TEXT), len(TEXT) + 5])
def test_a_file_that_was_changed_meanwhile_is_fetched_whole(
    tmp_path: Path, server: Server, tags: bool, length: int
) -> None:
    server.files["/a.tsv"], server.tags = TEXT, tags
    (tmp_path / "a.tsv.part").write_bytes(b"o" * length)
    (tmp_path / "a.tsv.part.tag").write_text('"of an older version"')
    download(url(server, "/a.tsv"), tmp_path / "a.tsv", digest(TEXT))
    assert (tmp_path / "a.tsv").read_bytes() == TEXT, "parts of two versions were joined"


def test_a_server_without_ranges(tmp_path: Path, server: Server) -> None:
    server.files["/a.tsv"], server.ranges = TEXT, False
    (tmp_path / "a.tsv.part").write_bytes(TEXT[:1000])
    download(url(server, "/a.tsv"), tmp_path / "a.tsv", digest(TEXT))
    assert (tmp_path / "a.tsv").read_bytes() == TEXT, "the whole answer was taken for the rest"


def test_busy_servers_are_asked_again_and_dead_ones_are_not_waited_for(tmp_path: Path, server: Server) -> None:
    server.files["/a.tsv"], server.busy = TEXT, 3
    download(url(server, "/a.tsv"), tmp_path / "a.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == TEXT
    server.busy = 99
    with pytest.raises(InputError, match="cannot be had: answer 503 Service Unavailable"):
        download(url(server, "/a.tsv"), tmp_path / "b.tsv")
    with pytest.raises(InputError, match="cannot be had: answer 404"):
        server.busy = 0
        download(url(server, "/absent"), tmp_path / "b.tsv")
    server.files["/slow"], server.die_after = TEXT, 1
    with pytest.raises(InputError, match="must have at most 10 bytes"):
        download(url(server, "/slow"), tmp_path / "b.tsv", limit=10)
    assert not (tmp_path / "b.tsv").exists(), "nothing is there that was not wholly had"


def test_a_server_that_never_sends_the_rest(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/a.tsv"], server.die_after, server.ranges = TEXT, 100, False
    with pytest.raises(InputError, match="the connection ended after 100 of .* 100 bytes are here, run again to go on"):
        download(url(server, "/a.tsv"), tmp_path / "a.tsv", digest(TEXT))
    assert not (tmp_path / "a.tsv").exists() and (tmp_path / "a.tsv.part").stat().st_size == 100, "the part stays"


class Changing(http.server.BaseHTTPRequestHandler):
    """Sends the first half of one version of a file and then closes; asked for a part, the rest of another version."""

    first, then = TEXT, TEXT.replace(b"x", b"y")
    tags: tuple[str, str] = ("", "")
    range_of = "bytes {}-{}/{}"
    false_416 = False
    drip = 0  # bytes of each answer, if any

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked else 0
        if asked and self.false_416:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{start}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = self.then if asked else self.first
        self.send_response(206 if asked else 200)
        if asked and self.range_of:
            self.send_header("Content-Range", self.range_of.format(start, len(data) - 1, len(data)))
        if self.tags[bool(asked)]:
            self.send_header("ETag", self.tags[bool(asked)])
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        rest = data[start:]
        self.wfile.write(rest[: self.drip] if self.drip else rest if asked else rest[: len(rest) // 2])


@pytest.mark.parametrize(
    "behaviour",
    [
        {"tags": ("", "")},  # no validator: nothing shows that the rest is of the same file
        {"tags": ('"a"', '"b"')},
        {"tags": ('"a"', "")},
        {"tags": ('W/"a"', 'W/"a"')},
        {"tags": ('"a"', '"a"'), "then": TEXT + b"more"},  # the same validator, and another total
        {"tags": ('"a"', '"a"'), "range_of": ""},
        {"tags": ('"a"', '"a"'), "range_of": "bytes 0-{1}/{2}"},
        {"tags": ('"a"', '"a"'), "false_416": True},
        {"tags": ('"a"', '"a"'), "drip": 1, "then": TEXT},
    ],
)
def test_two_versions_are_never_joined_and_there_is_an_end(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, behaviour: dict[str, Any]
) -> None:
    server.RequestHandlerClass = type("Behaviour", (Changing,), behaviour)  # type: ignore[assignment]
    with pytest.raises(InputError, match="cannot be had"):
        download(url(server, "/a.tsv"), tmp_path / "a.tsv")
    assert not (tmp_path / "a.tsv").exists()


def test_a_rest_of_the_same_version_is_joined(tmp_path: Path, server: Server) -> None:
    server.RequestHandlerClass = type("Same", (Changing,), {"tags": ('"a"', '"a"'), "then": TEXT})
    download(url(server, "/a.tsv"), tmp_path / "a.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == TEXT


def test_a_slow_answer_is_given_up(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/a.tsv"] = TEXT
    monkeypatch.setattr(downloading, "BLOCK", 1000)
    monkeypatch.setattr(downloading, "PATIENCE_S", 0)
    monkeypatch.setattr(downloading, "SLOWEST", 1e15)
    with pytest.raises(InputError, match="comes too slowly"):
        download(url(server, "/a.tsv"), tmp_path / "a.tsv")
    monkeypatch.setattr(downloading, "MOST_S", -1)
    with pytest.raises(InputError, match="comes too slowly"):
        download(url(server, "/a.tsv"), tmp_path / "b.tsv")


def test_a_manifest_becomes_a_corpus_folder(tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    packed = gzip.compress(b"own\tOwn\n")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as file:
        for name, data in (("t/c.yy", b"y\nz\n"), ("t/c.en", b"Y\nZ\n"), ("evil", b"")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    server.files |= {"/a.tsv": TEXT, "/own.tsv.gz": packed, "/c.tgz": archive.getvalue(), "/wiki.txt": b"one\n"}
    (tmp_path / "here.tsv").write_text("h\tH\n")
    wanted = [
        corpus(name="a", url=[url(server, "/a.tsv")], sha256=[digest(TEXT)], lines=5000),
        corpus(name="b", url=[url(server, "/own.tsv.gz")]),
        corpus(
            name="c", kind="lines", languages=["yy", "en"], url=[url(server, "/c.tgz")], members=["t/c.yy", "t/c.en"]
        ),
        corpus(name="d", path=["here.tsv"], lines=1),
        corpus(name="e", url=[(tmp_path / "here.tsv").as_uri()], split="all"),
        corpus(name="f", kind="text", languages=["xx"], url=[url(server, "/wiki.txt")], lines=1),
    ]
    assert run(tmp_path, *wanted) == 0, capsys.readouterr().err
    out = tmp_path / "out"
    text = read_corpus(find_corpus(out, "xx"))["all"]
    assert len(text) == 5003 and text.source[5000:] == ["own", "h", "h"], "all corpora, in the manifest's order"
    assert read_corpus(find_corpus(out, "yy"))["all"].english == ["Y", "Z"], "members of an archive"
    assert [read_mono(path, "xx") for path in find_mono([out], "xx")] == [["one"]], "monolingual text"
    found = read_manifest(out / "manifest.yaml").corpora
    assert [entry.lines for entry in found] == [5000, 1, 2, 1, 1, 1] and all(entry.sha256 for entry in found)
    assert found[0].origin == url(server, "/a.tsv") and found[0].licence == "CC0", "where it came from is kept"
    requests, before = len(server.asked), (out / "manifest.yaml").read_bytes()
    assert run(tmp_path, *wanted) == 0 and len(server.asked) == requests, "nothing is fetched again"
    assert (out / "manifest.yaml").read_bytes() == before, "and the manifest is the same"
    (out / "a/download/a.tsv").write_bytes(TEXT[:-1])
    assert run(tmp_path, *wanted) == 0 and len(server.asked) == requests + 1, "what was damaged is fetched again"
    assert (out / "a/download/a.tsv").read_bytes() == TEXT
    assert run(tmp_path, *wanted, flags=("--langs", "yy")) == 0
    assert [entry.name for entry in read_manifest(out / "manifest.yaml").corpora] == ["c"], "one language alone"


def test_every_mismatch_is_one_line_and_nothing_stays(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files |= {"/a.tsv": TEXT, "/bad.tsv": b"no tab\n"}
    status = run(
        tmp_path,
        corpus(name="right", url=[url(server, "/a.tsv")]),
        corpus(name="hash", url=[url(server, "/a.tsv")], sha256=["0" * 64]),
        corpus(name="lines", url=[url(server, "/a.tsv")], lines=4999),
        corpus(name="form", url=[url(server, "/bad.tsv")]),
        corpus(name="gone", url=[url(server, "/gone.tsv")]),
    )
    message = refusal(capsys)
    assert status == 2, "exit status"
    for part in (f"hash: {url(server, '/a.tsv')}: must have sha256 {'0' * 64}, but has {digest(TEXT)}",
                 "lines: must have 4999 lines, but has 5000", "form: ", "line 1: must have 2 tab-separated columns",
                 "gone: ", "answer 404"):  # fmt: skip
        assert part in message, f"{part!r} is not in {message!r}"
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {"right/download/a.tsv", "right/fetched.json"}, "only what is right stays, and there is no manifest"


def test_local_files_are_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.tsv").write_bytes(TEXT)
    assert run(tmp_path, corpus(path=["a.tsv"], sha256=["1" * 64])) == 2
    assert "a.tsv: must have sha256 1111" in refusal(capsys)
    assert run(tmp_path, corpus(path=["b.tsv"])) == 2
    assert "b.tsv: file is missing" in refusal(capsys)
    assert run(tmp_path, corpus(url=[(tmp_path / "b.tsv").as_uri()])) == 2
    assert "b.tsv: cannot be had" in refusal(capsys)
    assert run(tmp_path, corpus(path=["a.tsv"]), flags=("--langs", "lv")) == 2
    assert "--langs must be languages of" in refusal(capsys)


def test_a_manifest_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.tsv").write_bytes(TEXT)
    (tmp_path / "manifest.yaml").write_text(manifest_text([corpus(path=["a.tsv"])]))
    assert run_command(main, [str(tmp_path / "manifest.yaml"), "--out", str(tmp_path)], prog="fetch") == 2
    assert "would be written over" in refusal(capsys)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """In place of the hub: what ``load_dataset`` is called with; it gives rows that the name says."""
    calls: list[tuple[Any, ...]] = []
    tables = {
        "pairs": [{"translation": {"xx": f"x\n{n}", "en": f"E\t{n}"}} for n in range(30)],
        "columns": [{"src": "x", "tgt": "E"}, {"src": None, "tgt": "E"}],
        "flores": [{"id": n, "sentence": f"{n}"} for n in range(3)],
        "surrogate": [{"xx": "\ud800", "en": "E"}],
    }

    class Rows(list):
        def take(self, count: int) -> "Rows":
            return Rows(self[:count])

        def iter(self, batch_size: int) -> Iterator[dict[str, list[Any]]]:
            for start in range(0, len(self), 7):
                yield {name: [row[name] for row in self[start : start + 7]] for name in self[0]}

    def load_dataset(name: str, *config: str, **options: Any) -> Rows:
        calls.append((name, *config, options))
        if name not in tables:
            raise datasets.exceptions.DatasetNotFoundError(
                f"Dataset '{name}' doesn't exist on the Hub\nor cannot be had"
            )
        return Rows(tables[name])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return calls


def test_hub_corpora_become_tsv_files(tmp_path: Path, hub: list[tuple[Any, ...]]) -> None:
    pairs = corpus(
        kind="hub", hub="pairs", config=["xx-en"], hub_split="validation", revision="abc", first=20, lines=20
    )
    columns = corpus(name="b", kind="hub", hub="columns", columns=["src", "tgt"], lines=2)
    flores = corpus(name="c", kind="hub", hub="flores", config=["xxx_Latn", "eng_Latn"], hub_split="dev")
    assert run(tmp_path, pairs, columns, flores) == 0
    assert hub[0] == ("pairs", "xx-en", {"streaming": True, "split": "validation", "revision": "abc"}), (
        "what is asked for"
    )
    assert {call[:2] for call in hub[2:]} == {("flores", "xxx_Latn"), ("flores", "eng_Latn")}, "both sides of a join"
    text = read_corpus(find_corpus(tmp_path / "out", "xx"))["all"]
    assert text.source[:2] == ["x 0", "x 1"] and text.english[19:21] == ["E 19", "E"], "tabs and line feeds are spaces"
    assert text.source[21:] == text.english[21:] == ["0", "1", "2"], "rows joined on their id"
    found = read_manifest(tmp_path / "out/manifest.yaml").corpora
    assert [(entry.kind, entry.lines) for entry in found] == [("tsv", 20), ("tsv", 1), ("tsv", 3)], "files like others"
    assert found[0].origin == "pairs xx-en abc"
    asked = len(hub)
    assert run(tmp_path, pairs, columns, flores) == 0 and len(hub) == asked, "nothing is fetched again"


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"hub": "absent"}, "absent: cannot be read: DatasetNotFoundError: Dataset 'absent' doesn't exist"),
        ({"hub": "columns"}, "must have a column translation, or columns xx and en"),
        ({"hub": "flores", "config": ["a", "b"], "columns": ["text", "text"]}, "must have columns id and text"),
        ({"hub": "pairs", "lines": 31}, "must have 31 lines, but has 30"),
        ({"hub": "pairs", "sha256": ["0" * 64]}, "pairs: must have sha256 0000"),
        ({"hub": "surrogate"}, "row 1: must be Unicode text, but has a lone surrogate"),
    ],
)
def test_hub_corpora_are_checked(
    tmp_path: Path,
    hub: list[tuple[Any, ...]],
    capsys: pytest.CaptureFixture[str],
    fields: dict[str, Any],
    expected: str,
) -> None:
    assert run(tmp_path, corpus(kind="hub", **fields)) == 2
    assert expected in refusal(capsys)
    assert not list((tmp_path / "out/a").iterdir()), "nothing half-written"


def test_the_record_of_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(TEXT)
    assert run(tmp_path, corpus(url=[(tmp_path / "a.tsv").as_uri()])) == 0
    record = json.loads((tmp_path / "out/a/fetched.json").read_text("utf-8"))
    assert record["sha256"] == [digest(TEXT)] and record["lines"] == 5000, "what was found is kept with it"
