"""The stages of the pipeline: pure functions of files, which run in workers and return why they had to run, if so."""

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
from data_prep.cleaning.held_out import read_held_out
from data_prep.cleaning.split import SPLITS_OF_ROLE
from data_prep.cleaning.text import LanguageText, MonoText, write_mono, write_splits
from data_prep.packs import align, anchors, binarise, subwords, ulr_tables, vectors
from data_prep.pipeline import audit
from data_prep.pipeline.plan import Plan
from data_prep.pipeline.survey import LanguageSurvey

LOW_RESOURCE_LINES = 600  # pairs that align a language as if it were a target: about 16,000 English tokens
WORKING = (text, subwords, vectors, ulr_tables, align, binarise, audit)  # the modules that do the work of a stage


def cleaning_packages(plan: Plan) -> tuple[str, ...]:
    """The packages that shape clean text."""
    return ("numpy", "regex", "xxhash", *(["py3langid"] if plan.options.clean.language_id else []))


def code_of(module: ModuleType) -> str:
    """The hash of the code of a stage, whose work is done by ``module``.

    This file belongs to the code of every stage, so all stages run again when it changes.
    """
    return code_hash([module.__name__], [__name__])


def made_by_other_code(plan: Plan) -> tuple[int, int]:
    """Two counts of finished stages in the data folder: those made by another version of the code, and all."""
    codes = [code for record in plan.folder.stage_records if (code := code_in(record)) is not None]
    current_codes = {code_of(module) for module in WORKING}
    return sum(code not in current_codes for code in codes), len(codes)


def run(plan: Plan, record: Path, work: Callable[[], Any], *, code: ModuleType, **stage: Any) -> Reasons:
    """Run a stage of a data folder by ``run_stage``; ``code`` is the module that does the work.

    A stage that has work to do first removes data.json, which would no longer be true.
    """

    def start() -> Any:
        plan.folder.record.unlink(missing_ok=True)
        return work()

    return run_stage(record, start, code=code_of(code), **stage)


def text_stage(
    plan: Plan, lang: str, surveyed: LanguageSurvey, pool: Executor | None, progress: Callable[[int], object]
) -> Reasons:
    """Make the clean text of every split, the samples of a target language, and the report of every line read."""
    options, folder, role = plan.options, plan.folder.text(lang), plan.options.roles[lang]
    budgets, seeds = options.budgets(lang), options.sample_seeds
    of_language = LanguageText(plan.corpora[lang], role, options.split, options.clean, budgets, seeds, folder)

    def work() -> list[Path]:
        held_out = surveyed.held_out, read_held_out(plan.folder)
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
    """Make the clean monolingual text of a language, English included."""
    options, files = plan.options, plan.folder.mono(lang)
    domain, held_out = _domain_files(plan, lang), _held_out_files(plan, lang)
    held_ids = [*options.split.valid_ids, *options.split.test_ids]

    def work() -> None:
        hashes = read_held_out(plan.folder) if lang == plan.english else hash_sorted(keys_of(held_out))
        write_mono(MonoText(files, plan.english, domain, plan.mono[lang], options.clean, hashes, held_ids))

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


def _domain_files(plan: Plan, lang: str) -> list[Path]:
    """The files of training text that count as monolingual text of the domain.

    For a language this is its side of the training text. For English it is the English of all source and valid
    languages or, without any, of the first sample of each target language.
    """
    roles = plan.options.roles
    if lang != plan.english:
        return [plan.folder.text(lang).sides("train")[0]]
    trained = [plan.folder.text(code).sides("train")[1] for code, role in roles.items() if role != "target"]
    return trained or [path[1] for code in roles for path in [_first_sample(plan, code)] if path]


def _first_sample(plan: Plan, lang: str) -> tuple[Path, ...]:
    """The two files of the first of the smallest samples of a target language; () if only zero-shot is wanted."""
    samples = _samples(plan, lang)
    return plan.folder.text(lang).sides(min(samples, key=lambda name: samples[name])) if samples else ()


def _samples(plan: Plan, lang: str) -> dict[str, int]:
    """The samples of a target language, each with its size in English tokens.

    Where no samples are wanted, all of its training text is the one sample; there is none if only zero-shot is wanted.
    """
    index = read_json(plan.folder.text(lang).samples)
    if index["samples"]:
        return {sample["name"]: sample["budget"] for sample in index["samples"]}
    return {} if 0 in (plan.options.budgets(lang) or ()) else {"train": 0}


def _held_out_files(plan: Plan, lang: str) -> list[Path]:
    """The files of what the monolingual text of a language must not hold.

    For a language these are its dev and test lines, for English the hashes of all held-out English.
    """
    if lang == plan.english:
        return [plan.folder.held_out]
    splits = SPLITS_OF_ROLE[plan.options.roles[lang]]
    return [plan.folder.text(lang).sides(split)[0] for split in splits if split != "train"]


def lines_or_none(path: Path) -> list[str]:
    """The lines of a file that may be empty."""
    return read_lines(path) if path.stat().st_size else []


def subwords_stage(plan: Plan, lang: str) -> Reasons:
    """Make the SentencePiece model and the dictionary of a pack."""
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
    """Make the monolingual vectors of a pack, not yet aligned."""
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
        packages=("sentencepiece", "gensim", "numpy", "regex", "scipy", "scikit-learn"),
        code=vectors,
    )


def pack_stage(plan: Plan, lang: str) -> Reasons:
    """Make the monolingual text, the vocabulary and the vectors of a pack, in one job.

    One job, so that no language waits for the others in between.
    """
    reasons = [stage(plan, lang) for stage in (mono_stage, subwords_stage, vectors_stage)]
    return tuple(dict.fromkeys(chain.from_iterable(reasons)))


def universal_stage(plan: Plan, lang: str) -> Reasons:
    """Make the vectors and the card of the English pack, and the universal tokens; ``lang`` is English."""
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
    """The fields of a card that the cards of all languages have."""
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
    """Make the vectors of a pack, aligned to English, and its card.

    A source language is aligned with its word lists and its pairs. A target language is aligned with its word lists
    alone, for translation without any pair; and once for each sample, with the word lists and the pairs of the sample.
    """
    folder, options = plan.folder, plan.options
    pack, english, raw = folder.pack(lang), folder.pack(plan.english), folder.raw_vectors(lang)
    lists = anchors.find_dictionaries(options.dictionaries, lang, plan.english)
    role, target = options.roles[lang], options.roles[lang] == "target"
    parallel = () if target else folder.text(lang).sides("train")
    most_lines = LOW_RESOURCE_LINES if options.align_as_targets and not target else anchors.MOST_LINES
    samples = {name: folder.text(lang).sides(name) for name in _samples(plan, lang)} if target else {}

    def work() -> None:
        card = align.align_pack(pack, raw, english, anchors.Sources(lists, parallel, most_lines), samples)
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
            *chain.from_iterable(samples.values()),
            folder.mono(lang).counts,
        ],
        outputs=[pack.vectors, *map(pack.vectors_with, samples), pack.card, *([pack.words] if lists else [])],
        options={"role": role, "most_lines": most_lines},
        packages=("numpy", "scipy", "sentencepiece"),
        code=align,
    )


def binarise_stage(plan: Plan, lang: str) -> Reasons:
    """Make the binarised data of all splits of a language, samples included."""
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
    """Audit a language, English included, and write the report; InputError if training text holds a held-out line."""
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
