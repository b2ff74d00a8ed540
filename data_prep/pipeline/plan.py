"""What meta-nmt-preprocess was asked for, checked, and where its raw text lies."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError, fault_of, raise_all
from data_prep.base.languages import check_language
from data_prep.base.workers import check_workers
from data_prep.cleaning.clean import CleanOptions
from data_prep.cleaning.split import SPLITS_OF_ROLE, SplitOptions
from data_prep.cleaning.subsample import BUDGETS, SEEDS, check_budgets, sample_name
from data_prep.corpora.corpus import CorpusFiles, find_corpus, find_mono
from data_prep.packs import anchors, subwords, ulr_tables, vectors


@dataclass(frozen=True)
class Options:
    """All that meta-nmt-preprocess is asked for.

    One InputError reports all contradictions at once, before any work.
    """

    out: Path
    corpus: Path
    source_langs: tuple[str, ...] = ()
    valid_langs: tuple[str, ...] = ()
    target_langs: tuple[str, ...] = ()
    target_lang: str = "en"
    english_tokens: tuple[int, ...] | None = None  # None: those of BUDGETS that the text can fill
    english_tokens_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sample_seeds: tuple[int, ...] = SEEDS
    mono: tuple[Path, ...] = ()
    dictionaries: Path | None = None
    vocab_size: int | None = None  # None: it follows from the size of the text
    universal_tokens: int = 20_000
    vector_dim: int = 300
    vector_method: str = "svd"
    vec_files: Path | None = None
    align_as_targets: bool = False
    split: SplitOptions = field(default_factory=SplitOptions)
    clean: CleanOptions = field(default_factory=CleanOptions)
    workers: int = 2

    def __post_init__(self) -> None:
        checks: list[Callable[[], None]] = [
            *(
                lambda sizes=sizes: check_budgets(sizes, self.sample_seeds)
                for sizes in (self.english_tokens or (), *self.english_tokens_of.values())
            ),
            lambda: check_workers(self.workers),
            lambda: subwords.check_vocab_size(self.vocab_size),
            lambda: ulr_tables.check_universal_tokens(self.universal_tokens),
            lambda: vectors.check_vector_dim(self.vector_dim),
            lambda: vectors.check_vector_method(self.vector_method),
            self._check_languages,
            self._check_rest,
        ]
        raise_all(checks)

    def _check_languages(self) -> None:
        langs = [*self.source_langs, *self.valid_langs, *self.target_langs]
        for lang in [*langs, self.target_lang]:
            check_language(lang)
        repeated = [lang for lang, count in Counter([*langs, self.target_lang]).items() if count > 1]
        if repeated:
            raise InputError(
                f"--source-langs, --valid-langs, --target-langs and --target-lang must not share a language, "
                f"but {repeated[0]!r} stands twice"
            )
        if not langs:
            raise InputError("--source-langs, --valid-langs or --target-langs must name at least one language")

    def _check_rest(self) -> None:
        strangers = sorted(set(self.english_tokens_of) - set(self.target_langs))
        if strangers:
            raise InputError(f"--english-tokens-of must name target languages, but names {', '.join(strangers)}")
        for flag, folder in (("--dictionaries", self.dictionaries), ("--vec-files", self.vec_files)):
            if folder is not None and not folder.is_dir():
                raise InputError(f"{flag} {folder}: must be a folder, but {fault_of(folder, 'is none')}")

    @property
    def roles(self) -> dict[str, str]:
        """The role of each language, in the order in which they are given."""
        named = (("source", self.source_langs), ("valid", self.valid_langs), ("target", self.target_langs))
        return {lang: role for role, langs in named for lang in langs}

    def budgets(self, lang: str) -> tuple[int, ...] | None:
        """The sizes in English tokens of a language's low-resource samples; () for a language that is no target.

        None stands for the default: those of BUDGETS that the text can fill.
        """
        if self.roles[lang] != "target":
            return ()
        return self.english_tokens_of.get(lang, self.english_tokens)

    def splits_of(self, lang: str) -> list[str]:
        """All splits that a language may have, samples included."""
        budgets = self.budgets(lang)
        sizes = [size for size in (BUDGETS if budgets is None else budgets) if size]
        return [
            *SPLITS_OF_ROLE[self.roles[lang]],
            *(sample_name(size, seed) for size in sizes for seed in self.sample_seeds),
        ]


@dataclass(frozen=True)
class Plan:
    """The options, and where every language's raw text lies: all that a worker process needs to know."""

    options: Options
    corpora: Mapping[str, CorpusFiles]
    mono: Mapping[str, Sequence[Path]]

    @property
    def english(self) -> str:
        """The code of the language translated into."""
        return self.options.target_lang

    @property
    def folder(self) -> DataFolder:
        """The layout of the data folder that is made."""
        return DataFolder(self.options.out, self.english)


def make_plan(options: Options) -> Plan:
    """Find the raw text of all languages; one InputError reports all that is missing. Writes nothing."""
    corpora: dict[str, CorpusFiles] = {}
    mono: dict[str, list[Path]] = {}

    def look(lang: str) -> None:
        if lang != options.target_lang:
            corpora[lang] = find_corpus(options.corpus, lang, options.target_lang)
        mono[lang] = find_mono(options.mono, lang, options.target_lang)

    langs = [*options.roles, options.target_lang]
    raise_all([*(lambda lang=lang: look(lang) for lang in langs), lambda: _check_folders(options, langs)])
    return Plan(options, corpora, mono)


def _check_folders(options: Options, langs: Sequence[str]) -> None:
    """InputError if a folder that was given has nothing for any of the languages: its files have other names."""
    english, lists, vecs = options.target_lang, options.dictionaries, options.vec_files
    given: list[tuple[str, Path, str, list[Any]]] = [
        ("--mono", folder, "XX.txt, XX.tsv", [find_mono([folder], lang, english) for lang in langs])
        for folder in options.mono
    ]
    if lists:
        files: list[Any] = [anchors.find_dictionaries(lists, lang, english) for lang in langs]
        given.append(("--dictionaries", lists, f"XX-{english}.txt, XX-{english}.tsv", files))
    if vecs:
        given.append(("--vec-files", vecs, "XX.vec", [vectors.find_vec(vecs, lang) for lang in langs]))
    for flag, folder, names, of_languages in given:
        if not any(of_languages):
            raise InputError(f"{flag} {folder}: must have files ({names}) of {', '.join(langs)}, but has none")
