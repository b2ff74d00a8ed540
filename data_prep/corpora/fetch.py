"""Fetching: what a manifest lists, downloaded, checked and laid out as a folder of corpora.

``python -m data_prep fetch MANIFEST --out DIR`` makes DIR/<name>/ for every corpus. When all corpora are right, it
writes DIR/manifest.yaml, which lists the files in DIR: DIR is then a corpus folder. An interrupted download goes on
where it stopped (HTTP ranges). A corpus that is in DIR already and unchanged is not fetched again.
"""

import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from data_prep.base import extensions
from data_prep.base.command_line import OneLineParser, comma_list, run_command, writable_directory
from data_prep.base.errors import InputError
from data_prep.base.extras import need
from data_prep.base.files import atomic, read_json, sha256, write_json, write_text
from data_prep.base.text_files import line_blocks
from data_prep.corpora import archives, hub
from data_prep.corpora.download import check_digest, download
from data_prep.corpora.entry import Corpus
from data_prep.corpora.manifest import NAME, Manifest, here, manifest_text, read_manifest
from data_prep.corpora.readers import READERS, Part, Tally, pairs_of


def fetch(manifest: Manifest, out: Path, langs: Sequence[str] = (), limit: int = archives.LIMIT) -> Manifest:
    """Fetch all corpora, or those with one of ``langs``; returns the manifest of the fetched files.

    ``limit`` is the most bytes of a download and of an unpacked archive. One InputError reports every corpus that could
    not be fetched or is not as the manifest says; all other corpora stay fetched.
    """
    chosen = [corpus for corpus in manifest.corpora if not langs or set(corpus.languages) & set(langs)]
    unknown = sorted(set(langs) - {lang for corpus in manifest.corpora for lang in corpus.languages})
    if unknown:
        raise InputError(f"--langs must be languages of {manifest.file}, but has {', '.join(unknown)}")
    if hub_names := [corpus.name for corpus in chosen if corpus.hub]:
        need("datasets", "hub", f"{manifest.file}: {hub_names[0]} is a corpus of the hub; reading it")
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
        check_digest(str(file), sha256(file), digest)


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
            check_digest(corpus.hub, sha256(temporary), corpus.sha256[0])
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
