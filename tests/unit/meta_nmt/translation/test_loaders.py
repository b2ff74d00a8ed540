"""Translators of folders and of checkpoints, and what is no translator."""

import shutil

import pytest

import meta_nmt
from data_prep.base.errors import InputError
from meta_nmt import Translator
from meta_nmt.translation.loaders import load_checkpoints


def test_the_name_is_there_and_others_are_not():
    assert meta_nmt.Translator is Translator
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = meta_nmt.nothing_like_it


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


def test_without_ctranslate2_installed(model, tmp_path, monkeypatch):
    """Torch translates where the folder has its weights; where it has not, one line says what to install."""
    for place in ("meta_nmt.translation.loaders", "data_prep.base.extras"):
        monkeypatch.setattr(f"{place}.find_spec", lambda name: None)
    assert type(Translator(model).backend).__name__ == "TorchBackend"
    with pytest.raises(InputError, match=r"pip install 'meta-nmt\[export\]'"):
        Translator(model, backend="ctranslate2")
    shutil.copytree(model, tmp_path / "copy")
    (tmp_path / "copy/model.pt").unlink()
    with pytest.raises(InputError, match=r"pip install 'meta-nmt\[export\]'"):
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
