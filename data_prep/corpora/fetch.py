"""Fetching: what a manifest lists, downloaded, checked and laid out as a folder of corpora.

``python -m data_prep fetch MANIFEST --out DIR`` makes DIR/<name>/ for every corpus. When all corpora are right, it
writes DIR/manifest.yaml, which lists the files in DIR: DIR is then a corpus folder. An interrupted download goes on
where it stopped (HTTP ranges). A corpus that is in DIR already and unchanged is not fetched again.
"""

import http.client
import re
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from data_prep.base import extensions
from data_prep.base.command_line import OneLineParser, comma_list, run_command, writable_directory
from data_prep.base.errors import InputError
from data_prep.base.files import atomic, read_json, sha256, write_json, write_text
from data_prep.base.text_files import line_blocks
from data_prep.corpora import archives, hub
from data_prep.corpora.entry import Corpus
from data_prep.corpora.manifest import NAME, Manifest, here, manifest_text, read_manifest
from data_prep.corpora.readers import READERS, Part, Tally, pairs_of

TRIES = 5  # attempts in a row that brought fewer than LEAST_GAIN bytes, after which a download fails
LEAST_GAIN = 1 << 16
MOST_ATTEMPTS, MOST_S = 1_000, 24 * 3600  # attempts at a file, and seconds
PATIENCE_S, SLOWEST = 120, 1_000  # after so many seconds an answer must have had so many bytes a second
PAUSE = 1.0  # seconds to wait after a failed attempt; doubled with each in a row that brought little
TIMEOUT = 60  # seconds without an answer
BLOCK = 1 << 20  # bytes written at once
BUSY = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses after which another attempt may succeed
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


def fetch(manifest: Manifest, out: Path, langs: Sequence[str] = (), limit: int = archives.LIMIT) -> Manifest:
    """Fetch all corpora, or those with one of ``langs``; returns the manifest of the fetched files.

    ``limit`` is the most bytes of a download and of an unpacked archive. One InputError reports every corpus that could
    not be fetched or is not as the manifest says; all other corpora stay fetched.
    """
    chosen = [corpus for corpus in manifest.corpora if not langs or set(corpus.languages) & set(langs)]
    unknown = sorted(set(langs) - {lang for corpus in manifest.corpora for lang in corpus.languages})
    if unknown:
        raise InputError(f"--langs must be languages of {manifest.file}, but has {', '.join(unknown)}")
    writable_directory(out, "--out")
    out = out.absolute()
    if (out / NAME).is_file() and (out / NAME).samefile(manifest.file):
        raise InputError(f"--out must be another folder: {manifest.file} would be written over")
    fetched, failed = [], []
    for corpus in chosen:
        try:
            fetched.append(_fetch_corpus(manifest, corpus, out, limit))
        except InputError as error:
            failed.append(f"{corpus.name}: {error}")
    if failed:
        raise InputError("; ".join(failed))
    write_text(out / NAME, manifest_text(fetched))
    return read_manifest(out / NAME)


def _fetch_corpus(manifest: Manifest, corpus: Corpus, out: Path, limit: int) -> Corpus:
    """Fetch a corpus, unless an earlier run did, and check it; returns its entry in the new manifest."""
    folder = out / corpus.name
    entry = _fetched_before(folder, corpus)
    if not entry:
        try:
            entry = _fetch_anew(manifest, corpus, folder, limit)
        except InputError:
            if not corpus.sha256:  # nothing shows whether the files that came are right
                _forget(folder)
            raise
    name = f"{corpus.name}\t{'-'.join(corpus.languages)} {corpus.split}\t{entry.lines} lines\tlicence: {corpus.licence}"
    print(name + ("" if corpus.sha256 else "\t(the manifest has no sha256)"))
    return entry


def _forget(folder: Path) -> None:
    """Remove the fetched files of a corpus's folder, but for downloads that can go on."""
    shutil.rmtree(folder / "files", ignore_errors=True)
    for path in folder.glob("download/*"):
        if not path.name.endswith((".part", ".part.tag")):
            path.unlink()


def _fetched_before(folder: Path, corpus: Corpus) -> Corpus | None:
    """The entry of a corpus that an earlier run fetched; None unless its manifest entry and its files are unchanged."""
    try:
        record = read_json(folder / "fetched.json")
        files = [folder / name for name in record["files"]]
        digests = tuple(map(sha256, files))
        same = record["wanted"] == corpus.plain() and list(digests) == record["sha256"]
        return _entry(corpus, files, folder.parent, record["lines"], digests) if same else None
    except (OSError, ValueError, KeyError, TypeError):  # absent, or damaged: fetch it again
        return None


def _fetch_anew(manifest: Manifest, corpus: Corpus, folder: Path, limit: int) -> Corpus:
    if corpus.is_here:
        files = [path.absolute() for path in manifest.paths(corpus)]
        _check_digests(corpus, files)
        lines = _check_lines(corpus, _count_lines(corpus, files))
        return _entry(corpus, files, folder.parent, lines, tuple(map(sha256, files)))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fetched.json").unlink(missing_ok=True)
    if corpus.hub:
        files = [folder / f"{'-'.join(corpus.languages)}.tsv"]
        lines = _write_rows(corpus, files[0])
    else:
        files = _download_all(corpus, folder, limit) if corpus.url else _local(manifest, corpus)
        if corpus.members:
            files = archives.extract(files[0], corpus.members, folder / "files", limit)
        lines = _check_lines(corpus, _count_lines(corpus, files))
    entry = _entry(corpus, files, folder.parent, lines, tuple(map(sha256, files)))
    names = [file.relative_to(folder).as_posix() for file in files]
    record = {"wanted": corpus.plain(), "files": names, "sha256": list(entry.sha256), "lines": lines}
    write_json(folder / "fetched.json", record)
    if corpus.members:
        shutil.rmtree(folder / "download", ignore_errors=True)  # the wanted members of the archive are unpacked
    return entry


def _entry(corpus: Corpus, files: Sequence[Path], out: Path, lines: int, digests: tuple[str, ...]) -> Corpus:
    """The entry of a fetched corpus in the new manifest."""
    form: dict[str, Any] = {"kind": "tsv", "columns": ()} if corpus.hub else {}
    return here(corpus, files, out, lines=lines, sha256=digests, **form)


def _local(manifest: Manifest, corpus: Corpus) -> list[Path]:
    files = [manifest.file.parent / path for path in corpus.path]
    _check_digests(corpus, files)
    return files


def _check_digests(corpus: Corpus, files: Sequence[Path]) -> None:
    for file, digest in zip(files, corpus.sha256, strict=False):  # there is no sha256, or one for each file
        if not file.is_file():
            raise InputError(f"{file}: file is missing")
        _check_digest(str(file), sha256(file), digest)


def _check_digest(name: str, digest: str, wanted: str) -> None:
    if wanted and digest != wanted:
        raise InputError(f"{name}: must have sha256 {wanted}, but has {digest}")


def _check_lines(corpus: Corpus, lines: int) -> int:
    if corpus.lines and lines != corpus.lines:
        raise InputError(f"must have {corpus.lines} lines, but has {lines}")
    return lines


def _count_lines(corpus: Corpus, files: Sequence[Path]) -> int:
    """The number of lines, units or rows of a corpus, all of which are read."""
    if corpus.kind == "text":
        return sum(len(lines) for lines in line_blocks(files[0]))
    tally = Tally()
    part = Part(corpus.kind, tuple(files), (corpus.languages[0], corpus.languages[1]), corpus.columns)
    for _ in READERS[corpus.kind].read(part, tally):
        pass
    return tally.read


def _write_rows(corpus: Corpus, target: Path) -> int:
    """Write a corpus of the hub as a TSV file; returns the number of lines written."""
    tally, lines = Tally(), 0
    with atomic(target) as temporary, tqdm(desc=corpus.name, unit="row", file=sys.stderr, disable=None) as bar:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            for pairs in pairs_of(hub.hub_rows(corpus), corpus.hub, corpus.languages, tally):
                file.writelines(map("{}\t{}\n".format, pairs.source, pairs.english))
                lines += len(pairs)
                bar.update(len(pairs))
        _check_lines(corpus, tally.read)
        if corpus.sha256:
            _check_digest(corpus.hub, sha256(temporary), corpus.sha256[0])
    return lines


def _download_all(corpus: Corpus, folder: Path, limit: int) -> list[Path]:
    names = [_file_name(url) for url in corpus.url]
    if len(set(names)) < len(names):
        names = [f"{number}-{name}" for number, name in enumerate(names, start=1)]
    files = [folder / "download" / name for name in names]
    files[0].parent.mkdir(exist_ok=True)
    for file, url, digest in zip(files, corpus.url, corpus.sha256 or [""] * len(files), strict=True):
        download(url, file, digest, limit)
    return files


def _file_name(url: str) -> str:
    """The last part of a URL's path, made a safe file name."""
    return unquote(urlsplit(url).path.rpartition("/")[2]).replace("/", "_").replace("\0", "_").lstrip(".") or "file"


def download(url: str, target: Path, digest: str = "", limit: int = archives.LIMIT) -> None:
    """Download a URL to ``target``; an earlier attempt is continued from ``target``.part.

    An attempt goes on only in the version of the file that the first one began: the server must name it by the same
    validator and the same total. Where it names none, only ``digest`` can show that two parts belong together.

    InputError if the file cannot be had, has more than ``limit`` bytes or not the sha256 ``digest``. A file with a
    wrong sha256 is removed.
    """
    if digest and target.is_file() and sha256(target) == digest:
        return
    file, tag = (target.with_name(target.name + ending) for ending in (".part", ".part.tag"))
    part = PartOfFile(url, file, tag, limit, bool(digest))
    if not part.goes_on():
        part.drop()  # nothing would show whether the rest belongs to the same file
    resumed = part.file.is_file()
    part.fetch()
    if resumed and digest and sha256(part.file) != digest:  # the server's file has changed since the download began
        part.drop()
        part.fetch()
    part_digest = sha256(part.file)
    part.tag.unlink(missing_ok=True)
    if digest and part_digest != digest:
        part.file.unlink()
        _check_digest(url, part_digest, digest)
    part.file.replace(target)


@dataclass(frozen=True)
class Version:
    """What a server says of the version of a file: its validator, "" if it has none; its bytes, None if not known."""

    validator: str = ""
    total: int | None = None


@dataclass(frozen=True)
class PartOfFile:
    """The part of a download that is here: ``file``, and beside it in ``tag`` the version of which it is a part.

    hashed: whether a sha256 will tell in the end if the parts are of one version.
    """

    url: str
    file: Path
    tag: Path
    limit: int
    hashed: bool

    @property
    def size(self) -> int:
        """The bytes that are here."""
        return self.file.stat().st_size if self.file.is_file() else 0

    @property
    def version(self) -> Version:
        """The version that the part is of; without a validator or a total where these are not known."""
        try:
            kept = read_json(self.tag)
            return Version(str(kept["validator"]), None if kept["total"] is None else int(kept["total"]))
        except (
            OSError,
            InputError,
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
        ):  # absent, or of an earlier release
            return Version()

    def goes_on(self) -> bool:
        """Whether a rest can be put behind the part."""
        return self.size > 0 and (self.hashed or bool(self.version.validator))

    def drop(self) -> None:
        """Remove the part: the next attempt starts with the first byte."""
        self.file.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)

    def fetch(self) -> None:
        """Attempt a download until all of it is here; each attempt goes on where the last one stopped.

        After TRIES attempts in a row that brought little, MOST_ATTEMPTS in all, or MOST_S seconds: InputError.
        """
        failures, farthest, until = 0, self.size, time.monotonic() + MOST_S
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                if not self.goes_on():
                    self.drop()
                self._attempt(until)
                return
            except BROKEN as error:
                failures = 0 if self.size >= farthest + LEAST_GAIN else failures + 1
                farthest = max(farthest, self.size)
                ended = failures == TRIES or attempt == MOST_ATTEMPTS or time.monotonic() > until
                if ended or urlsplit(self.url).scheme == "file":
                    to_resume = f"; {self.size} bytes are here, run again to go on" if self.goes_on() else ""
                    reason = getattr(error, "reason", "") or error or type(error).__name__
                    raise InputError(f"{self.url}: cannot be had: {reason}{to_resume}") from error
                time.sleep(PAUSE * 2**failures)

    def _attempt(self, until: float) -> None:
        """Request the URL once and append the answer to the part.

        Raises one of BROKEN if the connection ends before the file does, or after ``until`` (time.monotonic()).
        InputError if another request would not help.
        """
        start, version = self.size, self.version
        headers = {"User-Agent": "meta-nmt", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if version.validator:
                headers["If-Range"] = version.validator
        try:
            response = urllib.request.urlopen(urllib.request.Request(self.url, headers=headers), timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code == 416 and start:  # the part is complete, or belongs to another file
                of_file = error.headers.get("Content-Range", "").rpartition("/")[2]
                if of_file == str(start) and (self.hashed or version.total == start):
                    return
                self._begin_again("the file was changed since its download was begun")
            if error.code in BUSY:
                raise ConnectionError(f"answer {error.code} {error.reason}") from error
            raise InputError(f"{self.url}: cannot be had: answer {error.code} {error.reason}") from error
        with response:
            if response.status == 206:
                answered = Version(_validator(response.headers), _total_of_range(response.headers, start))
                if answered.total is None:
                    self._begin_again("the server sent another part than it was asked for")
                known = answered.total == (version.total or answered.total) and answered.validator == version.validator
                if not known and not self.hashed:
                    self._begin_again("the file was changed since its download was begun")
            else:  # the whole file: a file: URL (no status), or a server without ranges
                start, length = 0, response.headers.get("Content-Length") or ""
                total = int(length) if re.fullmatch(r"\d{1,18}", length) else None
                answered = Version(_validator(response.headers), total)
            if answered.total and answered.total > self.limit:
                raise _too_large(self.url, self.limit)
            write_json(self.tag, asdict(answered))
            self._append(response, start, answered.total, until)
        if answered.total is not None and self.size != answered.total:
            raise ConnectionError(f"the connection ended after {self.size} of {answered.total} bytes")

    def _append(self, response: Any, start: int, total: int | None, until: float) -> None:
        """Write an answer behind the first ``start`` bytes of the part, as long as it comes fast enough."""
        begun = time.monotonic()
        bar = tqdm(
            desc=self.file.stem, total=total, initial=start, unit="B", unit_scale=True, file=sys.stderr, disable=None
        )
        with open(self.file, "ab" if start else "wb") as file, bar:
            while block := response.read1(BLOCK):  # what has come, and not BLOCK bytes however long they take
                file.write(block)
                bar.update(len(block))
                if file.tell() > self.limit:
                    raise _too_large(self.url, self.limit)
                now = time.monotonic()
                if now > until or (now - begun > PATIENCE_S and (file.tell() - start) / (now - begun) < SLOWEST):
                    raise ConnectionError(f"it comes too slowly: {file.tell() - start} bytes in {now - begun:.0f} s")

    def _begin_again(self, reason: str) -> NoReturn:
        self.drop()
        raise ConnectionError(reason)


def _total_of_range(headers: Any, start: int) -> int | None:
    """The bytes of the whole file by the headers of a part that begins at ``start``; None for any other part."""
    match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", headers.get("Content-Range", "").strip())
    first, last, total = map(int, match.groups()) if match else (-1, 0, 0)
    return total if start == first <= last < total else None


def _validator(headers: Any) -> str:
    """The server's identifier of this version of the file; "" where there is none that tells every change."""
    tag = headers.get("ETag", "")
    return str(tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", ""))


def _too_large(url: str, limit: int) -> InputError:
    return InputError(f"{url}: must have at most {limit} bytes (--max-gib), but has more")


def get_parser() -> OneLineParser:
    """The command's flags."""
    parser = OneLineParser(prog="python -m data_prep fetch", description="Fetch and check what a manifest lists.")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="YAML file, see data_prep/corpora/manifest.py")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the corpora and manifest.yaml go")
    parser.add_argument("--langs", type=comma_list, default=(), metavar="XX,YY", help="only corpora of these languages")
    parser.add_argument(
        "--max-gib", type=int, default=archives.LIMIT >> 30, metavar="N",
        help="largest download, and most that an archive may unpack to (GiB)",
    )  # fmt: skip
    extensions.add_user_dir_argument(parser)
    return parser


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    return get_parser().parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch and check what a manifest lists."""
    args = parse_args(argv)
    if args.max_gib < 1:
        raise InputError(f"--max-gib must be at least 1 (GiB), but is {args.max_gib}")
    if args.user_dir is not None:
        extensions.load(args.user_dir)
    fetched = fetch(read_manifest(args.manifest), args.out, args.langs, args.max_gib << 30)
    print(f"{args.out / NAME}: {len(fetched.corpora)} corpora")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep fetch"))
