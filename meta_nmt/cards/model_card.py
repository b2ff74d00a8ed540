"""The model card of an adapted model: what it is, what it was made from, how good it is, what it cost, how to make it.

The card is Markdown with the front matter that the Hugging Face hub reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from data_prep.base.files import write_text
from data_prep.base.language_registry import code_and_name, language_name
from meta_nmt.cards import markup
from meta_nmt.cards.verdict import DRAFT, HINT, Verdict

FILE_NAME = "MODEL_CARD.md"
SHOWN_SAMPLES = 5
JOINTLY = ("joint", "multi_nmt")  # systems without an inner loop
# the packages whose versions the card names
PACKAGES = ("meta-nmt", "torch", "fairseq-fixed", "ctranslate2", "sacrebleu", "sentencepiece", "numpy")


@dataclass(frozen=True)
class ModelFacts:
    """The facts about one model that its card states.

    Args:
        source_lang, target_lang: codes of the languages translated from and into.
        system: what the model started from: scratch, joint, fomaml ...
        strategy: what was adapted: zero (nothing), emb, emb_enc, all ...
        seed: the seed of the sample and of the adaptation.
        english_tokens: words of the English side of the pairs that the model was adapted on.
        pairs: sentence pairs that the model was adapted on; None if not known.
        scores: name -> value in per cent, such as {"dev BLEU": 31.2, "test chrF2++": 55.0}.
        signatures: sacreBLEU's signatures of these scores.
        verdict: what these scores are good enough for; None where none was measured.
        samples: (source, hypothesis, reference) of held-out sentences.
        pack: the language pack's card.json, or {}.
        commands: the commands that made the model, oldest first.
        cost: cost records of the runs, oldest first (meta_nmt/runs/cost.py).
        commit, versions: those of the code and of the packages that made the model.
        licences: those that are recorded of the text that the model was made from.
        notes: whatever else a user should know, a sentence each.
    """

    source_lang: str
    target_lang: str
    system: str
    strategy: str
    seed: int
    english_tokens: int
    pairs: int | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    signatures: Sequence[str] = ()
    verdict: Verdict | None = None
    samples: Sequence[tuple[str, str, str]] = ()
    pack: Mapping[str, Any] = field(default_factory=dict)
    commands: Sequence[str] = ()
    cost: Sequence[Mapping[str, Any]] = ()
    commit: str = "unknown"
    versions: Mapping[str, str] = field(default_factory=dict)
    licences: Sequence[str] = ()
    notes: Sequence[str] = ()


def model_card(facts: ModelFacts) -> str:
    """The card as Markdown. Text of the model's data is escaped, so it is shown as it is and is never markup."""
    sections = [
        ("", _what_it_is(facts)),
        ("Intended use and limits", _limits(facts)),
        ("Training data", _training_data(facts)),
        ("Scores", _scores(facts)),
        ("Samples", _samples(facts)),
        ("Cost", _cost(facts)),
        ("How to reproduce", _reproduce(facts)),
    ]
    source, target = (markup.text(code_and_name(lang)) for lang in (facts.source_lang, facts.target_lang))
    title = f"# Translation from {source} to {target}"
    lines = [_front_matter(facts), "", title, ""]
    for name, body in sections:
        if body:
            lines += [*([f"## {name}", ""] if name else []), *body, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def write_model_card(facts: ModelFacts, folder: str | Path) -> Path:
    """Write MODEL_CARD.md into the folder, atomically; returns its path."""
    path = Path(folder) / FILE_NAME
    text = model_card(facts).encode("utf-8", "replace").decode("utf-8")  # a file's name may hold half a character
    write_text(path, text)
    return path


def _front_matter(facts: ModelFacts) -> str:
    metrics = [name for name in ("bleu", "chrf") if any(name in score.lower() for score in facts.scores)]
    head: dict[str, Any] = {
        "language": [facts.source_lang, facts.target_lang],
        "pipeline_tag": "translation",
        "tags": ["translation", "low-resource", "meta-learning", "fairseq", facts.system],
    }
    if metrics:
        head["metrics"] = metrics
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"


def _what_it_is(facts: ModelFacts) -> list[str]:
    start = {
        "scratch": "trained from random parameters on this pair alone",
        **dict.fromkeys(JOINTLY, "a Transformer trained jointly on many languages"),
    }.get(facts.system, f"a Transformer meta-trained on many languages ({markup.text(facts.system)})")
    if facts.system == "scratch":
        how = f"It was {start}"
    elif facts.strategy == "zero":
        how = f"It is {start}, as it is, without adaptation to this pair"
    else:
        how = f"It is {start} and adapted to this pair (strategy `{markup.code(facts.strategy)}`)"
    size = f"{facts.pairs:,} sentence pairs" if facts.pairs is not None else "a sample of sentence pairs"
    amount = (
        f" on {size}, {facts.english_tokens:,} words of {markup.text(_name(facts.target_lang))}"
        if facts.english_tokens
        else ""
    )
    return [
        f"{how}{amount}; seed {facts.seed}.",
        "",
        "Its source words are read through a universal lexical representation: each is a mixture of pieces of "
        f"{markup.text(_name(facts.target_lang))}, found by its own vector (Gu et al. 2018, arXiv 1802.05368 and "
        "1808.08437). Made with meta_nmt.",
    ]


def _limits(facts: ModelFacts) -> list[str]:
    lines = [
        *_recommendation(facts),
        "",
        "- Learnt from few sentences: it will leave out, make up and mistake names, numbers and negations, in fluent "
        "sentences. Nothing that people's health, rights or money hang on should rest on it unread.",
        "- Text of another kind (register, subject, spelling) than its training data is translated worse than the "
        "scores here say.",
        "- It translates sentence by sentence and does not know what stands before.",
    ]
    alignment = facts.pack.get("alignment")
    if isinstance(alignment, Mapping) and alignment.get("poor"):
        lines.append("- Its word vectors are poorly aligned (see below), so rare words are likely to be wrong.")
    return [*lines, *(f"- {markup.text(note)}" for note in facts.notes)]


def _alignment_sources(pack: Mapping[str, Any]) -> str:
    """What the vectors were aligned with, in words: the files, and how many anchors are of each kind."""
    files = [markup.text(entry.get("name", "")) for entry in pack.get("anchor_files", ()) if isinstance(entry, Mapping)]
    kinds = pack["alignment"].get("anchors_by_kind")
    counts = kinds if isinstance(kinds, Mapping) else {}
    anchors = ", ".join(f"{number} {markup.text(kind)}" for kind, number in counts.items())
    return (", ".join(files) or "identical words alone") + (f" (anchors: {anchors})" if anchors else "")


def _recommendation(facts: ModelFacts) -> list[str]:
    """What the model is recommended for: no more than the verdict on its scores allows."""
    text = f"{markup.text(_name(facts.source_lang))} text of the kind that it was trained on"
    if facts.verdict is None:
        return ["How good it is was not measured. Use it for nothing before a test set has shown what it can do."]
    if facts.verdict.use is DRAFT:
        use = f"For a first understanding of {text}, and as a draft for a person who knows both languages."
    elif facts.verdict.use is HINT:
        use = f"For a hint at what {text} is about. Its translations are no drafts: do not rely on any sentence."
    else:
        use = "For nothing: its translations are of no use. More sentence pairs or more monolingual text may help."
    return [use, "", f"The {markup.text(facts.verdict.line)}."]


def _training_data(facts: ModelFacts) -> list[str]:
    pack, lines = facts.pack, []
    listed = pack.get("sources")
    sources = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    if sources:
        rows = [
            [markup.text(entry.get("name", "")), markup.text(str(entry.get("sha256", ""))[:16])] for entry in sources
        ]
        lines += [*markup.table(["file of the language pack", "sha256 starts with"], rows), ""]
    alignment = pack.get("alignment")
    if isinstance(alignment, Mapping):
        at_one = alignment.get("precision_at_1")
        measured = f"is {markup.text(at_one)} on {markup.text(alignment.get('words'))} words"
        quality = "could not be measured" if at_one is None else measured
        poor = " This is poor." if alignment.get("poor") else ""
        english = markup.text(_name(facts.target_lang))
        lines += [f"Alignment of its vectors to {english}: held-out precision@1 {quality}.{poor} "
                  f"It was made from {_alignment_sources(pack)}.", ""]  # fmt: skip
    leaked = pack.get("held_out_in_meta_training")
    if leaked:
        lines += [f"{markup.text(leaked)} of its dev and test lines stand, on the target side, in the text that the "
                  "model was meta-trained on.", ""]  # fmt: skip
    return [*lines, licences_in_words(facts.licences)]


def licences_in_words(licences: Sequence[str]) -> str:
    """What a card says of licences; ``licences``: those that the lists of corpora (manifests) name."""
    recorded = f"recorded are: {'; '.join(map(markup.text, licences))}" if licences else "no licence is recorded here"
    return (
        "The licences of the parallel and monolingual text, and of the text that the meta-trained model was made "
        f"from, hold for what is made from them; {recorded}. Ask those who gave the text."
    )


def _scores(facts: ModelFacts) -> list[str]:
    if not facts.scores:
        return ["None were measured."]
    rows = [[markup.text(name), f"{value:.2f}"] for name, value in facts.scores.items()]
    return [
        *markup.table(["score", "value"], rows),
        "",
        *(f"- sacreBLEU `{markup.code(text)}`" for text in facts.signatures),
    ]


def _samples(facts: ModelFacts) -> list[str]:
    rows = [[markup.text(cell) for cell in sample] for sample in facts.samples[:SHOWN_SAMPLES]]
    return markup.table(["source", "translation", "reference"], rows) if rows else []


def _cost(facts: ModelFacts) -> list[str]:
    rows = [
        [
            markup.text(record.get("kind", "")),
            markup.text("/".join(Path(str(record.get("run", ""))).parts[-2:])),
            f"{int(record.get('train_tokens', 0)):,}",
            f"{float(record.get('wall_s', 0)):.0f}",
            f"{float(record.get('peak_memory_mib', 0)):.0f}",
            markup.text(record.get("device", "")),
        ]
        for record in facts.cost
    ]
    return markup.table(["kind", "run", "train tokens", "wall s", "peak MiB", "device"], rows) if rows else []


def _reproduce(facts: ModelFacts) -> list[str]:
    block = markup.code_block([line for command in facts.commands for line in command.splitlines()])
    made_with = [
        f"- commit {markup.text(facts.commit)}",
        *(f"- {markup.text(k)} {markup.text(v)}" for k, v in facts.versions.items()),
    ]
    return [*block, *([""] if block else []), *made_with]


def _name(lang: str) -> str:
    """The name of a language in a sentence; its code where it has none."""
    return language_name(lang) or lang
