"""An export over an earlier one: killed at any point, refused over another model."""

from pathlib import Path

import pytest

from data_prep.base.files import read_json, write_json
from meta_nmt import Translator
from meta_nmt.cli import export as command
from meta_nmt.translation import export
from meta_nmt.translation.translator_folder import TranslatorFolder


class Killed(BaseException):
    """The end of a run at a certain moment."""


def make(path: Path, text: str, *, whole: bool = True) -> TranslatorFolder:
    """The files of a translator, all with the same text in them."""
    folder = TranslatorFolder(path)
    folder.ctranslate2_model.mkdir(parents=True)
    (folder.ctranslate2_model / "model.bin").write_text(text)
    for file in (folder.source_pieces, folder.target_pieces, folder.dictionary("qu"), folder.torch_model):
        file.write_text(text)
    if whole:
        folder.card.write_text(text)
        write_json(folder.record, {"text": text})
    return folder


def texts(folder: TranslatorFolder) -> set[str]:
    """What stands in all files of a translator but its records."""
    files = [path for path in folder.path.rglob("*") if path.is_file()]
    return {path.read_text() for path in files if path not in (folder.record, folder.unfinished)}


@pytest.mark.parametrize("afresh", [False, True])
def test_killed_at_any_point_a_record_is_of_what_is_there(tmp_path, monkeypatch, afresh):
    steps, moment = 0, 0

    def step(function):
        def counted(*args):
            nonlocal steps
            steps += 1
            if steps > moment:
                raise Killed
            return function(*args)

        return counted

    monkeypatch.setattr(export, "_remove", step(export._remove))
    monkeypatch.setattr(export, "write_json", step(write_json))
    monkeypatch.setattr(Path, "replace", step(Path.replace))
    finished = False
    while not finished:
        moment, steps = moment + 1, 0
        folder, new = make(tmp_path / f"{moment}", "old"), make(tmp_path / f"new{moment}", "new", whole=False)
        try:
            export.put_into_place(new, folder, {"text": "new"}, afresh)
            finished = True
        except Killed:
            pass
        if folder.record.exists():
            assert {read_json(folder.record)["text"]} == texts(folder), f"killed after step {moment}"
        else:
            assert read_json(folder.unfinished) == {"text": "new"}, "the folder must still say what it will be"
    assert moment > 8 and texts(folder) == {"new"} and not folder.unfinished.exists()


def test_another_model_is_refused_and_an_unfinished_one_is_finished(data, adapted, perturbed, tmp_path, capsys):
    out = TranslatorFolder(tmp_path / "out")
    flags = [str(data), "--source-lang", "dd", "--out", str(out), "--to", "fairseq"]
    out.path.mkdir()
    out.torch_model.write_text("mine")
    assert command.main([*flags, "--path", str(adapted)]) == 2, "a file that is no export must not be written over"
    assert "holds model.pt" in capsys.readouterr().err and out.torch_model.read_text() == "mine"
    out.torch_model.unlink()
    left = out.path / ".translator.abc.partial"
    left.mkdir()
    assert command.main([*flags, "--path", str(adapted)]) == 0 and not left.exists(), "a killed run left it"
    first = read_json(out.record)
    assert command.main([*flags, "--path", str(perturbed)]) == 2, "another model"
    error = capsys.readouterr().err
    assert "checkpoint differs" in error and "--force" in error and error.count("\n") == 1, error
    assert read_json(out.record) == first and out.card.is_file(), "a refusal changes nothing"
    out.record.rename(out.unfinished)
    assert command.main([*flags, "--path", str(perturbed)]) == 2, "an unfinished one is of that model, too"
    with pytest.raises(Exception, match="is not finished"):
        Translator(out.path)
    assert command.main([*flags, "--path", str(adapted)]) == 0 and read_json(out.record) == first
    out.ctranslate2_model.mkdir()
    assert command.main([*flags, "--path", str(perturbed), "--force"]) == 0
    assert read_json(out.record)["checkpoint"] != first["checkpoint"]
    assert not out.unfinished.exists() and not out.ctranslate2_model.exists(), "nothing of the other model may stay"
