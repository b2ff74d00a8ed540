"""The stages of the pipeline: pure functions of files that run in workers and say why they had work to do, if any."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

from data_prep.base.files import read_json, write_json
from data_prep.base.stage_records import Reasons, code_hash, code_in, run_stage
from data_prep.base.text_files import read_lines
from data_prep.cleaning import text
from data_prep.cleaning.clean import keys_of
from data_prep.cleaning.duplicates import hash_sorted
from data_prep.cleaning.split import SPLITS_OF_ROLE
from data_prep.cleaning.text import LanguageText, MonoText, write_mono, write_splits
from data_prep.packs import align, anchors, binarise, subwords, ulr_tables, vectors
from data_prep.pipeline import audit
from data_prep.pipeline.plan import Plan
from data_prep.pipeline.survey import LanguageSurvey

LOW_RESOURCE_LINES = 600  # pairs of a language without a word list that is aligned as a target is: about 16k tokens
WORKING = (text, subwords, vectors, ulr_tables, align, binarise, audit)  # the modules that do the work of a stage


def cleaning_packages(plan: Plan) -> tuple[str, ...]:
    """The packages that shape clean text."""
    return ("numpy", "xxhash", *(["py3langid"] if plan.options.clean.language_id else []))


def code_of(module: ModuleType) -> str:
    """The hash of the code of a stage whose work a module does.

    How it is used is said here, so every stage is done again when this module changes.
    """
    return code_hash([module.__name__], [__name__])


def made_by_other_code(plan: Plan) -> tuple[int, int]:
    """How many finished stages of the data folder another version of this code made, and how many there are."""
    codes = [code for record in plan.folder.stage_records if (code := code_in(record)) is not None]
    current_codes = {code_of(module) for module in WORKING}
    return sum(code not in current_codes for code in codes), len(codes)


def run(plan: Plan, record: Path, work: Callable[[], Any], *, code: ModuleType, **stage: Any) -> Reasons:
    """``run_stage`` in a data folder: what data.json says holds no more once a stage has work to do.

    ``code`` is the module that does the work.
    """

    def start() -> Any:
        plan.folder.record.unlink(missing_ok=True)
        return work()

    return run_stage(record, start, code=code_of(code), **stage)


def text_stage(
    plan: Plan, lang: str, surveyed: LanguageSurvey, pool: Executor | None, progress: Callable[[int], object]
) -> Reasons:
    """Clean text of every split, samples of a target language, and what became of every line."""
    options, folder, role = plan.options, plan.folder.text(lang), plan.options.roles[lang]
    budgets, seeds = options.budgets(lang), options.sample_seeds
    of_language = LanguageText(plan.corpora[lang], role, options.split, options.clean, budgets, seeds, folder)

    def work() -> list[Path]:
        held_out = surveyed.held_out, hash_sorted(read_keys(plan.folder.held_out))
        return write_splits(of_language, held_out, pool, progress)

    return run(
        plan,
        folder.record,
        work,
        inputs=[*plan.corpora[lang].all_paths(), plan.folder.held_out],
        outputs=[
            *(side for split in options.splits_of(lang) for side in folder.sides(split)),
            folder.cleaning,
            folder.cleaning_table,
            *([folder.samples] if role == "target" else []),
        ],
        options={
            "role": role, "split": asdict(options.split), "clean": asdict(options.clean),
            "english_tokens": budgets, "sample_seeds": seeds, "layout": plan.corpora[lang].layout(),
        },
        packages=cleaning_packages(plan),
        code=text,
    )  # fmt: skip


def made_splits(plan: Plan, lang: str) -> list[str]:
    """The splits of a language that the text stage made, samples included."""
    return list(read_json(plan.folder.text(lang).cleaning)["splits"])


def mono_stage(plan: Plan, lang: str) -> Reasons:
    """Clean monolingual text of a language (English too)."""
    options, files = plan.options, plan.folder.mono(lang)
    domain, held_out = _domain_files(plan, lang), _held_out_files(plan, lang)
    held_ids = [*options.split.valid_ids, *options.split.test_ids]

    def work() -> None:
        keys = read_keys(plan.folder.held_out) if lang == plan.english else keys_of(held_out)
        write_mono(MonoText(files, plan.english, domain, plan.mono[lang], options.clean, keys, held_ids))

    return run(
        plan,
        files.record,
        work,
        inputs=[*domain, *plan.mono[lang], *held_out],
        outputs=[*files.texts, files.counts],
        options={"clean": asdict(options.clean), "held_out_ids": held_ids},
        packages=cleaning_packages(plan),
        code=text,
    )


def read_keys(path: Path) -> list[str]:
    """The match keys of ``DataFolder.held_out``; there may be none."""
    return path.read_text("utf-8").split("\n")[:-1]


def _domain_files(plan: Plan, lang: str) -> list[Path]:
    """Training text that counts as monolingual: the source side; for English that of source and valid languages."""
    roles = plan.options.roles
    if lang != plan.english:
        return [plan.folder.text(lang).sides("train")[0]]
    trained = [plan.folder.text(code).sides("train")[1] for code, role in roles.items() if role != "target"]
    return trained or [path[1] for code in roles for path in [_first_sample(plan, code)] if path]


def _first_sample(plan: Plan, lang: str) -> tuple[Path, ...]:
    """The parallel text that a target language may use beyond its source side: the first of the smallest samples.

    All of the training text where no samples are wanted; none where zero-shot alone is.
    """
    folder = plan.folder.text(lang)
    index = read_json(folder.samples)
    if index["samples"]:
        sample = min(index["samples"], key=lambda sample: sample["budget"])
        return folder.sides(sample["name"])
    return () if 0 in (plan.options.budgets(lang) or ()) else folder.sides("train")


def _held_out_files(plan: Plan, lang: str) -> list[Path]:
    """What must not be in monolingual text: dev and test lines of the language itself."""
    if lang == plan.english:
        return [plan.folder.held_out]
    splits = SPLITS_OF_ROLE[plan.options.roles[lang]]
    return [plan.folder.text(lang).sides(split)[0] for split in splits if split != "train"]


def lines_or_none(path: Path) -> list[str]:
    """The lines of a file that may be empty."""
    return read_lines(path) if path.stat().st_size else []


def subwords_stage(plan: Plan, lang: str) -> Reasons:
    """A pack's SentencePiece model and dictionary."""
    pack, files, vocab_size = plan.folder.pack(lang), plan.folder.mono(lang).texts, plan.options.vocab_size
    return run(
        plan,
        pack.record("subwords"),
        lambda: subwords.write_pack(pack, lines_or_none(files[0]), lines_or_none(files[1]), vocab_size),
        inputs=files,
        outputs=pack.segmentation,
        options={"vocab_size": vocab_size},
        packages=("sentencepiece",),
        code=subwords,
    )


def vectors_stage(plan: Plan, lang: str) -> Reasons:
    """Monolingual vectors, not yet aligned."""
    folder, options = plan.folder, plan.options
    pack, files, raw = folder.pack(lang), folder.mono(lang).texts, folder.raw_vectors(lang)
    vec = vectors.find_vec(options.vec_files, lang)
    return run(
        plan,
        folder.raw_vectors_record(lang),
        lambda: vectors.write_vectors(
            pack,
            lines_or_none(files[0]),
            lines_or_none(files[1]),
            options.vector_dim,
            raw,
            options.vector_method,
            vec=vec,
        ),
        inputs=[*files, *pack.segmentation, *([vec] if vec else [])],
        outputs=[raw],
        options={"vector_dim": options.vector_dim, "vector_method": options.vector_method},
        packages=("sentencepiece", "gensim", "numpy", "scipy", "scikit-learn"),
        code=vectors,
    )


def pack_stage(plan: Plan, lang: str) -> Reasons:
    """Vocabulary, then vectors: one job, so that no language waits for the others in between."""
    reasons = [stage(plan, lang) for stage in (mono_stage, subwords_stage, vectors_stage)]
    return tuple(dict.fromkeys(chain.from_iterable(reasons)))


def universal_stage(plan: Plan, lang: str) -> Reasons:
    """The English pack's vectors and card, and the universal keys (``lang`` is English)."""
    pack, universal, raw = plan.folder.pack(lang), plan.folder.universal, plan.folder.raw_vectors(lang)
    most = plan.options.universal_tokens

    def work() -> None:
        ulr_tables.write_english(pack, raw)
        count = ulr_tables.write_universal(pack, universal, most)
        write_json(pack.card, _card_start(plan, lang) | {"universal_tokens": count})

    return run(
        plan,
        pack.record("universal"),
        work,
        inputs=[pack.dictionary, raw, plan.folder.mono(lang).counts],
        outputs=[pack.vectors, pack.card, *universal.files],
        options={"universal_tokens": most},
        packages=("numpy",),
        code=ulr_tables,
    )


def _card_start(plan: Plan, lang: str) -> dict[str, Any]:
    """What every language card says."""
    mono = plan.folder.mono(lang)
    vec = vectors.find_vec(plan.options.vec_files, lang)
    return {
        "lang": lang,
        "role": plan.options.roles.get(lang, "english"),
        "pieces": len(subwords.read_dictionary(plan.folder.pack(lang).dictionary)),
        "vector_dim": plan.options.vector_dim,
        "vector_method": f"vec: {vec.name}" if vec else plan.options.vector_method,
        "sources": [{"name": name, "sha256": digest} for name, digest in read_json(mono.record)["inputs"]],
        "monolingual": read_json(mono.counts),
    }


def align_stage(plan: Plan, lang: str) -> Reasons:
    """A pack's vectors, aligned, and its card."""
    folder, options = plan.folder, plan.options
    pack, english, raw = folder.pack(lang), folder.pack(plan.english), folder.raw_vectors(lang)
    lists = anchors.find_dictionaries(options.dictionaries, lang, plan.english)
    # a low-resource language has its dictionary, or else only the sample that it may be adapted on
    role, most_lines = options.roles[lang], anchors.MOST_LINES
    parallel: tuple[Path, ...] = ()
    if role == "target":
        parallel = () if lists else _first_sample(plan, lang)
    elif not options.align_as_targets:
        parallel = folder.text(lang).sides("train")
    elif not lists:
        parallel, most_lines = folder.text(lang).sides("train"), LOW_RESOURCE_LINES

    def work() -> None:
        card = align.align_pack(pack, raw, english, anchors.Sources(lists, parallel, most_lines))
        write_json(pack.card, _card_start(plan, lang) | card)

    return run(
        plan,
        pack.record("align"),
        work,
        inputs=[
            *pack.segmentation,
            raw,
            *english.segmentation,
            english.vectors,
            *lists,
            *parallel,
            folder.mono(lang).counts,
        ],
        outputs=[pack.vectors, pack.card],
        options={"role": role, "most_lines": most_lines},
        packages=("numpy", "scipy", "sentencepiece"),
        code=align,
    )


def binarise_stage(plan: Plan, lang: str) -> Reasons:
    """The binarised data of all splits."""
    folder, splits = plan.folder, made_splits(plan, lang)
    packs = folder.pack(lang), folder.pack(plan.english)
    sides_of_split = {split: folder.text(lang).sides(split) for split in splits}

    def work() -> None:
        for split, sides in sides_of_split.items():
            for path, pack, prefix in zip(sides, packs, folder.binary_sides(lang, split), strict=True):
                binarise.binarise(path, pack, prefix)

    return run(
        plan,
        folder.binary_record(lang),
        work,
        inputs=[*chain.from_iterable(sides_of_split.values()), *(path for pack in packs for path in pack.segmentation)],
        outputs=[path for split in splits for path in folder.binary_files(lang, split)],
        options={"splits": splits},
        packages=("sentencepiece", "fairseq-fixed"),
        code=binarise,
    )


def audit_stage(plan: Plan, lang: str) -> Reasons:
    """That nothing of dev and test is in the text that a language (English too) was trained on: ``audit.audit``."""
    checked = audit.Audited(plan.folder, lang, plan.options.roles)
    report_file = plan.folder.audit(lang)

    def work() -> None:
        report = audit.audit(checked)
        audit.must_be_clean([report])
        write_json(report_file, report)

    return run(
        plan,
        plan.folder.audit_record(lang),
        work,
        inputs=checked.files(),
        outputs=[report_file],
        options={"roles": plan.options.roles},
        code=audit,
    )
