"""What meta-nmt-preprocess is about to do, and about how long it will take: simple arithmetic on the text's size."""

from dataclasses import dataclass

from data_prep.base.workers import cores
from data_prep.cleaning.language_id import PACKAGE, knows
from data_prep.cleaning.subsample import BUDGETS
from data_prep.pipeline.plan import Plan
from data_prep.pipeline.survey import LanguageSurvey, Survey


@dataclass(frozen=True)
class Cost:
    """The seconds that a stage takes for a language on one core: a fixed part, and a part per million characters."""

    fixed: float
    per_million: float

    def of(self, characters: int) -> float:
        """The seconds for a language with so many characters of text."""
        return self.fixed + self.per_million * characters / 1e6


# Processor time on one core of 2.6 GHz, fitted to German, Bulgarian, Slovenian and Romanian of the Bible: 1.0 to 4.2
# million characters a side, vectors by svd, the default number of pieces. For cleaning generated pairs were used too. A
# stage of a language differs from these costs by a quarter at most.
CLEAN = Cost(0.1, 0.07)  # characters of both sides
SUBWORDS_AND_VECTORS = Cost(2, 4.5)  # characters of monolingual text
ALIGN = Cost(3, 2.7)  # characters of monolingual text
BINARISE = Cost(0.3, 0.7)  # characters of both sides
AUDIT = Cost(0.1, 0.1)  # characters of both sides
START = 10.0  # seconds in which processes start and load what they need
WORD2VEC = 7.0  # subwords and vectors by "word2vec" take so many times as long as by "svd"
MARGIN = 1.7  # machines and texts differ: the real time is between the estimate divided and multiplied by this


def seconds(plan: Plan, surveyed: Survey) -> float:
    """The seconds of all stages from the start, on the number of processes that the plan has."""
    workers = min(plan.options.workers, cores())
    surveys = [surveyed.languages[lang] for lang in plan.options.roles]
    text_sizes = [language.source.characters + language.english.characters for language in surveys]
    mono_sizes = [language.source.characters + language.mono.characters for language in surveys]
    mono_sizes.append(surveyed.languages[plan.english].mono.characters + surveyed.distinct_english)
    slower = WORD2VEC if plan.options.vector_method == "word2vec" else 1.0
    beside = [
        [SUBWORDS_AND_VECTORS.of(size) * slower for size in mono_sizes],
        [ALIGN.of(size) for size in mono_sizes[:-1]],
        [BINARISE.of(size) for size in text_sizes],
        [AUDIT.of(size) for size in text_sizes],
    ]
    # no stage is faster than its largest language
    return START + sum(map(CLEAN.of, text_sizes)) / workers + sum(max(sum(stage) / workers, *stage) for stage in beside)


def spell(time: float) -> str:
    """A time for people: seconds, minutes or hours."""
    unit, length = next((unit, length) for unit, length in UNITS if time >= 2 * length or length == 1)
    return f"{time / length:.0f} {unit}"


UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))


def describe(plan: Plan, surveyed: Survey) -> str:
    """The plan in some lines for people: languages, text, stages, samples, and how long it will take."""
    options, roles = plan.options, plan.options.roles
    counts = [f"{list(roles.values()).count(role)} {role}" for role in ("source", "valid", "target")]
    surveys = [surveyed.languages[lang] for lang in roles]
    mono = sum(language.mono.lines for language in surveyed.languages.values())
    lines = [
        f"{options.out}: {', '.join(counts)} languages into {plan.english}; {sum(map(_pairs, surveys)):,} pairs and "
        f"{mono:,} monolingual lines; {len(surveyed.held_out):,} dev and test lines held out",
        "clean text, splits and samples -> subwords and vectors -> alignment -> binarised data -> leakage audit",
    ]
    held_out = (("valid", options.split.valid_ids), ("test", options.split.test_ids))
    by_id = "; ".join(f"{split} {', '.join(groups)}" for split, groups in held_out if groups)
    if by_id:
        lines.append(f"held out by id: {by_id}")
    targets: dict[tuple[int, ...] | None, list[str]] = {}
    for lang in options.target_langs:
        targets.setdefault(options.budgets(lang), []).append(lang)
    for budgets, langs in targets.items():
        sizes = ", ".join(f"{size:,}" for size in (BUDGETS if budgets is None else budgets)) or "none"
        note = " (those that its text can fill)" if budgets is None else ""
        seeds = ", ".join(map(str, options.sample_seeds))
        lines.append(f"samples of {', '.join(langs)}: {sizes} English tokens{note}, seeds {seeds}")
    unknown = [lang for lang in [*roles, plan.english] if options.clean.language_id and not knows(lang)]
    if unknown:
        lines.append(f"{PACKAGE} does not know {', '.join(unknown)}: the language of these lines is not checked")
    time = seconds(plan, surveyed)
    processes = "1 process" if options.workers == 1 else f"{options.workers} processes"
    lines.append(
        f"about {spell(time)} with {processes} (between {spell(time / MARGIN)} and {spell(time * MARGIN)}); "
        "stages that are finished are skipped"
    )
    return "\n".join(lines)


def _pairs(language: LanguageSurvey) -> int:
    return language.source.lines
