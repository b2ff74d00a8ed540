"""meta-nmt-evaluate says in one line whether there is a report."""

from types import SimpleNamespace

import pytest

from meta_nmt.cli import evaluate


@pytest.mark.parametrize(
    "cells, words", [(0, "no cell did, so there is no report"), (1, "the report shows what failed")]
)
def test_what_did_not_finish_is_one_line(cells, words, tmp_path, monkeypatch, capsys):
    (tmp_path / "data.json").write_text("{}")
    experiment = SimpleNamespace(data=str(tmp_path), executor={}, targets=[], title="Title")
    done = {"kind": "job", "job": "cell", "state": "finished", "fingerprint": "1", "results": "results/cell"}
    failed = {"kind": "job", "job": "train", "state": "failed", "fingerprint": "1", "log": "log", "error": "it fell"}

    class Sweep:
        def __init__(self, steps, out, results, *_):
            self.results = results

        def run(self):
            for line in [failed, *[done] * cells]:
                self.results.append(line)
            return False

    for name, stub in (
        ("read_experiment", lambda *_: experiment), ("plan", lambda _: []), ("make_executor", lambda *_: None),
        ("fingerprints", lambda *_: {}), ("added_languages", lambda *_: {}), ("record", lambda *_: None),
        ("Sweep", Sweep), ("report", lambda *_: "report.html"),
    ):  # fmt: skip
        monkeypatch.setattr(evaluate, name, stub)
    assert evaluate.main([str(tmp_path / "x.yaml"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == "report.html\n" * cells and said.err.splitlines()[-1].count(words) == 1, said.err
    assert said.err.count("error:") == 1
