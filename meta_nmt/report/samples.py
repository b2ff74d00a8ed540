"""Translations to look at: the best and the worst of a target's test set."""

from __future__ import annotations

from sacrebleu.metrics import CHRF

from meta_nmt.report.report import Report, Sample, Samples
from meta_nmt.report.results import read_lines

SHOWN_SAMPLES = 4  # best and worst translations of a target


def samples(report: Report, target: str) -> Samples | None:
    """Best and worst translations by sentence chrF, of the best system's first seed; the baseline's beside them."""
    runs = report.best_system(target)
    if not runs:
        return None
    result = runs[0]
    same = (result.target, result.english_tokens, result.seed)
    baseline = [
        other
        for other in report.results
        if (other.target, other.english_tokens, other.seed) == same and other.system == report.baseline != result.system
    ]
    baseline.sort(key=lambda other: other.strategy != result.strategy)
    ours, references = read_lines(result.hypotheses), read_lines(result.references)
    theirs = read_lines(baseline[0].hypotheses) if baseline else [None] * len(ours)
    sources = read_lines(result.sources) if result.sources else [""] * len(ours)
    chrf = CHRF()
    scored = [
        Sample(source, reference, hypothesis, other, chrf.sentence_score(hypothesis, [reference]).score)
        for source, reference, hypothesis, other in zip(sources, references, ours, theirs, strict=True)
    ]
    # long enough to show something; a stable sort keeps the order of the test set
    scored = sorted((s for s in scored if len(s.reference.split()) >= 5), key=lambda s: s.score) or scored
    count = min(SHOWN_SAMPLES, (len(scored) + 1) // 2)
    return Samples(target, result.system, result.strategy, result.english_tokens, result.seed,
                   scored[::-1][:count], scored[:count])  # fmt: skip
