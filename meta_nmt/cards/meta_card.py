"""The card of a meta model: a meta-trained model that is given to others, who add their languages to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import read_json
from data_prep.base.language_registry import code_and_name
from data_prep.base.versions import commit, versions
from meta_nmt.cards.markup import code_block, table, text
from meta_nmt.cards.model_card import JOINTLY, PACKAGES, licences_in_words
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.report.results import unique
from meta_nmt.runs import cost

TRAINED, VALIDATED = "trained on", "validated on"  # roles of languages
OWN = "starter"  # the system of translators that were made from the model that a card is of


@dataclass(frozen=True)
class Language:
    """A language that a meta model was trained or validated on.

    pairs, english_tokens: the size of its training text; None if not known.
    precision: precision@1 of its alignment; None if not measured.
    """

    code: str
    role: str
    pairs: int | None = None
    english_tokens: int | None = None
    precision: float | None = None
    licences: Sequence[str] = ()


@dataclass(frozen=True)
class TestScore:
    """The scores of translators of one language on its test set, as means over samples, in per cent.

    pairs: how many each was made from.
    system: ``starter`` for those that were made from this model; others are beside it.
    """

    lang: str
    pairs: int
    system: str
    bleu: float
    chrf: float  # chrF2++


@dataclass(frozen=True)
class MetaFacts:
    """The facts about a meta model that its card states.

    Args:
        target_lang: code of the language translated into.
        system: the meta-learner: joint, fomaml ...
        updates: meta-steps.
        languages: those that it was trained and validated on.
        scores: name -> value in per cent.
        tests: what translators scored that were made from it, and others beside them.
        commands: the commands that made the model, oldest first.
        cost: cost records of the runs, oldest first.
        commit, versions: those of the code and of the packages that made the folder.
        licence: of the weights, by the hub's identifier; None if nobody has said.
        sha256: of the checkpoint in the folder; "" if not known.
        about: lines of Markdown that its makers end the card with.
    """

    target_lang: str
    system: str
    updates: int
    languages: Sequence[Language] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    tests: Sequence[TestScore] = ()
    commands: Sequence[str] = ()
    cost: Sequence[Mapping[str, Any]] = ()
    commit: str = "unknown"
    versions: Mapping[str, str] = field(default_factory=dict)
    licence: str | None = None
    sha256: str = ""
    about: Sequence[str] = ()


def facts_of_meta(data: str | Path, checkpoint: str | Path, command: str) -> MetaFacts:
    """The facts that a meta-trained checkpoint, the records of its run and the data folder tell.

    ``command``: the command that is running.
    """
    state = read_checkpoint(checkpoint)
    config, folder = state["cfg"], DataFolder(data)
    recorded, costs = folder.read_record()["languages"], cost.history(checkpoint)
    best, metric = state.get("extra_state", {}).get("best"), config.checkpoint.best_checkpoint_metric
    roles = ((TRAINED, config.task.source_langs), (VALIDATED, config.task.valid_langs))
    return MetaFacts(
        target_lang=folder.english,
        system=str(config.task.meta_learner),
        updates=int(state["optimizer_history"][-1]["num_updates"]),
        languages=[_language(lang, role, recorded.get(lang)) for role, langs in roles for lang in _codes(langs)],
        scores={"dev BLEU after adaptation (beam 1)": float(best)} if metric == "bleu" and best is not None else {},
        commands=[*unique(record["command"] for record in costs), command],
        cost=costs,
        commit=commit(),
        versions=versions(PACKAGES),
    )


def read_test_scores(path: Path) -> list[TestScore]:
    """The scores in a file of recipes/starter/scores.py; InputError where it is none."""
    try:
        return [
            TestScore(row["language"], int(row["pairs"]), row["system"], float(row["bleu"]), float(row["chrf++"]))
            for row in read_json(path)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: must be made by recipes/starter/scores.py, but is not") from error


def _codes(langs: Any) -> list[str]:
    """The codes in a flag such as ``--source-langs``."""
    return [lang for lang in str(langs or "").split(",") if lang]


def _language(lang: str, role: str, entry: Any) -> Language:
    """A language with what its entry in a data folder's record says; an entry of another form says nothing."""
    try:
        train = entry["splits"]["train"]
        precision, licences = entry["alignment"]["precision_at_1"], entry.get("licences", ())
        return Language(lang, role, int(train["lines"]), int(train["english_tokens"]), precision, licences)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Language(lang, role)


def meta_card(facts: MetaFacts) -> str:
    """The card as Markdown, with the front matter that the Hugging Face hub reads."""
    sections = [
        ("", _what_it_is(facts)),
        ("Languages", _languages(facts)),
        ("Licences", [licences_in_words(sorted({name for lang in facts.languages for name in lang.licences}))]),
        ("Scores", _scores(facts)),
        ("How it was made", _origin(facts)),
    ]
    if facts.about:
        sections.append(("", [*facts.about]))
    lines = [_front_matter(facts), "", f"# A start for translation into {text(facts.target_lang)}", ""]
    for name, body in sections:
        lines += [*([f"## {name}", ""] if name else []), *body, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _front_matter(facts: MetaFacts) -> str:
    head = {
        "language": [*(lang.code for lang in facts.languages if lang.role == TRAINED), facts.target_lang],
        **({"license": facts.licence} if facts.licence else {}),
        "pipeline_tag": "translation",
        "tags": ["translation", "low-resource", "meta-learning", "fairseq", facts.system],
        **({"sha256": facts.sha256} if facts.sha256 else {}),
        **({"model-index": [_model_index(facts)]} if facts.scores or facts.tests else {}),
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"


def _model_index(facts: MetaFacts) -> dict[str, Any]:
    """The scores as the hub reads them."""
    validated = ", ".join(lang.code for lang in facts.languages if lang.role == VALIDATED)
    scores = {f"dev sets of {validated}": facts.scores} if facts.scores else {}
    for test in facts.tests:
        if test.system == OWN:
            scores[f"{test.lang}, {test.pairs} pairs"] = {"test BLEU": test.bleu, "test chrF2++": test.chrf}
    results = [
        {
            "task": {"type": "translation"},
            "dataset": {"type": name.partition(" ")[0].strip(","), "name": name},
            "metrics": [
                {"type": "chrf" if "chrF" in metric else "bleu", "name": metric, "value": round(value, 2)}
                for metric, value in values.items()
            ],
        }
        for name, values in scores.items()
    ]
    return {"name": f"{facts.system} start", "results": results}


def _what_it_is(facts: MetaFacts) -> list[str]:
    how = "trained jointly" if facts.system in JOINTLY else f"meta-trained ({text(facts.system)})"
    held_out = DataFolder("", facts.target_lang).held_out
    command = "meta-nmt-adapt --checkpoint meta.pt --pairs yo-en.tsv --out models/yo-en"
    return [
        f"A Transformer {how} for {facts.updates:,} steps. It holds no language yet: it translates nothing before it "
        "is adapted to one, from a few hundred sentence pairs:",
        "",
        *code_block([command.replace("yo-en", f"yo-{facts.target_lang}")]),
        "",
        f"`{held_out}` holds hashes of the dev and test sentences that it was measured on, and none of these "
        "sentences. With them a new language is not trained on what others are tested on.",
    ]


def _languages(facts: MetaFacts) -> list[str]:
    def shown(value: Any) -> str:
        return "" if value is None else text(f"{value:,}" if isinstance(value, int) else value)

    rows = [
        [
            text(lang.code), lang.role, shown(lang.pairs), shown(lang.english_tokens), shown(lang.precision),
            text("; ".join(map(str, lang.licences)) or "not recorded"),
        ]
        for lang in facts.languages
    ]  # fmt: skip
    head = ["language", "", "pairs", f"words of {text(facts.target_lang)}", "alignment precision@1", "licences"]
    return table(head, rows) if rows else ["None are recorded."]


def _scores(facts: MetaFacts) -> list[str]:
    if not facts.scores and not facts.tests:
        return ["None were measured: how good a translator is that is made from it, its own test set says."]
    lines = []
    if facts.scores:
        rows = [[text(name), f"{value:.2f}"] for name, value in facts.scores.items()]
        lines += [*table(["score", "value"], rows), "", "A mean over the languages that it was validated on.", ""]
    if facts.tests:
        lines += [
            "Translators of languages that it has never read, on their test sets: BLEU and chrF2++. "
            f"`{OWN}` was made from this model; the others are beside it, from the same pairs.",
            "",
            *_tests(facts.tests),
            "",
        ]
    return lines[:-1]


def _tests(tests: Sequence[TestScore]) -> list[str]:
    systems = unique(test.system for test in tests)
    of_cell = {(test.lang, test.pairs, test.system): f"{test.bleu:.1f}, {test.chrf:.1f}" for test in tests}
    rows = [
        [text(code_and_name(lang)), f"{pairs:,}", *(of_cell.get((lang, pairs, system), "") for system in systems)]
        for lang, pairs in unique((test.lang, test.pairs) for test in tests)
    ]
    return table(["language", "pairs", *map(text, systems)], rows)


def _origin(facts: MetaFacts) -> list[str]:
    tokens = sum(int(record.get("train_tokens", 0)) for record in facts.cost)
    seconds = sum(float(record.get("wall_s", 0)) for record in facts.cost)
    made_with = [f"- commit {text(facts.commit)}", *(f"- {text(k)} {text(v)}" for k, v in facts.versions.items())]
    block = code_block([line for command in facts.commands for line in command.splitlines()])
    return [f"{tokens:,} tokens of training, {seconds:,.0f} s.", "", *block, "", *made_with]
