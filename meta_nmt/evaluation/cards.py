"""The model card of each adapted checkpoint of an evaluation, from its result and its logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import read_json
from data_prep.cleaning.subsample import sample_name
from meta_nmt.report.results import Result, read_lines, read_result
from meta_nmt.runs import training_log
from meta_nmt.translation.model_card import ModelFacts, write_model_card

SHOWN_SAMPLES = 5


def write_card(result_file: Path, model: Path, data: Path, commit: str, versions: Mapping[str, str]) -> Path:
    """MODEL_CARD.md beside the adapted checkpoint. InputError where the result is malformed."""
    result = read_result(result_file)
    scores = {"test BLEU": result.bleu, "test chrF": result.chrf, "test chrF2++": result.chrf2}
    dev = training_log.best_bleu(model)
    pack = DataFolder(data).pack(result.target).card
    facts = ModelFacts(
        source_lang=result.target,
        target_lang=DataFolder(data).english,
        system=result.system,
        strategy=result.strategy,
        seed=result.seed,
        english_tokens=result.english_tokens,
        pairs=_pairs(result, data),
        scores=({} if dev is None else {"dev BLEU": dev}) | scores,
        signatures=[result.signature, result.chrf_signature, result.chrf2_signature],
        samples=_samples(result),
        pack=read_json(pack) if pack.is_file() else {},
        commands=result.commands,
        cost=result.cost,
        commit=commit,
        versions=versions,
    )
    return write_model_card(facts, model)


def _pairs(result: Result, data: Path) -> int | None:
    """Sentence pairs of the sample; None where the data folder does not say."""
    samples = DataFolder(data).text(result.target).sides(sample_name(result.english_tokens, result.seed))[0]
    try:
        return len(read_lines(samples))
    except InputError:
        return None


def _samples(result: Result) -> list[tuple[str, str, str]]:
    """The first sentences of the test set."""
    if result.sources is None:
        return []
    texts: list[Any] = [read_lines(path) for path in (result.sources, result.hypotheses, result.references)]
    return [(s, h, r) for s, h, r in list(zip(*texts, strict=True))[:SHOWN_SAMPLES]]
