"""All stages in order, from a corpus folder to a data folder. A stage that is current is skipped.

raw text -> clean and split -> samples -> SentencePiece -> monolingual vectors -> ULR tables -> alignment -> binarised
data. Languages are independent of each other within a stage and run in parallel processes.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep import align, binarise, subwords, ulr_tables, vectors
from data_prep.clean import CleanOptions, clean_mono, clean_pairs
from data_prep.corpus import (
    CorpusFiles,
    Parallel,
    check_language,
    find_corpus,
    find_mono,
    read_corpus,
    read_lines,
    read_mono,
)
from data_prep.errors import InputError, writable_directory
from data_prep.provenance import read_json, run_stage, versions, write_json, write_lines
from data_prep.split import SPLITS_OF_ROLE, SplitOptions, held_out_keys, remove_held_out, split_corpus
from data_prep.subsample import check_budgets, count_tokens, sample_name, samples

FORMAT = 1


@dataclass(frozen=True)
class Options:
    """Everything that meta-nmt-preprocess takes. Contradictions are refused here, all at once, before any work."""

    out: Path
    corpus: Path
    source_langs: tuple[str, ...] = ()
    valid_langs: tuple[str, ...] = ()
    target_langs: tuple[str, ...] = ()
    target_lang: str = "en"
    english_tokens: tuple[int, ...] = ()
    sample_seeds: tuple[int, ...] = (1,)
    mono: tuple[Path, ...] = ()
    dictionaries: Path | None = None
    vocab_size: int = 8000
    universal_tokens: int = 20_000
    vector_dim: int = 300
    vector_method: str = "svd"
    split: SplitOptions = field(default_factory=SplitOptions)
    clean: CleanOptions = field(default_factory=CleanOptions)
    workers: int = 2

    def __post_init__(self) -> None:
        checks: list[Callable[[], None]] = [
            lambda: check_budgets(self.english_tokens, self.sample_seeds),
            lambda: subwords.check_vocab_size(self.vocab_size),
            lambda: ulr_tables.check_universal_tokens(self.universal_tokens),
            lambda: vectors.check_vector_dim(self.vector_dim),
            self._check_languages,
            self._check_rest,
        ]
        raise_all(checks)

    def _check_languages(self) -> None:
        listed = [*self.source_langs, *self.valid_langs, *self.target_langs]
        for lang in [*listed, self.target_lang]:
            check_language(lang)
        repeated = [lang for lang, count in Counter([*listed, self.target_lang]).items() if count > 1]
        if repeated:
            raise InputError(
                f"--source-langs, --valid-langs, --target-langs and --target-lang must not share a language, "
                f"but {repeated[0]!r} stands twice"
            )
        if not listed:
            raise InputError("--source-langs, --valid-langs or --target-langs must name at least one language")

    def _check_rest(self) -> None:
        if self.workers < 1:
            raise InputError(f"--workers must be at least 1 (processes), but is {self.workers}")
        if self.dictionaries is not None and not self.dictionaries.is_dir():
            raise InputError(f"--dictionaries {self.dictionaries}: must be a folder")

    @property
    def roles(self) -> dict[str, str]:
        """Language -> role, in the order given."""
        named = (("source", self.source_langs), ("valid", self.valid_langs), ("target", self.target_langs))
        return {lang: role for role, langs in named for lang in langs}

    def splits_of(self, lang: str) -> list[str]:
        """All splits of a language, samples included."""
        role = self.roles[lang]
        sizes = self.english_tokens if role == "target" else ()
        return [
            *SPLITS_OF_ROLE[role],
            *(sample_name(size, seed) for size in sizes for seed in self.sample_seeds),
        ]


def raise_all(checks: Sequence[Callable[[], object]]) -> None:
    """Run every check; one InputError that reports all that failed."""
    failed = []
    for check in checks:
        try:
            check()
        except InputError as error:
            failed.append(str(error))
    if failed:
        raise InputError("; ".join(failed))


@dataclass(frozen=True)
class Plan:
    """The options and where every language's raw text lies: what a worker process needs."""

    options: Options
    corpora: Mapping[str, CorpusFiles]
    mono: Mapping[str, Sequence[Path]]

    @property
    def out(self) -> Path:
        return self.options.out

    @property
    def english(self) -> str:
        return self.options.target_lang

    @property
    def held_out(self) -> Path:
        """Match keys of all dev and test English, one a line."""
        return self.out / "work" / f"held-out.{self.english}"

    def text(self, lang: str) -> Path:
        return self.out / "text" / f"{lang}-{self.english}"

    def pack(self, lang: str) -> Path:
        return self.out / "lang" / lang

    def mono_files(self, lang: str) -> tuple[Path, Path]:
        """Clean monolingual text: of the domain (a side of the training text), and extra."""
        return (
            self.out / "work" / "mono" / f"{lang}.domain.txt",
            self.out / "work" / "mono" / f"{lang}.extra.txt",
        )

    def raw_vectors(self, lang: str) -> Path:
        return self.out / "work" / "vectors" / f"{lang}.npy"

    def sides(self, lang: str, split: str) -> tuple[Path, Path]:
        """The source and English text files of a split."""
        return self.text(lang) / f"{split}.{lang}", self.text(lang) / f"{split}.{self.english}"

    def split_raw(self, lang: str) -> dict[str, Parallel]:
        """Raw text of a language by split."""
        files = self.corpora[lang]
        role = self.options.roles[lang]
        return split_corpus(read_corpus(files), role, self.options.split, str(files.all_paths()[0]))


def make_plan(options: Options) -> Plan:
    """Find all files; InputError reports everything that is missing at once. Writes nothing."""
    corpora: dict[str, CorpusFiles] = {}
    mono: dict[str, list[Path]] = {}

    def look(lang: str) -> None:
        if lang != options.target_lang:
            corpora[lang] = find_corpus(options.corpus, lang, options.target_lang)
        mono[lang] = find_mono(options.mono, lang, options.target_lang)

    raise_all([lambda lang=lang: look(lang) for lang in [*options.roles, options.target_lang]])  # type: ignore[misc]
    return Plan(options, corpora, mono)


# ---- stages: each is a pure function of files, runs in a worker, and says whether there was anything to do


def text_stage(plan: Plan, lang: str) -> bool:
    """Clean text of every split, samples of a target language, and counts.json."""
    options, out = plan.options, plan.text(lang)
    splits = options.splits_of(lang)
    return run_stage(
        out / "text.stage.json",
        lambda: _write_text(plan, lang),
        inputs=[*plan.corpora[lang].all_paths(), plan.held_out],
        outputs=[*(side for split in splits for side in plan.sides(lang, split)), out / "counts.json"],
        options={
            "role": options.roles[lang], "split": asdict(options.split), "clean": asdict(options.clean),
            "english_tokens": options.english_tokens, "sample_seeds": options.sample_seeds,
        },
    )  # fmt: skip


def _write_text(plan: Plan, lang: str) -> None:
    options = plan.options
    raw = plan.split_raw(lang)
    held_source, held_english = held_out_keys(raw)[0], set(plan.held_out.read_text("utf-8").splitlines())
    dropped: Counter[str] = Counter()
    parts = {}
    for split, text in raw.items():
        if split == "train":
            text, removed = remove_held_out(text, held_source, held_english)
            dropped.update(removed)
        parts[split], removed = clean_pairs(text, options.clean, keep_repeats=split != "train")
        dropped.update(removed)
        if not len(parts[split]):
            raise InputError(
                f"{plan.corpora[lang].all_paths()[0]}: {split} must keep a pair after cleaning, but has none"
            )
    if options.roles[lang] == "target":
        parts |= samples(parts["train"], options.english_tokens, options.sample_seeds, f"the training text of {lang}")
    for split, text in parts.items():
        for path, lines in zip(plan.sides(lang, split), (text.source, text.english), strict=True):
            write_lines(path, lines)
    counts = {
        split: {"lines": len(text), "english_tokens": count_tokens(text.english)} for split, text in parts.items()
    }
    read = sum(map(len, raw.values()))
    write_json(
        plan.text(lang) / "counts.json",
        {"read": read, "splits": counts, "dropped": dict(sorted(dropped.items()))},
    )


def mono_stage(plan: Plan, lang: str) -> bool:
    """Clean monolingual text of a language (English too)."""
    files = plan.mono_files(lang)
    record = files[0].parent / f"{lang}.stage.json"
    return run_stage(
        record,
        lambda: _write_mono(plan, lang),
        inputs=[*_domain_files(plan, lang), *plan.mono[lang], *_held_out_files(plan, lang)],
        outputs=[*files, files[0].parent / f"{lang}.counts.json"],
        options={"clean": asdict(plan.options.clean), "held_out_ids": _held_ids(plan)},
    )


def _domain_files(plan: Plan, lang: str) -> list[Path]:
    """Training text that counts as monolingual: the source side; for English that of source and valid languages."""
    roles = plan.options.roles
    if lang != plan.english:
        return [plan.sides(lang, "train")[0]]
    return [plan.sides(other, "train")[1] for other, role in roles.items() if role != "target"] or [
        plan.sides(other, _first_sample(plan, other))[1] for other in roles
    ]


def _first_sample(plan: Plan, lang: str) -> str:
    """The parallel text that a target language may use beyond its source side: the smallest first sample."""
    sizes = plan.options.english_tokens
    return sample_name(min(sizes), plan.options.sample_seeds[0]) if sizes else "train"


def _held_out_files(plan: Plan, lang: str) -> list[Path]:
    """What must not be in monolingual text: dev and test lines of the language itself."""
    if lang == plan.english:
        return [plan.held_out]
    return [plan.sides(lang, split)[0] for split in SPLITS_OF_ROLE[plan.options.roles[lang]] if split != "train"]


def _held_ids(plan: Plan) -> list[str]:
    return [*plan.options.split.valid_ids, *plan.options.split.test_ids]


def _write_mono(plan: Plan, lang: str) -> None:
    english = lang == plan.english
    if english:
        keys = set(plan.held_out.read_text("utf-8").splitlines())
    else:
        lines = [line for path in _held_out_files(plan, lang) for line in read_lines(path)]
        keys = held_out_keys({"test": Parallel(lines, [], [])})[0]
    domain = [line for path in _domain_files(plan, lang) for line in read_lines(path)]
    extra = [line for path in plan.mono[lang] for line in read_mono(path, lang, plan.english, _held_ids(plan))]
    kept, dropped = clean_mono(domain, plan.options.clean, keys)
    more, more_dropped = clean_mono(extra, plan.options.clean, keys)
    files = plan.mono_files(lang)
    write_lines(files[0], kept)
    write_lines(files[1], more)
    counts = {
        "domain": {"read": len(domain), "kept": len(kept), "dropped": dropped},
        "extra": {"read": len(extra), "kept": len(more), "dropped": more_dropped},
    }
    write_json(files[0].parent / f"{lang}.counts.json", counts)


def lines_or_none(path: Path) -> list[str]:
    """The lines of a file that may be empty."""
    return read_lines(path) if path.stat().st_size else []


def subwords_stage(plan: Plan, lang: str) -> bool:
    """spm.model and dict.txt."""
    pack, files = plan.pack(lang), plan.mono_files(lang)
    return run_stage(
        pack / "subwords.stage.json",
        lambda: subwords.write_pack(pack, lines_or_none(files[0]), lines_or_none(files[1]), plan.options.vocab_size),
        inputs=files,
        outputs=[pack / "spm.model", pack / "dict.txt"],
        options={"vocab_size": plan.options.vocab_size},
        packages=("sentencepiece",),
    )


def vectors_stage(plan: Plan, lang: str) -> bool:
    """Monolingual vectors, not yet aligned."""
    pack, files, raw = plan.pack(lang), plan.mono_files(lang), plan.raw_vectors(lang)
    return run_stage(
        raw.parent / f"{lang}.stage.json",
        lambda: vectors.write_vectors(
            pack,
            lines_or_none(files[0]),
            lines_or_none(files[1]),
            plan.options.vector_dim,
            raw,
            plan.options.vector_method,
        ),
        inputs=[*files, pack / "spm.model", pack / "dict.txt"],
        outputs=[raw],
        options={"vector_dim": plan.options.vector_dim, "vector_method": plan.options.vector_method},
        packages=("sentencepiece", "gensim", "numpy", "scipy", "scikit-learn"),
    )


def pack_stage(plan: Plan, lang: str) -> bool:
    """Vocabulary, then vectors: one job, so that no language waits for the others in between."""
    made = [stage(plan, lang) for stage in (mono_stage, subwords_stage, vectors_stage)]
    return any(made)


def universal_stage(plan: Plan, lang: str) -> bool:
    """The English pack's vectors and card, and the universal keys (``lang`` is English)."""
    pack, universal = plan.pack(lang), plan.out / "universal"
    most = plan.options.universal_tokens

    def work() -> None:
        ulr_tables.write_english(pack, plan.raw_vectors(lang))
        count = ulr_tables.write_universal(pack, universal, most)
        write_json(pack / "card.json", _card_start(plan, lang) | {"universal_tokens": count})

    made = run_stage(
        pack / "universal.stage.json",
        work,
        inputs=[pack / "dict.txt", plan.raw_vectors(lang), *_count_files(plan, lang)],
        outputs=[pack / "vectors.npy", pack / "card.json", universal / "keys.npy", universal / "tokens.txt"],
        options={"universal_tokens": most},
        packages=("numpy",),
    )
    return made


def _count_files(plan: Plan, lang: str) -> list[Path]:
    return [plan.mono_files(lang)[0].parent / f"{lang}.counts.json"]


def _card_start(plan: Plan, lang: str) -> dict[str, Any]:
    """What every language card says."""
    record = read_json(plan.mono_files(lang)[0].parent / f"{lang}.stage.json")
    return {
        "lang": lang,
        "role": plan.options.roles.get(lang, "english"),
        "pieces": len(subwords.read_dictionary(plan.pack(lang) / "dict.txt")),
        "vector_dim": plan.options.vector_dim,
        "vector_method": plan.options.vector_method,
        "sources": [{"name": name, "sha256": digest} for name, digest in record["inputs"]],
        "monolingual": read_json(_count_files(plan, lang)[0]),
    }


def align_stage(plan: Plan, lang: str) -> bool:
    """vectors.npy (aligned) and card.json."""
    pack, english, options = plan.pack(lang), plan.pack(plan.english), plan.options
    lists = align.find_dictionaries(options.dictionaries, lang, plan.english)
    # a low-resource language has its dictionary, or else only the sample that it may be adapted on
    role = options.roles[lang]
    parallel: tuple[Path, ...] = ()
    if role != "target" or not lists:
        parallel = plan.sides(lang, _first_sample(plan, lang) if role == "target" else "train")
    own = [pack / "spm.model", pack / "dict.txt", plan.raw_vectors(lang)]
    theirs = [english / "spm.model", english / "dict.txt", english / "vectors.npy"]

    def work() -> None:
        card = align.align_pack(pack, plan.raw_vectors(lang), english, align.Sources(lists, parallel))
        write_json(pack / "card.json", _card_start(plan, lang) | card)

    return run_stage(
        pack / "align.stage.json",
        work,
        inputs=[
            *own,
            *theirs,
            *lists,
            *parallel,
            *_count_files(plan, lang),
        ],
        outputs=[pack / "vectors.npy", pack / "card.json"],
        options={"role": role, "rounds": align.REFINEMENTS, "lexicon_strength": align.LEXICON_STRENGTH},
        packages=("numpy", "sentencepiece"),
    )


def binarise_stage(plan: Plan, lang: str) -> bool:
    """bin/<split>.<xx>-en.* of all splits."""
    folder, splits = plan.out / "bin", plan.options.splits_of(lang)
    packs = {side: plan.pack(side) for side in (lang, plan.english)}
    texts = {split: plan.sides(lang, split) for split in splits}

    def work() -> None:
        for split, sides in texts.items():
            for (side, pack), text in zip(packs.items(), sides, strict=True):
                binarise.binarise(text, pack, folder / f"{split}.{lang}-{plan.english}.{side}")

    return run_stage(
        folder / f"{lang}-{plan.english}.stage.json",
        work,
        inputs=[
            *(text for sides in texts.values() for text in sides),
            *(pack / name for pack in packs.values() for name in ("spm.model", "dict.txt")),
        ],
        outputs=[path for split in splits for path in binarise.binary_paths(folder, split, lang, plan.english)],
        options={"splits": splits},
        packages=("sentencepiece", "fairseq-fixed"),
    )


# ---- the whole


def read_everything(plan: Plan) -> list[str]:
    """Read and check every input before anything is written; returns the keys of all dev and test English, sorted.

    InputError reports all bad files at once.
    """
    keys: set[str] = set()

    def read(lang: str) -> None:
        if lang != plan.english:
            parts = plan.split_raw(lang)
            keys.update(held_out_keys(parts)[1])
            if plan.options.roles[lang] == "target":
                samples(
                    parts["train"],
                    plan.options.english_tokens,
                    plan.options.sample_seeds[:1],
                    f"the training text of {lang}",
                )
        for path in plan.mono[lang]:
            read_mono(path, lang, plan.english)
        for path in align.find_dictionaries(plan.options.dictionaries, lang, plan.english):
            align.read_word_list(path)

    raise_all([lambda lang=lang: read(lang) for lang in [*plan.options.roles, plan.english]])  # type: ignore[misc]
    return sorted(keys)


def prepare(options: Options) -> dict[str, Any]:
    """Make or bring up to date the data folder ``options.out``; returns the content of its data.json."""
    plan = make_plan(options)
    held_out = read_everything(plan)
    writable_directory(options.out, "--out")
    if not plan.held_out.is_file() or plan.held_out.read_text("utf-8").splitlines() != held_out:
        write_lines(plan.held_out, held_out)
    langs = list(options.roles)
    with worker_pool(options.workers) as pool:
        run_all(pool, "clean text, splits and samples", text_stage, plan, langs)
        run_all(pool, "subwords and monolingual vectors", pack_stage, plan, [plan.english, *langs])
        run_all(None, "universal tokens", universal_stage, plan, [plan.english])
        run_all(pool, "alignment to the universal tokens", align_stage, plan, langs)
        run_all(pool, "binarised data", binarise_stage, plan, langs)
    warn_of_poor_alignment(plan)
    record = data_record(plan)
    path = options.out / "data.json"
    if not path.is_file() or read_json(path) != record:
        write_json(path, record)
    return record


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor | None]:
    """Processes with one BLAS thread each; None for a single worker, which needs no process of its own."""
    if workers == 1:
        yield None
        return
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))  # inherited by the processes, which start when work comes
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def run_all(
    pool: Executor | None, title: str, stage: Callable[[Plan, str], bool], plan: Plan, langs: Sequence[str]
) -> None:
    """Run a stage for all languages, with progress on stderr; the first error stops the rest."""
    done = 0
    with tqdm(total=len(langs), desc=title, unit="language", file=sys.stderr) as bar:
        for made in _results(pool, stage, plan, langs):
            done += made
            if made:  # what data.json says holds no more; it comes back when all is done
                (plan.out / "data.json").unlink(missing_ok=True)
            bar.update()
        bar.set_postfix_str(f"{done} made, {len(langs) - done} up to date")


def _results(
    pool: Executor | None, stage: Callable[[Plan, str], bool], plan: Plan, langs: Sequence[str]
) -> Iterator[bool]:
    if pool is None:
        yield from (stage(plan, lang) for lang in langs)
        return
    futures = [pool.submit(stage, plan, lang) for lang in langs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def warn_of_poor_alignment(plan: Plan) -> None:
    """One line on stderr for every language whose alignment is poor."""
    for lang in plan.options.roles:
        quality = read_json(plan.pack(lang) / "card.json")["alignment"]
        if quality["poor"]:
            print(
                f"warning: {lang}: the alignment to {plan.english} is poor (held-out precision@1 "
                f"{quality['precision_at_1']}, {quality['anchors']} anchors): "
                "more monolingual text or a dictionary helps",
                file=sys.stderr,
            )


def data_record(plan: Plan) -> dict[str, Any]:
    """What data.json holds."""
    options = plan.options
    languages = {}
    for lang, role in options.roles.items():
        quality = read_json(plan.pack(lang) / "card.json")["alignment"]
        languages[lang] = {"role": role} | read_json(plan.text(lang) / "counts.json") | {"alignment": quality}
    given = asdict(options)
    given = {name: given[name] for name in given if name not in ("out", "workers")}  # they change nothing that is made
    return {
        "format": FORMAT,
        "target_lang": plan.english,
        "languages": languages,
        "english": read_json(plan.pack(plan.english) / "card.json"),
        "options": _plain(given),
        "versions": versions(),
    }


def _plain(value: Any) -> Any:
    """The value as JSON gives it back: paths as text, tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
