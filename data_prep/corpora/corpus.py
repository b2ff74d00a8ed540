"""Corpora: where the text of a language lies in a folder or manifest, and its pairs in batches.

Layouts of a parallel corpus, recognised by the names of files; each text file may end in .gz:

- ``<xx>-en.tsv``: X, tab, English
- ``<xx>.tsv`` and ``en.tsv``: id, tab, text; joined on the id
- ``<xx>-en/{train,valid,test}.{xx,en}``, ``{train,valid,test}.<xx>-en.{xx,en}`` or ``{train,valid,test}.{xx,en}``:
  line-aligned, already split (dev and val are valid; test_* and test.<xx>2en are test)
- ``<xx>-en/*.tsv``: X, tab, English; files named train, valid and test are splits
- ``<xx>-en.tmx`` (translation memory), ``<xx>-en.txt.zip`` (OPUS), ``<xx>-en.{parquet,json,jsonl,csv}`` (a table),
  also ``en-<xx>``
- ``manifest.yaml``, which then alone says what the folder holds (data_prep/corpora/manifest.py)
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from data_prep.base import extensions
from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError, fault_of
from data_prep.base.language_registry import is_registered
from data_prep.base.languages import LANGUAGE, check_language, code_list, first_part, spellings, usual_spelling
from data_prep.base.text_files import column_blocks, line_blocks, plain_or_gz
from data_prep.corpora.id_groups import in_groups
from data_prep.corpora.manifest import manifest_in, read_manifest
from data_prep.corpora.readers import READERS, Parallel, Part, Tally, code_of, concatenate, kinds_by_ending, some_of

SPLITS = {"train": ("train",), "valid": ("valid", "dev", "val"), "test": ("test",)}  # split -> names of its files


@dataclass(frozen=True)
class CorpusFiles:
    """Where the parallel text of one language lies.

    ``parts``: split -> its parts in order. The only split is "all" where the corpus is not split.
    ``licences``: those that a manifest names; none for a folder without one.
    """

    lang: str
    parts: Mapping[str, tuple[Part, ...]]
    licences: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits: ("all",), or those of train, valid and test that the corpus has."""
        return tuple(self.parts)

    def all_paths(self) -> list[Path]:
        """Every file of the corpus, in a fixed order."""
        return [path for name in sorted(self.parts) for part in self.parts[name] for path in part.paths]

    def layout(self) -> dict[str, list[list[str]]]:
        """How the files are read, by split. The same files read in another way are another corpus."""

        def how(part: Part) -> list[str]:
            return [part.kind, *part.langs, *part.columns, *filter(None, [code_of(part.kind)])]

        return {split: [how(part) for part in self.parts[split]] for split in self.parts}


def iter_corpus(files: CorpusFiles, split: str = "all", tally: Tally | None = None) -> Iterator[Parallel]:
    """The pairs of one split (of ``files.splits``), in batches of at most BATCH pairs, none of them empty.

    ``tally`` counts the lines read, kept and dropped. No text holds a line feed. If any part of the split has ids, the
    pairs of parts without ids get the empty id.
    """
    total = tally if tally is not None else Tally()
    parts = files.parts[split]
    with_ids = any(part.kind == "id-tsv" for part in parts)
    for part in parts:
        part_tally = Tally()
        for pairs in READERS[part.kind].read(part, part_tally):
            _check_sides(pairs, part)
            part_tally.kept += len(pairs)
            if with_ids and not pairs.ids:
                pairs = Parallel(pairs.source, pairs.english, [""] * len(pairs))
            if len(pairs):
                yield pairs
        _check_tally(part_tally, part)
        total.read += part_tally.read
        total.kept += part_tally.kept
        total.dropped += part_tally.dropped  # leaves out reasons with a count of 0


def _check_sides(pairs: Parallel, part: Part) -> None:
    """InputError unless both sides are equally long, and the ids too if there are any. A user's reader gave them."""
    lengths = len(pairs.source), len(pairs.english), len(pairs.ids) or len(pairs.source)
    if len(set(lengths)) > 1:
        given = f"{lengths[0]} texts, {lengths[1]} translations, {len(pairs.ids)} ids"
        raise InputError(f"{part.paths[0]}: the reader of {part.kind} must give as many of each, but gives {given}")


def _check_tally(tally: Tally, part: Part) -> None:
    """InputError unless every line read was kept or dropped."""
    counted = tally.kept + tally.dropped.total()
    if counted != tally.read:
        counts = f"counts {tally.read} lines as read, and {counted} as given or dropped"
        raise InputError(f"{part.paths[0]}: the reader of {part.kind} must count every line, but {counts}")


def read_corpus(files: CorpusFiles) -> dict[str, Parallel]:
    """The text of one language by split: {"all": ...} where the corpus is not split yet."""
    return {split: concatenate(iter_corpus(files, split)) for split in files.splits}


def find_corpus(corpus: Path, lang: str, english: str = "en") -> CorpusFiles:
    """Where the text of ``lang`` lies in the folder or manifest ``corpus``.

    InputError if it has no such text; the message names the files that were looked for.
    """
    check_language(lang)
    manifest_file = manifest_in(corpus)
    if manifest_file:
        return _find_listed(manifest_file, lang, english)
    if not corpus.is_dir():
        raise InputError(f"--corpus {corpus}: must be a folder or a manifest, but {fault_of(corpus, 'is neither')}")
    for codes in spellings(lang, english):
        for look in (_find_pair_file, _find_id_files, _find_splits, _find_pair_folder):
            parts = look(corpus, *codes)
            if parts:
                return CorpusFiles(lang, parts)
    known = ", ".join(languages(corpus, english)) or "none"
    raise InputError(
        f"--corpus {corpus}: unknown language {lang!r}: there is no {lang}-{english}.tsv, no {lang}.tsv, "
        f"no {lang}-{english}/train.{lang}, no train.{lang}-{english}.{lang}, no train.{lang}, no "
        f"{lang}-{english}/*.tsv (each may end in .gz) and no {lang}-{english}.{{tmx,txt.zip,parquet,jsonl,json,csv}}; "
        f"languages there: {known}"
    )


Parts = dict[str, tuple[Part, ...]]


def _find_listed(file: Path, lang: str, english: str) -> CorpusFiles:
    manifest, parts = read_manifest(file), dict[str, list[Part]]()
    for entry in manifest.of(lang, english):
        part = Part(entry.kind, manifest.paths(entry), (lang, english), entry.columns)
        parts.setdefault(entry.split, []).append(part)
    if not parts:
        known = ", ".join(languages(file, english)) or "none"
        raise InputError(f"{file}: must list a corpus with languages [{lang}, {english}]; languages there: {known}")
    licences = tuple(sorted({entry.licence for entry in manifest.of(lang, english)}))
    return CorpusFiles(lang, {split: tuple(parts[split]) for split in ("all", *SPLITS) if split in parts}, licences)


def _find_pair_file(corpus: Path, lang: str, english: str) -> Parts:
    for name, kind in kinds_by_ending().items():
        for pair in (f"{lang}-{english}", f"{english}-{lang}")[: 1 if kind == "tsv" else 2]:
            path = plain_or_gz(corpus / (pair + name))
            if path:
                return {"all": (Part(kind, (path,), (lang, english)),)}
    return {}


def _find_id_files(corpus: Path, lang: str, english: str) -> Parts:
    source_file, english_file = (plain_or_gz(corpus / f"{side}.tsv") for side in (lang, english))
    if not source_file:
        return {}
    if not english_file:
        raise InputError(
            f"{corpus / f'{english}.tsv'}: file is missing; {source_file.name} needs it for its {english} side"
        )
    return {"all": (Part("id-tsv", (source_file, english_file), (lang, english)),)}


def _find_splits(corpus: Path, lang: str, english: str) -> Parts:
    for pattern in (f"{lang}-{english}/{{}}.", f"{{}}.{lang}-{english}.", "{}."):
        parts: Parts = {}
        for split, names in SPLITS.items():
            stems = [pattern.format(name) for name in names]
            if split == "test":
                stems += _more_tests(corpus, pattern, lang, english)
            pairs = [_both_sides(corpus, stem, lang, english, alone=pattern == "{}.") for stem in stems]
            if any(pairs):
                parts[split] = tuple(Part("lines", pair, (lang, english)) for pair in pairs if pair)
        if parts and "train" not in parts:
            raise InputError(f"{corpus / (pattern.format('train') + lang)}: file is missing; other splits are there")
        if parts:
            return parts
    return {}


def _more_tests(corpus: Path, pattern: str, lang: str, english: str) -> list[str]:
    """Stems of the files of further test sets: those not named test, but test.<xx>2en and test_*."""
    paths = corpus.glob(pattern.format("test_*") + lang + "*")
    names = {path.relative_to(corpus).as_posix().removesuffix(".gz") for path in paths}
    stems = {name.removesuffix(lang) for name in names if name.endswith(f".{lang}")}
    return [pattern.format(f"test.{lang}2{english}"), *sorted(stems)]


def _both_sides(corpus: Path, stem: str, lang: str, english: str, *, alone: bool) -> tuple[Path, Path] | None:
    """The files of both sides; None if neither exists, InputError if one is missing.

    ``alone``: an English file without the other side is no error, since it may belong to other languages.
    """
    source_file, english_file = (plain_or_gz(corpus / f"{stem}{side}") for side in (lang, english))
    if source_file and english_file:
        return source_file, english_file
    if source_file or (english_file and not alone):
        absent = english if source_file else lang
        raise InputError(f"{corpus / (stem + absent)}: file is missing; its other side is there")
    return None


def _find_pair_folder(corpus: Path, lang: str, english: str) -> Parts:
    folder = corpus / f"{lang}-{english}"
    paths = sorted([*folder.glob("*.tsv"), *folder.glob("*.tsv.gz")])
    parts: dict[str, list[Part]] = {}
    for path in paths:
        stem = path.name.removesuffix(".gz").removesuffix(".tsv")
        split = next((split for split, names in SPLITS.items() if stem in names), "all")
        parts.setdefault(split, []).append(Part("tsv", (path,), (lang, english)))
    if len(parts) > 1 and "all" in parts:
        raise InputError(f"{parts['all'][0].paths[0]}: must be named train, valid or test, as others in its folder are")
    return {split: tuple(parts[split]) for split in ("all", *SPLITS) if split in parts}


def languages(corpus: Path, english: str = "en") -> list[str]:
    """The languages of a folder (by the names of its files) or of a manifest (by its entries), sorted; no English."""
    manifest_file = manifest_in(corpus)
    if manifest_file:
        entries = read_manifest(manifest_file).corpora
        return sorted({entry.languages[0] for entry in entries if entry.languages[1:] == (english,)})
    other_endings = "|".join(re.escape(ending) for ending in kinds_by_ending() if ending != ".tsv")
    patterns = (
        rf"([^.]+)-{english}((\.tsv|{other_endings})(\.gz)?)?",
        rf"{english}-([^.]+)({other_endings})(\.gz)?",
        r"([^.-]+)\.tsv(\.gz)?",
        rf"train\.([^.]+)-{english}\..*",
        r"train\.([^.]+)(\.gz)?",
    )
    file_endings = {"txt", "gz", *(ending.rpartition(".")[2] for ending in kinds_by_ending())}  # of train.tsv
    codes = set()
    for path in corpus.iterdir():
        for pattern in patterns:
            match = re.fullmatch(pattern, path.name)
            if match and _is_code(usual_spelling(match[1])) and match[1] not in file_endings:
                codes.add(usual_spelling(match[1]))
    return sorted(codes - {english})


def _is_code(name: str) -> bool:
    """Whether a part of a file's name is the code of a language; a longer word, such as bible, is one if registered."""
    return bool(LANGUAGE.fullmatch(name)) and (len(first_part(name)) <= 3 or is_registered(name))


def find_mono(folders: Sequence[Path], lang: str, english: str = "en") -> list[Path]:
    """Monolingual files of ``lang`` in the ``--mono`` folders.

    A folder without a file of English alone gives, for English, the files of pairs, whose second column is English.
    """
    paths: list[Path] = []
    for folder in folders:
        manifest_file = manifest_in(folder)
        if manifest_file:
            manifest = read_manifest(manifest_file)
            paths += [path for entry in manifest.of(lang) for path in manifest.paths(entry)]
            continue
        if not folder.is_dir():
            raise InputError(f"--mono {folder}: must be a folder or a manifest")
        usual_files: list[Path] = []
        for name in ("{}.txt", "{}.tsv", "{}-{}.tsv"):
            spelled = [plain_or_gz(folder / name.format(*codes)) for codes in spellings(lang, english)]
            usual_files += list(filter(None, spelled))[:1]
        paths += usual_files
        if lang == english and not usual_files:
            paths += sorted([*folder.glob(f"*-{english}.tsv"), *folder.glob(f"*-{english}.tsv.gz")])
    return paths


def iter_mono(
    path: Path, lang: str, english: str = "en", held_out_ids: Sequence[str] = (), tally: Tally | None = None
) -> Iterator[list[str]]:
    """The sentences of one monolingual file, in batches of at most BATCH lines, none of them empty.

    Lines whose id is held out (``in_groups``) are dropped and counted in ``tally``.
    """
    total = tally if tally is not None else Tally()
    name = path.name.removesuffix(".gz")
    blocks = _mono_columns(path, name, lang, english, held_out_ids) if name.endswith(".tsv") else line_blocks(path)
    for lines in blocks:
        texts = [line for line in lines if line is not None]
        total.read += len(lines)
        total.kept += len(texts)
        if len(texts) < len(lines):
            total.dropped["held-out-id"] += len(lines) - len(texts)
        if texts:
            yield texts


def _mono_columns(
    path: Path, name: str, lang: str, english: str, held_out_ids: Sequence[str]
) -> Iterator[list[str | None]]:
    """The column of ``lang`` in a TSV file, in lists; None in place of a line whose id is held out."""
    for rows in column_blocks(path):
        if usual_spelling(name) == f"{lang}.tsv":
            yield [None if in_groups(key, held_out_ids) else text for key, text in rows]
        else:
            yield [row[1 if lang == english else 0] for row in rows]


def read_mono(path: Path, lang: str, english: str = "en", held_out_ids: Sequence[str] = ()) -> list[str]:
    """The sentences of one monolingual file, without lines whose id is held out (``in_groups``)."""
    return list(chain.from_iterable(iter_mono(path, lang, english, held_out_ids)))


def main(argv: Sequence[str] | None = None) -> int:
    """Find and read the parallel text of languages, and say what is there."""
    parser = OneLineParser(prog="python -m data_prep corpus", description=main.__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder or manifest")
    parser.add_argument("--langs", type=code_list, metavar="XX,YY", help="languages; all of the folder's if not given")
    parser.add_argument(
        "--target-lang", type=usual_spelling, default="en", metavar="XX", help="the language of the other side"
    )
    extensions.add_user_dir_argument(parser)
    args = parser.parse_args(argv)
    if not args.corpus.exists():
        raise InputError(f"--corpus {args.corpus}: must be a folder or a manifest, but does not exist")
    if args.user_dir is not None:
        extensions.load(args.user_dir)
    langs = args.langs or languages(args.corpus, args.target_lang)
    if not langs:
        raise InputError(_nothing_in(args.corpus, args.target_lang))
    for lang in langs:
        files = find_corpus(args.corpus, lang, args.target_lang)
        print(f"{lang}\t{', '.join(_counts(files, split) for split in files.splits)}")
    return 0


def _nothing_in(corpus: Path, english: str) -> str:
    there = some_of(path.name for path in corpus.iterdir()) if corpus.is_dir() else ""
    return f"--corpus {corpus}: must hold text of a language and {english}, but has no such files: {there or 'nothing'}"


def _counts(files: CorpusFiles, split: str) -> str:
    tally = Tally()
    for _ in iter_corpus(files, split, tally):
        pass
    dropped = "".join(f", {count} dropped ({reason})" for reason, count in sorted(tally.dropped.items()))
    return f"{split} {tally.kept} lines{dropped}"


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep corpus"))
