"""meta-nmt-add-language: the language pack and the data of one more language, for a data folder made without it.

The command makes ``lang/XX/``, ``text/XX-en/`` and ``bin/*.XX-en.*``, and touches no other file of the folder. So the
files of the other languages stay current, and data.json still says what meta-training was made from. The card of the
new language says how its files were made. meta-nmt-adapt, -generate and -translate read nothing but these files. An
experiment of meta-nmt-evaluate may have the language among its targets, if its samples were made by this command too.

All files are made in a temporary folder and moved into place at the end, the language pack last. So a language whose
pack exists is complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.base.data_folder import DataFolder, PackFolder, TextFolder
from data_prep.base.errors import InputError, fault_of
from data_prep.base.files import partial_folder, read_json, remove_partial, sha256, sole_writer, write_json
from data_prep.base.languages import check_language
from data_prep.base.text_files import read_lines
from data_prep.base.versions import versions
from data_prep.base.workers import worker_pool
from data_prep.cleaning.clean import CleanOptions, keys_of
from data_prep.cleaning.clean_form import match_key, normalise
from data_prep.cleaning.duplicates import hash_sorted
from data_prep.cleaning.held_out import read_held_out
from data_prep.cleaning.split import SPLITS_OF_ROLE, SplitOptions, check_splits, read_splits
from data_prep.cleaning.subsample import SEEDS, check_budgets, sample_name
from data_prep.cleaning.text import LanguageText, MonoText, write_mono, write_splits
from data_prep.corpora.corpus import CorpusFiles, find_corpus, find_mono, iter_corpus
from data_prep.corpora.id_groups import SeenIds
from data_prep.packs import align, anchors, binarise, subwords, ulr_tables, vectors

HELD_OUT_SHARE = 10  # of an unsplit corpus the last tenth is test, and the tenth before it valid


@dataclass(frozen=True)
class NewLanguage:
    """What meta-nmt-add-language is asked for; InputError if the language cannot be added to the data folder ``data``.

    role: "target", or "valid" for a language that has no test set.
    english_tokens, sample_seeds: sizes and seeds of the low-resource samples; without sizes no samples are made.
    trained_in: the data folder in whose training text leaks are looked for; None stands for ``data``.

    The other fields are as in plan.Options.
    """

    data: Path
    lang: str
    corpus: Path
    mono: tuple[Path, ...] = ()
    dictionaries: Path | None = None
    vec_files: Path | None = None
    vocab_size: int | None = None
    vector_method: str = "svd"
    split: SplitOptions = SplitOptions()
    clean: CleanOptions = CleanOptions()
    role: str = "target"
    english_tokens: tuple[int, ...] = ()
    sample_seeds: tuple[int, ...] = SEEDS
    trained_in: Path | None = None

    def __post_init__(self) -> None:
        check_language(self.lang)
        subwords.check_vocab_size(self.vocab_size)
        vectors.check_vector_method(self.vector_method)
        check_budgets(self.english_tokens, self.sample_seeds)
        self.refuse_a_second_time()
        for flag, folder in (("--dictionaries", self.dictionaries), ("--vec-files", self.vec_files)):
            if folder is not None and not folder.is_dir():
                raise InputError(f"{flag} {folder}: must be a folder, but {fault_of(folder, 'is none')}")

    def refuse_a_second_time(self) -> None:
        """InputError if the data folder has the language already."""
        if self.lang in {self.folder.english, *self.trained_languages} or self.folder.pack(self.lang).path.exists():
            raise InputError(f"--lang: {self.data} must not have {self.lang} yet, but has")

    @cached_property
    def folder(self) -> DataFolder:
        """The layout of the data folder that the language is added to."""
        return DataFolder(self.data)

    @property
    def trained_languages(self) -> list[str]:
        """The languages that the data folder was made of."""
        return list(self.folder.read_record()["languages"])

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of the language's text, samples not included."""
        return SPLITS_OF_ROLE[self.role]

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of the low-resource samples of the training text."""
        return tuple(sample_name(size, seed) for size in self.english_tokens if size for seed in self.sample_seeds)


def add(new: NewLanguage) -> dict[str, Any]:
    """Make the language pack and all data of a language; returns its card. After an InputError nothing is left."""
    english = new.folder.english
    files = find_corpus(new.corpus, new.lang, english)
    mono = find_mono(new.mono, new.lang, english)
    split = split_options(files, new.split)
    with sole_writer(new.data), worker_pool(1), partial_folder(new.data, f"add-{new.lang}") as work:
        new.refuse_a_second_time()  # another run may have added it since this one began
        remove_partial(new.data)
        work_folder = DataFolder(work, english)
        card = _make(new, files, mono, split, work_folder)
        _move(new.lang, work_folder, new.folder)
    return card


def _move(lang: str, work_folder: DataFolder, folder: DataFolder) -> None:
    """Move a language's binarised data, its text and, last, its pack from ``work_folder`` to ``folder``.

    Its clean monolingual text and its vectors before alignment come along, for who adapts to it (self-training).
    """
    folder.binaries.mkdir(exist_ok=True)
    folder.text(lang).path.parent.mkdir(exist_ok=True)
    for old, new in zip(_kept_work(work_folder, lang), _kept_work(folder, lang), strict=True):
        new.parent.mkdir(parents=True, exist_ok=True)
        old.replace(new)
    # files of an earlier run that was killed between these moves
    for path in [*folder.binaries_of(lang), *folder.text(lang).path.glob("*")]:
        path.unlink()
    for path in work_folder.binaries_of(lang):
        path.replace(folder.binaries / path.name)
    work_folder.text(lang).path.replace(folder.text(lang).path)
    work_folder.pack(lang).path.replace(folder.pack(lang).path)


def _kept_work(folder: DataFolder, lang: str) -> tuple[Path, ...]:
    return (*folder.mono(lang).texts, folder.raw_vectors(lang))


def split_options(files: CorpusFiles, wanted: SplitOptions) -> SplitOptions:
    """How the corpus is split: as it is already, or as ``wanted`` says, or by default.

    By default the last tenth is test and the tenth before it valid. InputError if the corpus has too few pairs for it.
    """
    if files.splits != ("all",) or wanted.hold_out_last or wanted.valid_ids or wanted.test_ids:
        return wanted
    share = sum(map(len, iter_corpus(files))) // HELD_OUT_SHARE
    if not share:
        raise InputError(f"{files.all_paths()[0]}: must have at least {HELD_OUT_SHARE} pairs to hold some out")
    return SplitOptions((share, share))


def _make(
    new: NewLanguage, files: CorpusFiles, mono: Sequence[Path], split: SplitOptions, work_folder: DataFolder
) -> dict[str, Any]:
    """Make the text, the binarised data and the pack of a language in ``work_folder``; returns the card."""
    lang, english, pack = new.lang, new.folder.english, work_folder.pack(new.lang)
    english_pack = new.folder.pack(english)
    text = LanguageText(files, new.role, split, new.clean, new.english_tokens, new.sample_seeds, work_folder.text(lang))
    write_splits(text, held_out_hashes(new, files, split))
    aligned = _make_pack(new, mono, work_folder)
    for name in (*new.splits, *new.samples):
        sides = zip(text.folder.sides(name), (pack, english_pack), work_folder.binary_sides(lang, name), strict=True)
        for path, side_pack, prefix in sides:
            binarise.binarise(path, side_pack, prefix)
    vec = vectors.find_vec(new.vec_files, lang)
    card = {
        "lang": lang,
        "role": new.role,
        "added": True,
        "pieces": len(subwords.read_dictionary(pack.dictionary)),
        "vector_dim": vector_dim(english_pack),
        "vector_method": f"vec: {vec.name}" if vec else new.vector_method,
        "sources": [{"name": path.name, "sha256": sha256(path)} for path in [*files.all_paths(), *mono]],
        "licences": list(files.licences),
        "text": read_json(text.folder.cleaning),
        "held_out_in_meta_training": leaked(new, text.folder),
        "monolingual": read_json(work_folder.mono(lang).counts),
        "versions": versions(),
    }
    write_json(pack.card, card | aligned)
    return card | aligned


def _make_pack(new: NewLanguage, mono: Sequence[Path], work_folder: DataFolder) -> dict[str, Any]:
    """Make all of a pack but its card, from the training text and monolingual text.

    Returns the part of the card that align_pack gives.
    """
    lang, english, text, files = new.lang, new.folder.english, work_folder.text(new.lang), work_folder.mono(new.lang)
    pack, english_pack, raw = work_folder.pack(lang), new.folder.pack(english), work_folder.raw_vectors(lang)
    test, domain = keys_of([text.sides(name)[0] for name in new.splits[1:]]), text.sides("train")
    held_ids = [*new.split.valid_ids, *new.split.test_ids]
    write_mono(MonoText(files, english, domain[:1], mono, new.clean, hash_sorted(test), held_ids))
    domain_lines, extra_lines = (read_lines(path) if path.stat().st_size else [] for path in files.texts)
    subwords.write_pack(pack, domain_lines, extra_lines, new.vocab_size)
    vec = vectors.find_vec(new.vec_files, lang)
    vectors.write_vectors(pack, domain_lines, extra_lines, vector_dim(english_pack), raw, new.vector_method, vec=vec)
    lists = anchors.find_dictionaries(new.dictionaries, lang, english)
    if new.role != "target":
        return align.align_pack(pack, raw, english_pack, anchors.Sources(lists, domain))
    samples = {name: text.sides(name) for name in new.samples or ("train",)}
    return align.align_pack(pack, raw, english_pack, anchors.Sources(lists), samples)


def vector_dim(pack: PackFolder) -> int:
    """The size Q of a pack's vectors."""
    return int(ulr_tables.load_table(pack.vectors, pack).shape[1])


def held_out_hashes(new: NewLanguage, files: CorpusFiles, split: SplitOptions) -> tuple[np.ndarray, np.ndarray]:
    """The sorted hashes of the match keys that the training text must not have, for the source side and English.

    They are of the dev and test lines of this language and, for English, of all languages of the data folder.
    """
    keys: tuple[set[str], set[str]] = set(), set()
    lines: dict[str | None, int] = {}
    seen = SeenIds()
    for name, batch in read_splits(files, new.role, split, seen=seen):
        lines[name] = lines.get(name, 0) + len(batch)
        if name in new.splits[1:]:
            for side, keys_of_side in zip((batch.source, batch.english), keys, strict=True):
                keys_of_side.update(match_key(normalise(line)) for line in side)
    check_splits(lines, new.role, str(files.all_paths()[0]), seen)
    seen.check(split.groups, str(files.all_paths()[0]))
    return hash_sorted(keys[0]), np.union1d(read_held_out(new.folder), hash_sorted(keys[1]))


def leaked(new: NewLanguage, folder: TextFolder) -> int | None:
    """The number of dev and test lines whose English stands in the training text of another language.

    ``folder``: the text of the new language. The training text is that of the folder ``trained_in``; None if there is
    none.
    """
    held = keys_of([folder.sides(name)[1] for name in new.splits[1:]])
    trained_in = DataFolder(new.trained_in or new.data, new.folder.english)
    trained = [trained_in.text(lang).sides("train")[1] for lang in new.trained_languages]
    texts_there = [path for path in trained if path.is_file()]
    return len(held & keys_of(texts_there)) if texts_there else None
