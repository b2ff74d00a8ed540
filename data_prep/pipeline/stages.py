"""The stages of the pipeline: pure functions of files that run in workers and say whether they had work to do."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from data_prep.base.files import read_json, write_json
from data_prep.base.stage_records import code_hash, run_stage
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


def cleaning_packages(plan: Plan) -> tuple[str, ...]:
    """The packages that shape clean text."""
    return ("numpy", "xxhash", *(["py3langid"] if plan.options.clean.language_id else []))


def run(plan: Plan, record: Path, work: Callable[[], Any], *, code: ModuleType, **stage: Any) -> bool:
    """``run_stage`` in a data folder: what data.json says holds no more once a stage has work to do.

    ``code`` is the module that does the work; how it is used is said here, so every stage is done again when this
    module changes.
    """

    def start() -> Any:
        plan.record.unlink(missing_ok=True)
        return work()

    return run_stage(record, start, code=code_hash([code.__name__], [__name__]), **stage)


def text_stage(
    plan: Plan, lang: str, found: LanguageSurvey, pool: Executor | None, progress: Callable[[int], object]
) -> bool:
    """Clean text of every split, samples of a target language, and what became of every line."""
    options, folder, role = plan.options, plan.text(lang), plan.options.roles[lang]
    budgets, seeds = options.budgets(lang), options.sample_seeds
    of_language = LanguageText(
        plan.corpora[lang], plan.english, role, options.split, options.clean, budgets, seeds, folder
    )

    def work() -> list[Path]:
        held_out = found.held_out, hash_sorted(read_keys(plan.held_out))
        return write_splits(of_language, held_out, pool, progress)

    names = ["cleaning.json", "cleaning.txt", *(["samples.json"] if role == "target" else [])]
    return run(
        plan,
        folder / "text.stage.json",
        work,
        inputs=[*plan.corpora[lang].all_paths(), plan.held_out],
        outputs=[
            *(side for split in options.splits_of(lang) for side in plan.sides(lang, split)),
            *(folder / name for name in names),
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
    return list(read_json(plan.text(lang) / "cleaning.json")["splits"])


def mono_stage(plan: Plan, lang: str) -> bool:
    """Clean monolingual text of a language (English too)."""
    options, files = plan.options, plan.mono_files(lang)
    domain, held_out = _domain_files(plan, lang), _held_out_files(plan, lang)
    held_ids = [*options.split.valid_ids, *options.split.test_ids]

    def work() -> None:
        keys = read_keys(plan.held_out) if lang == plan.english else keys_of(held_out)
        counts = plan.mono_counts(lang)
        write_mono(MonoText(lang, plan.english, domain, plan.mono[lang], options.clean, keys, held_ids, files, counts))

    return run(
        plan,
        files[0].parent / f"{lang}.stage.json",
        work,
        inputs=[*domain, *plan.mono[lang], *held_out],
        outputs=[*files, plan.mono_counts(lang)],
        options={"clean": asdict(options.clean), "held_out_ids": held_ids},
        packages=cleaning_packages(plan),
        code=text,
    )


def read_keys(path: Path) -> list[str]:
    """The match keys of ``Plan.held_out``; there may be none."""
    return path.read_text("utf-8").split("\n")[:-1]


def _domain_files(plan: Plan, lang: str) -> list[Path]:
    """Training text that counts as monolingual: the source side; for English that of source and valid languages."""
    roles = plan.options.roles
    if lang != plan.english:
        return [plan.sides(lang, "train")[0]]
    trained = [plan.sides(other, "train")[1] for other, role in roles.items() if role != "target"]
    return trained or [path[1] for other in roles for path in [_first_sample(plan, other)] if path]


def _first_sample(plan: Plan, lang: str) -> tuple[Path, ...]:
    """The parallel text that a target language may use beyond its source side: the first of the smallest samples.

    All of the training text where no samples are wanted; none where zero-shot alone is.
    """
    index = read_json(plan.text(lang) / "samples.json")
    if index["samples"]:
        sample = min(index["samples"], key=lambda sample: sample["budget"])
        return plan.sides(lang, sample["name"])
    return () if 0 in (plan.options.budgets(lang) or ()) else plan.sides(lang, "train")


def _held_out_files(plan: Plan, lang: str) -> list[Path]:
    """What must not be in monolingual text: dev and test lines of the language itself."""
    if lang == plan.english:
        return [plan.held_out]
    return [plan.sides(lang, split)[0] for split in SPLITS_OF_ROLE[plan.options.roles[lang]] if split != "train"]


def lines_or_none(path: Path) -> list[str]:
    """The lines of a file that may be empty."""
    return read_lines(path) if path.stat().st_size else []


def subwords_stage(plan: Plan, lang: str) -> bool:
    """spm.model and dict.txt."""
    pack, files = plan.pack(lang), plan.mono_files(lang)
    return run(
        plan,
        pack / "subwords.stage.json",
        lambda: subwords.write_pack(pack, lines_or_none(files[0]), lines_or_none(files[1]), plan.options.vocab_size),
        inputs=files,
        outputs=[pack / "spm.model", pack / "dict.txt"],
        options={"vocab_size": plan.options.vocab_size},
        packages=("sentencepiece",),
        code=subwords,
    )


def vectors_stage(plan: Plan, lang: str) -> bool:
    """Monolingual vectors, not yet aligned."""
    pack, files, raw, options = plan.pack(lang), plan.mono_files(lang), plan.raw_vectors(lang), plan.options
    vec = vectors.find_vec(options.vec_files, lang)
    return run(
        plan,
        raw.parent / f"{lang}.stage.json",
        lambda: vectors.write_vectors(
            pack,
            lines_or_none(files[0]),
            lines_or_none(files[1]),
            options.vector_dim,
            raw,
            options.vector_method,
            vec=vec,
        ),
        inputs=[*files, pack / "spm.model", pack / "dict.txt", *([vec] if vec else [])],
        outputs=[raw],
        options={"vector_dim": options.vector_dim, "vector_method": options.vector_method},
        packages=("sentencepiece", "gensim", "numpy", "scipy", "scikit-learn"),
        code=vectors,
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

    return run(
        plan,
        pack / "universal.stage.json",
        work,
        inputs=[pack / "dict.txt", plan.raw_vectors(lang), plan.mono_counts(lang)],
        outputs=[pack / "vectors.npy", pack / "card.json", universal / "keys.npy", universal / "tokens.txt"],
        options={"universal_tokens": most},
        packages=("numpy",),
        code=ulr_tables,
    )


def _card_start(plan: Plan, lang: str) -> dict[str, Any]:
    """What every language card says."""
    record = read_json(plan.mono_files(lang)[0].parent / f"{lang}.stage.json")
    vec = vectors.find_vec(plan.options.vec_files, lang)
    return {
        "lang": lang,
        "role": plan.options.roles.get(lang, "english"),
        "pieces": len(subwords.read_dictionary(plan.pack(lang) / "dict.txt")),
        "vector_dim": plan.options.vector_dim,
        "vector_method": f"vec: {vec.name}" if vec else plan.options.vector_method,
        "sources": [{"name": name, "sha256": digest} for name, digest in record["inputs"]],
        "monolingual": read_json(plan.mono_counts(lang)),
    }


def align_stage(plan: Plan, lang: str) -> bool:
    """vectors.npy (aligned) and card.json."""
    pack, english, options = plan.pack(lang), plan.pack(plan.english), plan.options
    lists = anchors.find_dictionaries(options.dictionaries, lang, plan.english)
    # a low-resource language has its dictionary, or else only the sample that it may be adapted on
    role, most_lines = options.roles[lang], anchors.MOST_LINES
    parallel: tuple[Path, ...] = ()
    if role == "target":
        parallel = () if lists else _first_sample(plan, lang)
    elif not options.align_as_targets:
        parallel = plan.sides(lang, "train")
    elif not lists:
        parallel, most_lines = plan.sides(lang, "train"), LOW_RESOURCE_LINES
    own = [pack / "spm.model", pack / "dict.txt", plan.raw_vectors(lang)]
    theirs = [english / "spm.model", english / "dict.txt", english / "vectors.npy"]

    def work() -> None:
        card = align.align_pack(pack, plan.raw_vectors(lang), english, anchors.Sources(lists, parallel, most_lines))
        write_json(pack / "card.json", _card_start(plan, lang) | card)

    return run(
        plan,
        pack / "align.stage.json",
        work,
        inputs=[
            *own,
            *theirs,
            *lists,
            *parallel,
            plan.mono_counts(lang),
        ],
        outputs=[pack / "vectors.npy", pack / "card.json"],
        options={"role": role, "most_lines": most_lines},
        packages=("numpy", "scipy", "sentencepiece"),
        code=align,
    )


def binarise_stage(plan: Plan, lang: str) -> bool:
    """bin/<split>.<xx>-en.* of all splits."""
    folder, splits = plan.out / "bin", made_splits(plan, lang)
    packs = {side: plan.pack(side) for side in (lang, plan.english)}
    texts = {split: plan.sides(lang, split) for split in splits}

    def work() -> None:
        for split, sides in texts.items():
            for (side, pack), path in zip(packs.items(), sides, strict=True):
                binarise.binarise(path, pack, folder / f"{split}.{lang}-{plan.english}.{side}")

    return run(
        plan,
        folder / f"{lang}-{plan.english}.stage.json",
        work,
        inputs=[
            *(path for sides in texts.values() for path in sides),
            *(pack / name for pack in packs.values() for name in ("spm.model", "dict.txt")),
        ],
        outputs=[path for split in splits for path in binarise.binary_paths(folder, split, lang, plan.english)],
        options={"splits": splits},
        packages=("sentencepiece", "fairseq-fixed"),
        code=binarise,
    )


def audit_stage(plan: Plan, lang: str) -> bool:
    """That nothing of dev and test is in the text that a language (English too) was trained on: ``audit.audit``."""
    checked = audit.Audited(plan.out, lang, plan.english, plan.options.roles)
    made = checked.report_file

    def work() -> None:
        report = audit.audit(checked)
        audit.must_be_clean([report])
        write_json(made, report)

    return run(
        plan,
        made.with_suffix(".stage.json"),
        work,
        inputs=checked.files(),
        outputs=[made],
        options={"roles": plan.options.roles},
        code=audit,
    )
