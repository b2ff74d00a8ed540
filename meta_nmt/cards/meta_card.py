"""The card of a meta model: a meta-trained model that is given to others, who add their languages to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from data_prep.base.data_folder import DataFolder
from data_prep.base.versions import commit, versions
from meta_nmt.cards.markup import code_block, table, text
from meta_nmt.cards.model_card import JOINTLY, PACKAGES, licences_in_words
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.report.results import unique
from meta_nmt.runs import cost


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
class MetaFacts:
    """The facts about a meta model that its card states.

    Args:
        target_lang: code of the language translated into.
        system: the meta-learner: joint, fomaml ...
        updates: meta-steps.
        languages: those that it was trained and validated on.
        scores: name -> value in per cent.
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
    roles = (("trained on", config.task.source_langs), ("validated on", config.task.valid_langs))
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
        "language": [*(lang.code for lang in facts.languages), facts.target_lang],
        **({"license": facts.licence} if facts.licence else {}),
        "pipeline_tag": "translation",
        "tags": ["translation", "low-resource", "meta-learning", "fairseq", facts.system],
        **({"sha256": facts.sha256} if facts.sha256 else {}),
        **({"model-index": [_model_index(facts)]} if facts.scores else {}),
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"


def _model_index(facts: MetaFacts) -> dict[str, Any]:
    """The scores as the hub reads them."""
    languages = ", ".join(lang.code for lang in facts.languages if lang.role == "validated on")
    result = {
        "task": {"type": "translation"},
        "dataset": {"type": "dev", "name": f"dev sets of {languages}"},
        "metrics": [{"type": "bleu", "name": name, "value": round(value, 2)} for name, value in facts.scores.items()],
    }
    return {"name": f"{facts.system} start", "results": [result]}


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
    if not facts.scores:
        return ["None were measured: how good a translator is that is made from it, its own test set says."]
    rows = [[text(name), f"{value:.2f}"] for name, value in facts.scores.items()]
    return [*table(["score", "value"], rows), "", "A mean over the languages that it was validated on."]


def _origin(facts: MetaFacts) -> list[str]:
    tokens = sum(int(record.get("train_tokens", 0)) for record in facts.cost)
    seconds = sum(float(record.get("wall_s", 0)) for record in facts.cost)
    made_with = [f"- commit {text(facts.commit)}", *(f"- {text(k)} {text(v)}" for k, v in facts.versions.items())]
    block = code_block([line for command in facts.commands for line in command.splitlines()])
    return [f"{tokens:,} tokens of training, {seconds:,.0f} s.", "", *block, "", *made_with]
