"""The facts about an adapted model that its checkpoint and its run tell, for the model card."""

from __future__ import annotations

from pathlib import Path

from data_prep.base.versions import commit, versions
from meta_nmt.bleu_tokeniser import bleu_signature, bleu_tokeniser
from meta_nmt.cards.data_facts import read_pack_card, recorded_licences, text_size
from meta_nmt.cards.model_card import PACKAGES, ModelFacts
from meta_nmt.cards.verdict import judge
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.report.results import unique
from meta_nmt.runs import cost


def system_of(checkpoint: str | Path) -> str:
    """The meta-learner of a meta-trained checkpoint: joint, fomaml ...; "unknown" for any other checkpoint."""
    return str(getattr(read_checkpoint(checkpoint)["cfg"].task, "meta_learner", "unknown"))


def facts_of_checkpoint(
    data: str | Path, checkpoint: str | Path, source_lang: str, target_lang: str, command: str
) -> ModelFacts:
    """The facts that the checkpoint's configuration, the records of its run and the data folder tell.

    ``command``: the command that is running.
    """
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
    signatures: list[str] = []
    best = state.get("extra_state", {}).get("best")
    if adapted and best is not None and config.checkpoint.best_checkpoint_metric == "bleu":
        scores["dev BLEU (beam 1)"] = float(best)
        asked = getattr(config.task, "bleu_tokenizer", None)  # None: of a version whose dev BLEU was fairseq's own
        signatures = [] if asked is None else [bleu_signature(bleu_tokeniser(target_lang, asked))]
    size = text_size(data, str(config.dataset.train_subset), (source_lang, target_lang)) if adapted else None
    return ModelFacts(
        source_lang=source_lang,
        target_lang=target_lang,
        system=system,
        strategy=("all" if parent is None else str(config.task.adapt_params)) if adapted else "zero",
        seed=int(config.common.seed),
        english_tokens=size.words if size else 0,
        pairs=size.pairs if size else None,
        scores=scores,
        signatures=signatures,
        verdict=judge("dev", next(iter(scores.values()))) if scores else None,
        pack=read_pack_card(data, source_lang, getattr(config.task, "aligned_with", None)),
        commands=[*unique(record["command"] for record in costs), command],
        cost=costs,
        licences=recorded_licences(data, source_lang),
        commit=commit(),
        versions=versions(PACKAGES),
    )
