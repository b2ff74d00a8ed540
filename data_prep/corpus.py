"""Readers of raw text: every layout of a corpus folder, strict UTF-8, and errors that name the file and line.

Layouts of a parallel corpus, found by looking; each file may end in .gz:

- ``<xx>-en.tsv``: X, tab, English
- ``<xx>.tsv`` and ``en.tsv``: id, tab, text; joined on the id
- ``<xx>-en/{train,valid,test}.{xx,en}`` or ``{train,valid,test}.<xx>-en.{xx,en}``: line-aligned, already split
"""

import argparse
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import InputError, OneLineParser, run_command

SPLITS = ("train", "valid", "test")
LANGUAGE = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]+)*|[a-z][a-z0-9]{1,7}")


@dataclass(frozen=True)
class Parallel:
    """Line-aligned text. ``ids`` is empty where the layout has none; else one id a line."""

    source: list[str]
    english: list[str]
    ids: list[str]

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: Sequence[int]) -> "Parallel":
        """The given rows (0-based), in the given order."""
        ids = [self.ids[row] for row in rows] if self.ids else []
        return Parallel([self.source[row] for row in rows], [self.english[row] for row in rows], ids)


@dataclass(frozen=True)
class CorpusFiles:
    """Where the parallel text of one language lies: ``layout`` is "tsv", "id-tsv" or "split"."""

    lang: str
    layout: str
    paths: Mapping[str, tuple[Path, ...]]  # "all" or a split -> one file (tsv), or the source and the English file

    def all_paths(self) -> list[Path]:
        """Every file, in a fixed order."""
        return [path for name in sorted(self.paths) for path in self.paths[name]]


def plain_or_gz(path: Path) -> Path | None:
    """``path`` or ``path.gz``, whichever exists; InputError if both do."""
    found = [candidate for candidate in (path, path.with_name(path.name + ".gz")) if candidate.is_file()]
    if len(found) == 2:
        raise InputError(f"{path}: must exist once, but {found[1].name} lies beside it")
    return found[0] if found else None


def read_lines(path: Path) -> list[str]:
    """The lines of a plain or gzip UTF-8 file, without line ends (LF or CRLF).

    InputError if the file is missing, empty, not UTF-8 (with the line number) or a damaged gzip file.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except FileNotFoundError as error:
        raise InputError(f"{path}: file is missing") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: must be a whole gzip file: {error}") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: must be UTF-8, but has byte 0x{data[error.start]:02x}") from error
    if not text.strip():
        raise InputError(f"{path}: must hold at least one line of text, but is empty")
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").removesuffix("\n").split("\n")]


def read_columns(path: Path) -> list[tuple[str, str]]:
    """The rows of a file of two tab-separated columns; InputError names the line that has not exactly two."""
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        first, tab, second = line.partition("\t")
        if not tab or "\t" in second:
            columns = line.count("\t") + 1
            raise InputError(f"{path}, line {number}: must have 2 tab-separated columns, but has {columns}")
        rows.append((first, second))
    return rows


def read_by_id(path: Path) -> dict[str, str]:
    """id -> text of an ``id<TAB>text`` file; InputError names the line of a repeated id."""
    texts: dict[str, str] = {}
    for number, (key, text) in enumerate(read_columns(path), start=1):
        if key in texts:
            raise InputError(f"{path}, line {number}: ids must differ, but {key!r} stands twice")
        texts[key] = text
    return texts


def read_pair(source: Path, english: Path) -> Parallel:
    """Two line-aligned files; InputError if their line counts differ."""
    sources, targets = read_lines(source), read_lines(english)
    if len(sources) != len(targets):
        raise InputError(
            f"{source} and {english.name}: must have equally many lines, but have {len(sources)} and {len(targets)}"
        )
    return Parallel(sources, targets, [])


def find_corpus(corpus: Path, lang: str, english: str = "en") -> CorpusFiles:
    """Where the text of ``lang`` lies in the folder ``corpus``; InputError says what was looked for."""
    check_language(lang)
    if not corpus.is_dir():
        raise InputError(f"--corpus {corpus}: must be a folder")
    pair = plain_or_gz(corpus / f"{lang}-{english}.tsv")
    if pair:
        return CorpusFiles(lang, "tsv", {"all": (pair,)})
    own = plain_or_gz(corpus / f"{lang}.tsv")
    if own:
        shared = plain_or_gz(corpus / f"{english}.tsv")
        if not shared:
            raise InputError(
                f"{corpus / f'{english}.tsv'}: file is missing; {own.name} needs it for its {english} side"
            )
        return CorpusFiles(lang, "id-tsv", {"all": (own, shared)})
    splits = _find_splits(corpus, lang, english)
    if splits:
        return CorpusFiles(lang, "split", splits)
    known = ", ".join(languages(corpus, english)) or "none"
    raise InputError(
        f"--corpus {corpus}: unknown language {lang!r}: there is no {lang}-{english}.tsv, no {lang}.tsv, "
        f"no {lang}-{english}/train.{lang} and no train.{lang}-{english}.{lang} (each may end in .gz); "
        f"languages there: {known}"
    )


def _find_splits(corpus: Path, lang: str, english: str) -> dict[str, tuple[Path, ...]]:
    for pattern in (f"{lang}-{english}/{{}}.", f"{{}}.{lang}-{english}."):
        found: dict[str, tuple[Path, ...]] = {}
        for split in SPLITS:
            stem = pattern.format(split)
            sides = [plain_or_gz(corpus / f"{stem}{side}") for side in (lang, english)]
            if any(sides) and not all(sides):
                absent = (lang, english)[sides.index(None)]
                raise InputError(f"{corpus / (stem + absent)}: file is missing; its other side is there")
            if sides[0] and sides[1]:
                found[split] = (sides[0], sides[1])
        if found and "train" not in found:
            raise InputError(f"{corpus / (pattern.format('train') + lang)}: file is missing; other splits are there")
        if found:
            return found
    return {}


def check_language(lang: str) -> None:
    """InputError unless ``lang`` looks like a language code, e.g. ro, pt_BR, zho-Hant."""
    if not LANGUAGE.fullmatch(lang):
        raise InputError(f"unknown language code {lang!r}: must be like ro, fil or pt_BR")


def languages(corpus: Path, english: str = "en") -> list[str]:
    """The languages that the folder's file names show, sorted."""
    patterns = (
        rf"([^.]+)-{english}(\.tsv(\.gz)?)?",
        r"([^.-]+)\.tsv(\.gz)?",
        rf"train\.([^.]+)-{english}\..*",
    )
    found = set()
    for path in corpus.iterdir():
        for pattern in patterns:
            match = re.fullmatch(pattern, path.name)
            if match and LANGUAGE.fullmatch(match[1]):
                found.add(match[1])
    return sorted(found - {english})


def read_corpus(files: CorpusFiles) -> dict[str, Parallel]:
    """The text of one language: {"all": ...} where the corpus is not split yet, else by split."""
    if files.layout == "tsv":
        rows = read_columns(files.paths["all"][0])
        return {"all": Parallel([row[0] for row in rows], [row[1] for row in rows], [])}
    if files.layout == "id-tsv":
        own, shared = (read_by_id(path) for path in files.paths["all"])
        ids = [key for key in own if key in shared]
        if not ids:
            raise InputError(f"{files.paths['all'][0]}: must share ids with {files.paths['all'][1].name}, but has none")
        return {"all": Parallel([own[key] for key in ids], [shared[key] for key in ids], ids)}
    return {split: read_pair(*paths) for split, paths in files.paths.items()}


def find_mono(folders: Sequence[Path], lang: str, english: str = "en") -> list[Path]:
    """Monolingual files of ``lang`` in the ``--mono`` folders; for English the second columns of pairs count too."""
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"--mono {folder}: must be a folder")
        own = [plain_or_gz(folder / name) for name in (f"{lang}.txt", f"{lang}.tsv", f"{lang}-{english}.tsv")]
        found += [path for path in own if path]
        if lang == english and not any(own):
            found += sorted([*folder.glob(f"*-{english}.tsv"), *folder.glob(f"*-{english}.tsv.gz")])
    return found


def read_mono(path: Path, lang: str, english: str = "en", held_out_ids: Sequence[str] = ()) -> list[str]:
    """The sentences of one monolingual file; lines of held-out ids (``in_groups``) are left out."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".txt"):
        return read_lines(path)
    rows = read_columns(path)
    if name == f"{lang}.tsv":
        return [text for key, text in rows if not in_groups(key, held_out_ids)]
    return [row[1] if lang == english else row[0] for row in rows]


def in_groups(key: str, groups: Sequence[str]) -> bool:
    """Whether an id is one of ``groups`` or below one: "JHN.3.16" is in JHN and in JHN.3."""
    return any(key == group or key.startswith(group + ".") for group in groups)


def main(argv: Sequence[str] | None = None) -> int:
    """Find and read the parallel text of languages, and say what is there."""
    parser = OneLineParser(prog="python -m data_prep.corpus", description=main.__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder of parallel text")
    parser.add_argument("--langs", type=comma_list, metavar="XX,YY", help="languages; all of the folder's if not given")
    parser.add_argument("--target-lang", default="en", metavar="XX", help="the language of the other side")
    args = parser.parse_args(argv)
    if not args.corpus.is_dir():
        raise InputError(f"--corpus {args.corpus}: must be a folder")
    for lang in args.langs or languages(args.corpus, args.target_lang):
        files = find_corpus(args.corpus, lang, args.target_lang)
        counts = ", ".join(f"{name} {len(text)} lines" for name, text in read_corpus(files).items())
        print(f"{lang}\t{files.layout}\t{counts}")
    return 0


def comma_list(text: str) -> tuple[str, ...]:
    """ "a,b" -> ("a", "b"); empty items are refused."""
    items = tuple(item.strip() for item in text.split(",")) if text.strip() else ()
    if "" in items:
        raise argparse.ArgumentTypeError(f"must be names between commas, but is {text!r}")
    return items


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep.corpus"))
