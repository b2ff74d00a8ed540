"""COMET, where the package is there."""

import json
import sys
import types

from meta_nmt.cli.report import main


def test_comet_where_it_is_there(results, tmp_path, monkeypatch, capsys):
    """With a stand-in for the package: it is given source, translation and reference, and its score is shown."""
    argv = [str(results / "ro-fomaml-emb_enc-16000-s1"), "--out", str(tmp_path / "out"), "--comet"]
    assert main([*argv, str(tmp_path / "absent.ckpt")]) == 2
    assert "absent.ckpt" in capsys.readouterr().err, "a missing checkpoint is named"
    (tmp_path / "model.ckpt").touch()
    monkeypatch.setitem(sys.modules, "comet", None)
    assert main([*argv, str(tmp_path / "model.ckpt")]) == 2
    assert "unbabel-comet" in capsys.readouterr().err, "and so is a missing package"
    seen = []

    def predict(rows, batch_size, gpus, progress_bar):
        seen.extend(rows)
        return types.SimpleNamespace(system_score=0.8125)

    model = types.SimpleNamespace(predict=predict)
    monkeypatch.setitem(sys.modules, "comet", types.SimpleNamespace(load_from_checkpoint=lambda path: model))
    assert main([*argv, str(tmp_path / "model.ckpt")]) == 0
    assert len(seen) == 40 and seen[0]["src"] == seen[0]["ref"].upper() and set(seen[0]) == {"src", "mt", "ref"}
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["scores"][0]["comet"] == 81.25 and "81.25" in (tmp_path / "out/report.html").read_text()
