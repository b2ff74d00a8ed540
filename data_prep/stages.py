"""The stages of the pipeline: pure functions of files that run in workers and say whether they had work to do."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_prep import align, binarise, subwords, ulr_tables, vectors
from data_prep.clean import clean_mono, clean_pairs
from data_prep.corpus import Parallel, read_lines, read_mono
from data_prep.errors import InputError
from data_prep.plan import Plan
from data_prep.provenance import read_json, run_stage, write_json, write_lines
from data_prep.split import SPLITS_OF_ROLE, held_out_keys, remove_held_out
from data_prep.subsample import count_tokens, sample_name, samples


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
            "english_tokens": options.budgets(lang), "sample_seeds": options.sample_seeds,
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
        parts |= samples(parts["train"], options.budgets(lang), options.sample_seeds, f"the training text of {lang}")
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
    sizes = plan.options.budgets(lang)
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
