"""meta-nmt-add-language: the language pack and the data of one more language, for a data folder that never heard of it.

Made are ``lang/XX/``, ``text/XX-en/`` and ``bin/*.XX-en.*``, and no other file of the folder is touched: what was made
for the other languages stays current, and data.json goes on saying what meta-training was made from. What was done for
the new language stands in its card. meta-nmt-adapt, -generate and -translate read nothing else, and an experiment of
meta-nmt-evaluate may have it among its targets, if its samples are made here too.

All is made in a folder of its own and moved into place at the end, the language pack last: a language whose pack is
there is whole.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.base.errors import InputError
from data_prep.base.files import PARTIAL, read_json, sha256, sole_writer, write_json
from data_prep.base.languages import check_language
from data_prep.base.text_files import read_lines
from data_prep.base.versions import versions
from data_prep.base.workers import worker_pool
from data_prep.cleaning.clean import CleanOptions, keys_of
from data_prep.cleaning.clean_form import match_key, normalise
from data_prep.cleaning.duplicates import hash_sorted
from data_prep.cleaning.split import SPLITS_OF_ROLE, SplitOptions, check_splits, read_splits
from data_prep.cleaning.subsample import SEEDS, check_budgets, sample_name
from data_prep.cleaning.text import LanguageText, MonoText, write_mono, write_splits
from data_prep.corpora.corpus import CorpusFiles, find_corpus, find_mono, iter_corpus
from data_prep.packs import align, anchors, binarise, subwords, ulr_tables, vectors

HELD_OUT_SHARE = 10  # of an unsplit corpus: its last tenth is test, the tenth before it valid


@dataclass(frozen=True)
class NewLanguage:
    """What meta-nmt-add-language takes; InputError if it cannot be added to the data folder.

    role: "target", or "valid" for a language that has no test set; english_tokens and sample_seeds: of its low-resource
    samples (none, if not given); trained_in: the data folder in whose training text leaks are looked for, if it is not
    ``data``.
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
        check_budgets(self.english_tokens, self.sample_seeds)
        if not (self.data / "data.json").is_file():
            raise InputError(f"{self.data}: must be a folder made by meta-nmt-preprocess, but has no data.json")
        if self.lang in {self.english, *self.record["languages"]} or self.pack.exists():
            raise InputError(f"--lang: {self.data} must not have {self.lang} yet, but has")
        for flag, folder in (("--dictionaries", self.dictionaries), ("--vec-files", self.vec_files)):
            if folder is not None and not folder.is_dir():
                raise InputError(f"{flag} {folder}: must be a folder")

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.data / "data.json")
        return found

    @property
    def english(self) -> str:
        return str(self.record["target_lang"])

    @property
    def splits(self) -> tuple[str, ...]:
        return SPLITS_OF_ROLE[self.role]

    @property
    def samples(self) -> tuple[str, ...]:
        """Low-resource samples of the training text, by name."""
        return tuple(sample_name(size, seed) for size in self.english_tokens if size for seed in self.sample_seeds)

    @property
    def pack(self) -> Path:
        return self.data / "lang" / self.lang


def add(new: NewLanguage) -> dict[str, Any]:
    """Make everything of a language and return its card. InputError names what is wrong; then nothing is left."""
    files = find_corpus(new.corpus, new.lang, new.english)
    mono = find_mono(new.mono, new.lang, new.english)
    split = split_options(files, new.split)
    name = f".add-{new.lang}."
    with sole_writer(new.data), worker_pool(1), tempfile.TemporaryDirectory(PARTIAL, name, new.data) as folder:
        work = Path(folder)
        card = _make(new, files, mono, split, work)
        pair = f"{new.lang}-{new.english}"
        (new.data / "bin").mkdir(exist_ok=True)
        (new.data / "text").mkdir(exist_ok=True)
        # what a run that was killed between these moves has left
        for path in [*(new.data / "bin").glob(f"*.{pair}.*"), *(new.data / "text" / pair).glob("*")]:
            path.unlink()
        for path in sorted((work / "bin").iterdir()):
            path.replace(new.data / "bin" / path.name)
        (work / "text").replace(new.data / "text" / pair)
        (work / new.lang).replace(new.pack)
    return card


def split_options(files: CorpusFiles, asked: SplitOptions) -> SplitOptions:
    """How the corpus is split: as it is, as asked, or else its last tenth is test and the tenth before it valid."""
    if files.splits != ("all",) or asked.hold_out_last or asked.valid_ids or asked.test_ids:
        return asked
    share = sum(map(len, iter_corpus(files))) // HELD_OUT_SHARE
    if not share:
        raise InputError(f"{files.all_paths()[0]}: must have at least {HELD_OUT_SHARE} pairs to hold some out")
    return SplitOptions((share, share))


def _make(
    new: NewLanguage, files: CorpusFiles, mono: Sequence[Path], split: SplitOptions, work: Path
) -> dict[str, Any]:
    """Make text/, bin/ and the pack in the folder ``work``; returns the card."""
    lang, english, pack, english_pack = new.lang, new.english, work / new.lang, new.data / "lang" / new.english
    text = LanguageText(files, english, new.role, split, new.clean, new.english_tokens, new.sample_seeds, work / "text")
    held_out = held_out_keys(new, files, split)
    write_splits(text, (hash_sorted(held_out[0]), hash_sorted(held_out[1])))
    aligned = _make_pack(new, text, mono, work)
    for name in (*new.splits, *new.samples):
        for side, folder, path in zip((lang, english), (pack, english_pack), text.sides(name), strict=True):
            binarise.binarise(path, folder, work / "bin" / f"{name}.{lang}-{english}.{side}")
    vec = vectors.find_vec(new.vec_files, lang)
    card = {
        "lang": lang,
        "role": new.role,
        "added": True,
        "pieces": len(subwords.read_dictionary(pack / "dict.txt")),
        "vector_dim": vector_dim(english_pack),
        "vector_method": f"vec: {vec.name}" if vec else new.vector_method,
        "sources": [{"name": path.name, "sha256": sha256(path)} for path in [*files.all_paths(), *mono]],
        "text": read_json(work / "text" / "cleaning.json"),
        "held_out_in_meta_training": leaked(new, text),
        "monolingual": read_json(work / "counts.json"),
        "versions": versions(),
    }
    write_json(pack / "card.json", card | aligned)
    return card | aligned


def _make_pack(new: NewLanguage, text: LanguageText, mono: Sequence[Path], work: Path) -> dict[str, Any]:
    """Make all of the pack but its card, from the training text and monolingual text; what align_pack returns."""
    pack, english_pack, raw = work / new.lang, new.data / "lang" / new.english, work / "raw.npy"
    files, held_ids = (work / "domain.txt", work / "extra.txt"), [*new.split.valid_ids, *new.split.test_ids]
    test, domain = keys_of([text.sides(name)[0] for name in new.splits[1:]]), text.sides("train")
    counts = work / "counts.json"
    write_mono(MonoText(new.lang, new.english, domain[:1], mono, new.clean, test, held_ids, files, counts))
    own, extra = (read_lines(path) if path.stat().st_size else [] for path in files)
    subwords.write_pack(pack, own, extra, new.vocab_size)
    vec = vectors.find_vec(new.vec_files, new.lang)
    vectors.write_vectors(pack, own, extra, vector_dim(english_pack), raw, new.vector_method, vec=vec)
    lists = anchors.find_dictionaries(new.dictionaries, new.lang, new.english)
    return align.align_pack(pack, raw, english_pack, anchors.Sources(lists, domain))


def vector_dim(pack: Path) -> int:
    """Q of a pack's vectors."""
    return int(ulr_tables.load_table(pack / "vectors.npy", pack).shape[1])


def held_out_keys(new: NewLanguage, files: CorpusFiles, split: SplitOptions) -> tuple[set[str], set[str]]:
    """Match keys that must not be in the training text: source side and English of dev and test, here and in DATA."""
    known = new.data / "work" / f"held-out.{new.english}"
    keys: tuple[set[str], set[str]] = set(), set(known.read_text("utf-8").split("\n")[:-1] if known.is_file() else ())
    lines: dict[str | None, int] = {}
    for name, text in read_splits(files, new.role, split):
        lines[name] = lines.get(name, 0) + len(text)
        if name in new.splits[1:]:
            for side, found in zip((text.source, text.english), keys, strict=True):
                found.update(match_key(normalise(line)) for line in side)
    check_splits(lines, new.role, str(files.all_paths()[0]))
    return keys


def leaked(new: NewLanguage, text: LanguageText) -> int | None:
    """Dev and test lines whose English stands in the training text of another language of the data folder; None where
    that text is not there."""
    held = keys_of([text.sides(name)[1] for name in new.splits[1:]])
    texts = (new.trained_in or new.data) / "text"
    trained = [texts / f"{lang}-{new.english}" / f"train.{new.english}" for lang in new.record["languages"]]
    there = [path for path in trained if path.is_file()]
    return len(held & keys_of(there)) if there else None
