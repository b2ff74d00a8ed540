"""Manifests: the corpora of an experiment in a YAML file, with licences, hashes and line counts.

    about: what the corpora are for (optional)
    corpora:
      - name: wmt16-ro-test       # a folder of this name is made for what is downloaded
        kind: hub                 # tsv, id-tsv, lines, tmx, moses-zip, parquet, json, csv, hub or text
        languages: [ro, en]       # the source side, then the side translated into; one language for kind text
        split: test               # all (default: the corpus is not split yet), train, valid or test
        licence: research use
        lines: 1999               # optional: lines, units or rows that a reader must find
        sha256: 0a1b...           # optional: of the file; [of, each] where there are several; of a hub corpus: as TSV
        hub: wmt/wmt16            # or path: FILE or url: URL; two of them for id-tsv and lines
        config: ro-en             # of a hub corpus; two, of one language each, are joined on the id
        hub_split: test           # of a hub corpus; default: train
        revision: 0123abc         # of a hub corpus: a commit, so that it cannot change; optional
        first: 1000               # of a hub corpus: so many rows and no more; optional
        columns: [ro, en]         # of hub, parquet, json and csv, where the columns are not called as usual; optional
        members: [a.ro, a.en]     # of a zip or tar file behind path or url: the files in it

Relative paths start from the manifest's folder. ``python -m data_prep fetch`` downloads what is not on disk yet.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from data_prep.base.errors import InputError
from data_prep.base.languages import LANGUAGE
from data_prep.base.yaml_files import TEXTS, parse_yaml, short
from data_prep.corpora.archives import check_member_name, is_archive
from data_prep.corpora.entry import Corpus
from data_prep.corpora.readers import READERS

SPLITS = ("all", "train", "valid", "test")
NAME = "manifest.yaml"  # the manifest of the folder that it lies in


def files_of_kind() -> dict[str, int]:
    """Kind of corpus -> the number of files that a corpus of this kind consists of."""
    return {**{kind: reader.files for kind, reader in READERS.items()}, "hub": 1, "text": 1}


@dataclass(frozen=True)
class Manifest:
    """A manifest and the file that it was read from."""

    file: Path
    corpora: tuple[Corpus, ...]

    def paths(self, corpus: Corpus) -> tuple[Path, ...]:
        """The files of a corpus; InputError if the corpus must be fetched first."""
        if not corpus.is_here:
            raise InputError(
                f"{self.file}: {corpus.name} must be fetched first: python -m data_prep fetch {self.file} --out DIR; "
                f"then give DIR"
            )
        return tuple(self.file.parent / path for path in corpus.path)

    def of(self, *languages: str) -> list[Corpus]:
        """The corpora whose languages are exactly these, in this order."""
        return [corpus for corpus in self.corpora if corpus.languages == languages]


def manifest_in(place: Path) -> Path | None:
    """The manifest at ``place``: a file itself, or the manifest of a folder; None if there is none."""
    if place.is_file():
        return place
    inside = place / NAME
    return inside if inside.is_file() else None


def read_manifest(file: Path) -> Manifest:
    """Read and check a manifest; one InputError reports everything that is wrong, each with the entry and the field."""
    try:
        return _parse(file, file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{file}: file is missing") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: must be UTF-8, but has byte 0x{error.object[error.start]:02x}") from error


@lru_cache(maxsize=4)  # a manifest is read for every language
def _parse(file: Path, text: str) -> Manifest:
    root = parse_yaml(file, text, TEXTS)
    if not isinstance(root, dict) or not isinstance(root.get("corpora"), list):
        raise InputError(f"{file}: must have a list corpora")
    problems = [f"{short(key)} is no field of a manifest" for key in sorted(set(root) - {"about", "corpora"})]
    entries = [_Entry(content, number) for number, content in enumerate(root["corpora"], start=1)]
    corpora = [entry.corpus() for entry in entries]
    problems += [problem for entry in entries for problem in entry.problems] + _contradictions(corpora)
    if not corpora:
        problems.append("corpora must have at least one entry")
    if problems:
        raise InputError(f"{file}: " + "; ".join(problems))
    return Manifest(file, tuple(corpora))


def manifest_text(corpora: Sequence[Corpus]) -> str:
    """The YAML text of a manifest of these corpora, as ``read_manifest`` reads it."""
    entries = [corpus.plain() for corpus in corpora]
    return yaml.safe_dump({"corpora": entries}, allow_unicode=True, sort_keys=False, width=110)


class _Entry:
    """Reads the fields of one entry of a manifest and notes in ``problems`` what is wrong with them."""

    def __init__(self, content: Any, number: int) -> None:
        self.problems: list[str] = []
        self.content: Mapping[str, Any] = content if isinstance(content, dict) else {}
        name = self.content.get("name")
        self.where = f"corpora {number}" + (f" ({short(name)})" if isinstance(name, str) and name else "")
        if not isinstance(content, dict):
            self.wrong("", "must be fields and values", content)

    def wrong(self, field: str, must: str, value: Any = None) -> None:
        but_is = "" if value is None else f", but is {short(value)}"
        self.problems.append(f"{self.where}: {field} {must}{but_is}".replace(":  ", ": "))

    def text(self, field: str, default: str = "", *, needed: bool = False) -> str:
        value = self.content.get(field, default)
        if not isinstance(value, str):
            self.wrong(field, "must be text", value)
            return default
        if needed and not value.strip():
            self.wrong(field, "must be given")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        value = self.content.get(field, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(text, str) and text for text in values):
            self.wrong(field, "must be a text or a list of texts", value)
            return ()
        return tuple(values)

    def count(self, field: str) -> int:
        value = self.content.get(field, "")
        if field not in self.content:
            return 0
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and 0 < int(value[:18])):
            self.wrong(field, "must be a whole number of at least 1", value)
            return 0
        return int(value[:18])

    def corpus(self) -> Corpus:
        takers: dict[str, Callable[[str], Any]] = {"first": self.count, "lines": self.count}
        takers |= dict.fromkeys(("languages", "path", "url", "config", "columns", "members", "sha256"), self.texts)
        known = {field.name: field.default for field in fields(Corpus)}
        for field in sorted(set(self.content) - set(known)):
            self.wrong(short(field), "is no field of a corpus")
        values = {field: takers.get(field, self.text)(field) for field in known if field in self.content}
        for field in ("name", "kind", "licence"):
            values.setdefault(field, self.text(field, needed=True))
        values.setdefault("languages", ())
        corpus = Corpus(**values)
        for check in (self._check_words, self._check_place, self._check_hub):
            check(corpus)
        return corpus

    def _check_words(self, corpus: Corpus) -> None:
        if corpus.name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", corpus.name):
            self.wrong("name", "must be letters, digits, dots, dashes and underscores", corpus.name)
        if corpus.kind and corpus.kind not in files_of_kind():
            self.wrong("kind", f"must be one of {', '.join(files_of_kind())}", corpus.kind)
        if corpus.split not in SPLITS:
            self.wrong("split", f"must be one of {', '.join(SPLITS)}", corpus.split)
        wanted = 1 if corpus.kind == "text" else 2
        if len(corpus.languages) != wanted or len(set(corpus.languages)) != wanted:
            self.wrong("languages", f"must be {wanted} codes" if wanted > 1 else "must be 1 code", corpus.languages)
        for lang in corpus.languages:
            if not LANGUAGE.fullmatch(lang):
                self.wrong("languages", "must be codes like ro, fil or pt_BR", lang)
        for digest in corpus.sha256:
            if not re.fullmatch(r"[0-9a-f]{64}", digest):
                self.wrong("sha256", "must be 64 hexadecimal digits (lower case)", digest)

    def _check_place(self, corpus: Corpus) -> None:
        places = [field for field in ("path", "url", "hub") if getattr(corpus, field)]
        if len(places) != 1:
            self.wrong("path, url and hub:", f"one of them must be given, but {len(places)} are")
            return
        files = corpus.path or corpus.url or (corpus.hub,)
        wanted = files_of_kind().get(corpus.kind)
        have = corpus.members or files
        if wanted and len(have) != wanted:
            field = "members" if corpus.members else places[0]
            self.wrong(field, f"must be {wanted} for kind {corpus.kind}, but are {len(have)}")
        if corpus.members and len(files) != 1:
            self.wrong("members", f"must be of one archive, but {places[0]} names {len(files)} files")
        if corpus.sha256 and len(corpus.sha256) != len(files):
            self.wrong("sha256", f"must be one for each file, but are {len(corpus.sha256)} for {len(files)}")
        for member in corpus.members:
            try:
                check_member_name(member)
            except InputError as error:
                self.wrong("members", str(error))
        if not corpus.members and corpus.kind != "moses-zip" and any(map(is_archive, corpus.path + corpus.url)):
            self.wrong("members", "must name the files that are wanted of the archive", files)
        for url in corpus.url:
            if not _is_url(url):
                self.wrong("url", "must be http://, https:// or file://, percent-encoded, and name a file", url)

    def _check_hub(self, corpus: Corpus) -> None:
        if (corpus.kind == "hub") != bool(corpus.hub):
            self.wrong("hub", "must be given for kind hub, and only there")
        for field in ("config", "hub_split", "revision", "first"):
            if field in self.content and corpus.kind != "hub":
                self.wrong(field, "must be given for kind hub only")
        if corpus.hub and corpus.members:
            self.wrong("members", "must be given for path and url only")
        if len(corpus.config) > 2:
            self.wrong("config", "must be one name, or two to join", corpus.config)
        if corpus.columns and (len(corpus.columns) != 2 or corpus.kind not in ("hub", "parquet", "json", "csv")):
            self.wrong("columns", "must be two names, for kind hub, parquet, json or csv only", corpus.columns)


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and parts.scheme in ("http", "https", "file") and bool(parts.path.rpartition("/")[2].strip("."))


def _contradictions(corpora: Sequence[Corpus]) -> list[str]:
    """The problems that only several entries together have."""
    names = [corpus.name for corpus in corpora if corpus.name]
    problems = [f"name {short(name)} must stand once" for name in sorted(set(names)) if names.count(name) > 1]
    for pair in sorted({corpus.languages for corpus in corpora if len(corpus.languages) == 2}):
        splits = {corpus.split for corpus in corpora if corpus.languages == pair}
        if "all" in splits and len(splits) > 1:
            problems.append(f"split must be given for every corpus of {'-'.join(pair)} or for none, but some have none")
    return problems


def here(corpus: Corpus, paths: Sequence[Path], base: Path, **fetched: Any) -> Corpus:
    """The entry of a fetched corpus: the paths of its files, relative to the folder ``base``, in place of their source.

    ``fetched`` are fields that are known only now, such as ``lines``.
    """
    gone = ("url", "hub", "config", "hub_split", "revision", "first", "members")
    kept = {name: value for name, value in asdict(corpus).items() if name not in gone}
    origin = corpus.origin or " ".join((*corpus.url, corpus.hub, *corpus.config, corpus.revision)).strip()
    inside = tuple(os.path.relpath(path, base) if path.is_relative_to(base) else str(path) for path in paths)
    return Corpus(**kept | {"path": inside, "origin": origin} | fetched)
