"""fairseq's own BLEU over token ids, without its compiled library."""

import importlib
from typing import Any

import pytest
import sacrebleu
import torch
from fairseq.scoring import bleu

import meta_nmt.compat  # noqa: F401  loads fairseq as the commands do
from meta_nmt.runs import token_bleu

PAD, EOS, UNK = 1, 2, 3


class InPython(bleu.Scorer):  # type: ignore[misc]
    """fairseq's scorer with our counts, whether it has its own or not."""

    __init__, reset, add = token_bleu.start, token_bleu.reset, token_bleu.add


def sentences(pairs: int = 40, seed: int = 1) -> list[tuple[list[int], list[int]]]:
    """Reference and translation, alike, of a few words; some of them unknown."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number in range(pairs):
        reference = torch.randint(UNK, 12, (1 + number % 9,), generator=generator).tolist()
        swapped = torch.randint(UNK, 12, (len(reference),), generator=generator).tolist()
        keep = torch.rand(len(reference), generator=generator) < 0.7
        translation = [a if kept else b for a, b, kept in zip(reference, swapped, keep.tolist(), strict=True)]
        made.append((reference, translation[number % 3 :] or translation))
    return made


def scored(scorer: Any) -> Any:
    for number, (reference, translation) in enumerate(sentences()):
        padding = [PAD] * (number % 2)
        scorer.add(
            torch.IntTensor([*padding, *reference, EOS, *padding]), torch.IntTensor([*padding, *translation, EOS])
        )
    return scorer


def test_the_score_is_sacrebleus_on_the_same_tokens() -> None:
    texts = []
    for number, (reference, translation) in enumerate(sentences()):
        names = [f"?{number}" if i == UNK else str(i) for i in reference]  # an unknown word matches nothing
        texts.append((" ".join(names), " ".join(map(str, translation))))
    references, translations = zip(*texts, strict=True)
    wanted = sacrebleu.corpus_bleu(translations, [references], tokenize="none", smooth_method="none", force=True)
    assert 10 < wanted.score < 90, "the sentences must be neither all right nor all wrong"
    assert scored(InPython(bleu.BleuConfig())).score() == pytest.approx(wanted.score)


@pytest.mark.parametrize("one_init", [False, True])
def test_score_and_line_are_those_of_the_compiled_library(one_init: bool) -> None:
    if bleu.Scorer.add is token_bleu.add:
        pytest.skip("fairseq is installed without its compiled parts: there is nothing to compare with")
    importlib.import_module("fairseq.libbleu")
    lines = []
    for kind in (InPython, bleu.Scorer):
        scorer = kind(bleu.BleuConfig())
        scorer.reset(one_init)
        lines.append((scored(scorer).score(), scorer.result_string()))
    assert lines[0] == lines[1]


def test_a_scorer_starts_and_starts_again_from_nothing() -> None:
    scorer = scored(InPython(bleu.BleuConfig()))
    first = scorer.result_string()
    scorer.reset()
    assert scorer.stat.predlen == scorer.stat.count1 == scorer.stat.match4 == 0
    assert scored(scorer).result_string() == first
