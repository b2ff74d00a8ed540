"""Sample translations: the best and the worst of a target's test set."""

from __future__ import annotations

from sacrebleu.metrics import CHRF

from meta_nmt.report.report import Report, Sample, Samples
from meta_nmt.report.results import read_lines

SHOWN_SAMPLES = 4  # as many best and as many worst translations of a target


def samples(report: Report, target: str) -> Samples | None:
    """The best and the worst translations of a target by sentence chrF; None where there are none.

    They are of the first seed of the best system. The baseline's translations stand beside them.
    """
    runs = report.best_system(target)
    if not runs:
        return None
    result = runs[0]
    sample = (result.target, result.english_tokens, result.seed)
    baseline = [
        run
        for run in report.results
        if (run.target, run.english_tokens, run.seed) == sample and run.system == report.baseline != result.system
    ]
    baseline.sort(key=lambda run: run.strategy != result.strategy)
    ours, references = read_lines(result.hypotheses), read_lines(result.references)
    theirs = read_lines(baseline[0].hypotheses) if baseline else [None] * len(ours)
    sources = read_lines(result.sources) if result.sources else [""] * len(ours)
    chrf = CHRF()
    scored = [
        Sample(source, reference, hypothesis, their_hypothesis, chrf.sentence_score(hypothesis, [reference]).score)
        for source, reference, hypothesis, their_hypothesis in zip(sources, references, ours, theirs, strict=True)
    ]
    # short sentences show little; a stable sort keeps the order of the test set
    scored = sorted((s for s in scored if len(s.reference.split()) >= 5), key=lambda s: s.score) or scored
    count = min(SHOWN_SAMPLES, (len(scored) + 1) // 2)
    return Samples(target, result.system, result.strategy, result.english_tokens, result.seed,
                   scored[::-1][:count], scored[:count])  # fmt: skip
