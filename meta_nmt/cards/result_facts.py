"""The facts about an adapted model that its result in an evaluation tells, for the model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.base.data_folder import DataFolder
from data_prep.cleaning.subsample import sample_name
from meta_nmt.cards.data_facts import read_pack_card, recorded_licences, text_size
from meta_nmt.cards.model_card import ModelFacts
from meta_nmt.cards.verdict import judge, repetition
from meta_nmt.report.results import Result, read_lines, read_result
from meta_nmt.runs import training_log


def facts_of_result(result_file: Path, run: Path, data: Path, commit: str, versions: Mapping[str, str]) -> ModelFacts:
    """The facts that result.json, the log of the adaptation and the data folder tell.

    Args:
        result_file: the model's result.json.
        run: the folder of the adapted checkpoint.
        data: the data folder that the model was adapted on.
        commit, versions: those of the code and of the packages that made the model.

    Raises:
        InputError: the result is malformed.
    """
    result = read_result(result_file)
    target_lang = DataFolder(data).english
    size = text_size(data, sample_name(result.english_tokens, result.seed), (result.target, target_lang))
    scores = {"test BLEU": result.bleu, "test chrF": result.chrf, "test chrF2++": result.chrf2}
    repeated = repetition(read_lines(result.hypotheses), read_lines(result.references))
    dev = training_log.best_bleu(run)
    return ModelFacts(
        source_lang=result.target,
        target_lang=target_lang,
        system=result.system,
        strategy=result.strategy,
        seed=result.seed,
        english_tokens=result.english_tokens,
        pairs=size.pairs if size else None,
        scores=({} if dev is None else {"dev BLEU": dev}) | scores,
        signatures=[result.signature, result.chrf_signature, result.chrf2_signature],
        verdict=judge("test", result.bleu, result.chrf2, repeated),
        samples=_samples(result),
        pack=read_pack_card(data, result.target, sample_name(result.english_tokens, result.seed)),
        commands=result.commands,
        cost=result.cost,
        licences=recorded_licences(data, result.target),
        commit=commit,
        versions=versions,
    )


def _samples(result: Result) -> list[tuple[str, str, str]]:
    """The sentences of the test set: source, translation, reference of each."""
    if result.sources is None:
        return []
    texts: list[Any] = [read_lines(path) for path in (result.sources, result.hypotheses, result.references)]
    return list(zip(*texts, strict=True))
