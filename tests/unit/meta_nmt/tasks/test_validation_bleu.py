"""BLEU of a validation: that of the text, also where pieces are bytes, and where hypotheses are empty."""

import shutil
from itertools import permutations

import numpy as np
import pytest
import torch
from fairseq.logging import metrics
from sacrebleu.metrics import BLEU
from tiny_task import build

from data_prep.packs import subwords
from meta_nmt.tasks.meta_translation import MetaTranslationTask
from meta_nmt.tasks.ulr_translation import ULRTranslationTask

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


@pytest.fixture
def lower_case(data, tmp_path):
    """A data folder whose English vocabulary has small letters alone: capitals are spelled as bytes."""
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    words = ["the", "lord", "spoke", "unto", "abraham", "in", "egypt", "and", "went", "out", "of", "land"]
    lines = [" ".join(words[(i * step) % len(words)] for i in range(8)) for step in range(1, 40)]
    (folder / "lang/en/spm.model").write_bytes(subwords.train(lines, 60))
    pieces = subwords.pieces_of(subwords.load(folder / "lang/en/spm.model"))
    (folder / "lang/en/dict.txt").write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")
    np.save(folder / "lang/en/vectors.npy", np.zeros((4 + len(pieces), 16), dtype=np.float32))
    return folder


def test_bleu_is_that_of_the_text_where_capitals_are_spelled_as_bytes(lower_case, monkeypatch):
    references = ["The LORD spoke unto Abraham in Egypt", "And Abraham went out of the land of EGYPT", "Amen"]
    hypotheses = ["The LAND spoke unto ABIDE in Edom", "and abraham went out of the land of egypt", ""]
    task, _, _ = build(lower_case, "--eval-bleu")
    encoder, dictionary = subwords.load(lower_case / "lang/en/spm.model"), task.target_dictionary

    def tokens(line):
        ids = [dictionary.index(piece) for piece in encoder.encode_as_pieces(line)]
        assert dictionary.unk() not in ids and (not line[:1].isupper() or "<0x" in dictionary[ids[1]])
        return torch.tensor([*ids, dictionary.eos()])

    longest = max(len(tokens(line)) for line in references)
    padded = [torch.nn.functional.pad(tokens(r), (0, longest - len(tokens(r))), value=1) for r in references]
    monkeypatch.setattr(task, "inference_step", lambda *_, **__: [[{"tokens": tokens(line)}] for line in hypotheses])
    counted = task._inference_with_bleu(None, {"target": torch.stack(padded)}, None)
    expected = BLEU().corpus_score(hypotheses, [references])
    assert (counted.counts, counted.totals) == (expected.counts, expected.totals)
    assert (counted.sys_len, counted.ref_len) == (expected.sys_len, expected.ref_len)


def test_fine_tuning_counts_as_meta_validation_does():
    assert ULRTranslationTask._inference_with_bleu is MetaTranslationTask._inference_with_bleu
