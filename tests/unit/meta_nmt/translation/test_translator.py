"""Translator folders: the Python API, its two backends, and what becomes of odd lines."""

import shutil

import pytest
import torch

import meta_nmt
from data_prep.base.errors import InputError
from meta_nmt import Translator
from meta_nmt.tasks.adapted import load_adapted
from meta_nmt.translation.backend import longest_hypothesis
from meta_nmt.translation.fold import fold
from meta_nmt.translation.loaders import load_checkpoints
from meta_nmt.translation.translator import BATCH_PIECES, batches_by_length


@pytest.fixture(scope="module")
def lines(data):
    return (data / "text/dd-en/valid.dd").read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def loaded(model):
    """By backend."""
    return {name: Translator(model, backend=name, beam=3) for name in ("torch", "ctranslate2")}


def test_the_name_is_there_and_others_are_not():
    assert meta_nmt.Translator is Translator
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = meta_nmt.nothing_like_it


def test_the_fold_gives_the_same_numbers(data, adapted):
    task, (model,) = load_adapted(data, [adapted], "dd", "en")
    tokens = torch.tensor([[4, 5, 6, 2, 1], [20, 63, 3, 4, 2]])
    before = model.encoder.embed_tokens
    assert before.residual.any(), "the residual takes part"
    expected = before(tokens)
    fold(model)
    assert type(model.encoder.embed_tokens) is torch.nn.Embedding
    torch.testing.assert_close(model.encoder.embed_tokens(tokens), expected, rtol=1e-6, atol=1e-6)
    assert len(model.encoder.embed_tokens.weight) == len(task.source_dictionary)


def test_both_backends_and_the_checkpoint_agree(data, adapted, loaded, lines):
    results = {name: translator.results(lines, 2) for name, translator in loaded.items()}
    results["checkpoint"] = load_checkpoints(data, [adapted], "dd", beam=3).results(lines, 2)
    expected = results.pop("checkpoint")
    assert len({result.text for result in expected}) > len(lines) // 2, "the model says different things"
    for name, found in results.items():
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.text == theirs.text and ours.pieces == theirs.pieces, name
            assert len(ours.hypotheses) == 2
            for one, other in zip(ours.hypotheses, theirs.hypotheses, strict=True):
                if one.pieces == other.pieces:  # CTranslate2 forbids an empty hypothesis before the softmax
                    assert one.score == pytest.approx(other.score, abs=5e-3), f"{name}: the same scale of scores"
            assert ours.hypotheses[0].score >= ours.hypotheses[1].score, "best first"


@pytest.mark.parametrize("backend", ["torch", "ctranslate2"])
def test_odd_lines_stay_in_their_places(loaded, lines, backend):
    translator = loaded[backend]
    odd = ["", "   ", "Привет, мир", "\ud83d", "\u200b", " ".join(lines * 20), "a\nb\tc\x00d"]
    results = translator.results([lines[0], *odd, lines[1]])
    assert [result.source for result in results] == [lines[0], *odd, lines[1]]
    alone = translator.translate(lines[:2])
    assert [results[0].text, results[-1].text] == alone, "the others do not change a line"
    assert [bool(result.hypotheses) for result in results[1:3]] == [False, False], "no word, no translation"
    assert results[1].text == "" and not results[1].warnings
    assert "script" in results[3].warnings[0], "unknown words are said"
    assert results[6].warnings == [f"cut from {len(' '.join(lines * 20).split())} to 500 pieces"]
    assert len(results[6].pieces) == 500 and not results[0].warnings
    assert all("\n" not in result.text for result in results)


def test_no_lines(loaded):
    assert [translator.translate([]) for translator in loaded.values()] == [[], []]


def test_batches_are_bounded_and_whole():
    lengths = [1, 2, 2, 3, 5, 400, 3000, 3999, 4000, 9000] + [1] * 200
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    batches = list(batches_by_length(order, lengths, 64))
    assert [i for batch in batches for i in batch] == order
    for batch in batches:
        padded = len(batch) * (max(lengths[i] for i in batch) + 1)
        assert len(batch) <= 64 and (padded <= BATCH_PIECES or len(batch) == 1)


def test_the_longest_hypothesis_is_fairseq_s():
    assert longest_hypothesis([["a"] * 9, ["a"]]) == 25, "1.5 times 9 pieces and the end symbol, and 10"
    assert longest_hypothesis([["a"] * 5000]) == 1023


def test_neighbours_are_of_the_model(loaded, data):
    near = loaded["torch"].neighbours["▁ddwaa"]
    assert near[0][0] == "▁waa", "the vectors of the test data are near to their English ones"
    assert len(near) == 8 and sum(weight for _, weight in near) <= 1.001
    assert len(loaded["torch"].neighbours) == 60


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda f: (f / "translator.json").unlink(), "must be a translator folder"),
        (lambda f: (f / "translator.json").write_text('{"format": 99}'), "must be of format 1"),
        (lambda f: (f / "translator.json").write_text('{"format": 1, "source_lang": "../x"}'), "language code"),
        (lambda f: (f / "source.spm").write_bytes(b"no"), "source.spm"),
        (lambda f: (f / "dict.dd.txt").unlink(), "dict.dd.txt"),
        (lambda f: (f / "model.pt").write_bytes(b"no"), "model.pt"),
        (lambda f: (f / "model.pt").unlink(), "must have a model for torch"),
        (lambda f: (f / "neighbours.json").write_text('{"a": 3}'), "neighbours.json"),
        (lambda f: (f / "dict.dd.txt").write_text("x 1\n"), "must fit the dictionaries"),
    ],
)
def test_damaged_folders_are_named(model, tmp_path, damage, words):
    shutil.copytree(model, tmp_path / "copy")
    damage(tmp_path / "copy")
    with pytest.raises(InputError, match=words):
        Translator(tmp_path / "copy", backend="torch")


def test_a_damaged_ctranslate2_model(model, tmp_path):
    shutil.copytree(model, tmp_path / "copy")
    (tmp_path / "copy/ctranslate2/model.bin").write_bytes(b"no")
    with pytest.raises(InputError, match="ctranslate2"):
        Translator(tmp_path / "copy")


@pytest.mark.parametrize("arguments, words", [({"beam": 0}, "beam"), ({"max_pieces": 0}, "max_pieces")])
def test_impossible_arguments(model, arguments, words):
    with pytest.raises(InputError, match=f"{words} must be at least 1"):
        Translator(model, **arguments)
    with pytest.raises(InputError, match="nbest must be between 1 and the beam width 2"):
        Translator(model, beam=2).results(["x"], 3)


def test_an_ensemble_of_adapted_checkpoints(data, adapted, perturbed, lines):
    def scores(*paths):
        results = load_checkpoints(data, paths, "dd", beam=1).results(lines)
        return [(result.text, result.hypotheses[0].score) for result in results]

    single, other, both = scores(adapted), scores(perturbed), scores(adapted, perturbed)
    assert [text for text, _ in scores(adapted, adapted)] == [text for text, _ in single], (
        "one model twice is that model"
    )
    assert both != single and both != other, "both have a say"
    for (text, score), (one, a), (two, b) in zip(both, single, other, strict=True):
        if text == one == two:  # the mean of probabilities lies between them, and their logarithms do too
            assert min(a, b) - 1e-4 <= score <= max(a, b) + 0.1, "neither model would say so"
