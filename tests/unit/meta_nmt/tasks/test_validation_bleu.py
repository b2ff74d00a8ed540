"""BLEU of a validation that has batches without a word in any hypothesis."""

from itertools import permutations

import pytest
from fairseq.logging import metrics
from sacrebleu.metrics import BLEU
from tiny_task import build

REFERENCE = "a b c d e f"
HYPOTHESES = {"text": "a b c d e x", "more": "a b c d", "nothing": ""}


def log_of(hypothesis):
    """What fairseq's translation task logs of a batch of one sentence."""
    bleu = BLEU().corpus_score([hypothesis], [[REFERENCE]])
    log = {"loss": 1.0, "nll_loss": 1.0, "ntokens": 6, "nsentences": 1, "sample_size": 6}
    log |= {"_bleu_sys_len": bleu.sys_len, "_bleu_ref_len": bleu.ref_len}
    for n in range(4):
        log |= {f"_bleu_counts_{n}": bleu.counts[n], f"_bleu_totals_{n}": bleu.totals[n]}
    return log


@pytest.mark.parametrize("order", [*permutations(HYPOTHESES), ("nothing", "nothing"), ("text",)], ids="-".join)
def test_bleu_is_that_of_all_batches(data, order):
    task, _, criterion = build(data, "--eval-bleu")
    with metrics.aggregate(new_root=True) as meters:
        for name in order:
            task.reduce_metrics([log_of(HYPOTHESES[name])], criterion)
    expected = BLEU().corpus_score([HYPOTHESES[name] for name in order], [[REFERENCE] * len(order)]).score
    assert meters.get_smoothed_values()["bleu"] == pytest.approx(expected, abs=0.006)
    assert (expected > 0) == ("text" in order)
