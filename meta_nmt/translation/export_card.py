"""What a checkpoint and its run tell about an adapted model, for its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data_prep.base.versions import commit, versions
from meta_nmt.data.parallel_corpus import ParallelCorpus
from meta_nmt.report.results import unique
from meta_nmt.runs import cost
from meta_nmt.runs.checkpoints import read_checkpoint
from meta_nmt.translation.model_card import ModelFacts

PACKAGES = ("meta-nmt", "torch", "fairseq-fixed", "ctranslate2", "sacrebleu", "sentencepiece", "numpy")


def system_of(checkpoint: str | Path) -> str:
    """The meta-learner of a meta-trained checkpoint: joint, fomaml ...; "unknown" of any other."""
    return str(getattr(read_checkpoint(checkpoint)["cfg"].task, "meta_learner", "unknown"))


def read_pack_card(data: str | Path, lang: str) -> dict[str, Any]:
    """card.json of a language pack; {} where it has none."""
    try:
        card = json.loads((Path(data) / "lang" / lang / "card.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def english_words(data: str | Path, subset: str, pair: tuple[str, str]) -> int:
    """Words of the target side of a split's text; 0 where the text is not there."""
    path = Path(data) / "text" / "-".join(pair) / f"{subset}.{pair[1]}"
    return sum(len(line.split()) for line in path.read_text("utf-8").split("\n")) if path.is_file() else 0


def card_of_checkpoint(
    data: str | Path, checkpoint: str | Path, source_lang: str, target_lang: str, command: str
) -> ModelFacts:
    """What the checkpoint's own configuration, the records of its run and the data folder say. ``command``: the one
    that is running."""
    state = read_checkpoint(checkpoint)
    config = state["cfg"]
    adapted = len(state["model"]["encoder.embed_tokens.residual"]) > 0
    parent = config.checkpoint.finetune_from_model
    if not adapted:
        system = system_of(checkpoint)
    elif parent is None:
        system = "scratch"
    else:
        system = system_of(parent) if Path(parent).is_file() else "unknown"
    costs = cost.history(checkpoint)
    scores: dict[str, float] = {}
    best = state.get("extra_state", {}).get("best")
    if adapted and best is not None and config.checkpoint.best_checkpoint_metric == "bleu":
        scores["dev BLEU (beam 1)"] = float(best)
    subset = str(config.dataset.train_subset)
    return ModelFacts(
        source_lang=source_lang,
        target_lang=target_lang,
        system=system,
        strategy=("all" if parent is None else str(config.task.adapt_params)) if adapted else "zero",
        seed=int(config.common.seed),
        english_tokens=english_words(data, subset, (source_lang, target_lang)) if adapted else 0,
        pairs=_pairs(data, subset, source_lang, target_lang) if adapted else None,
        scores=scores,
        pack=read_pack_card(data, source_lang),
        commands=[*unique(record["command"] for record in costs), command],
        cost=costs,
        commit=commit(),
        versions=versions(PACKAGES),
    )


def _pairs(data: str | Path, subset: str, source_lang: str, target_lang: str) -> int:
    return len(ParallelCorpus.load(data, subset, source_lang, target_lang, (10**9, 10**9)).usable)
