"""What a report gathers beside scores, and what it says where something is missing."""

import json
import shutil

import pytest

from meta_nmt.cli.report import main
from meta_nmt.report.gather import make_report
from meta_nmt.report.write import write_report


@pytest.mark.slow
def test_many_results_are_scored_by_several_processes(results, gathered):
    report = make_report([results], "A report")
    assert report.results == gathered.results and report.significance == gathered.significance, "the same numbers"


def test_another_size_and_baseline_on_request(results, tmp_path, capsys):
    argv = [str(results / "ro-joint-emb_enc-1000-s1"), str(results / "ro-fomaml-emb_enc-1000-s1")]
    argv += ["--baseline", "fomaml", "--out", str(tmp_path / "out")]
    assert main([*argv, "--english-tokens", "1000"]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert {(row["system"], row["against"]) for row in report["significance"]} == {("joint", "fomaml")}
    assert main([*argv, "--english-tokens", "999"]) == 2, "a size without results"
    assert "`--english-tokens` must be one of [1000], but is 999" in capsys.readouterr().err


def test_data_folder_and_logs_may_be_gone(results, tmp_path):
    for name in ("ro-fomaml-emb_enc-16000-s1", "ro-joint-emb_enc-16000-s1"):
        folder = tmp_path / "results" / name
        shutil.copytree(results / name, folder)
        record = json.loads((folder / "result.json").read_text())
        cost = [entry | {"run": "gone"} for entry in record["cost"]]
        (folder / "result.json").write_text(json.dumps(record | {"data": "gone", "cost": cost}))
        (folder / "sources.txt").unlink()
    report = make_report([tmp_path / "results"], "A report")
    write_report(report, tmp_path / "out")
    assert not report.data and not report.curves and report.samples[0].best[0].source == "", "left out, not made up"
    assert "Data and leakage" not in (tmp_path / "out/report.html").read_text(), "nor shown"


def ledger(results, *lines):
    cells = [{"kind": "job", "job": f"cell/{name}", "state": "finished", "results": name}
             for name in ("ro-fomaml-emb_enc-16000-s1", "ro-joint-emb_enc-16000-s1")]  # fmt: skip
    path = results / "results.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *cells]) + '{"kind": "jo', encoding="utf-8")
    return path


def test_a_results_file_names_its_cells_and_what_failed(results, tmp_path):
    shutil.copytree(results, tmp_path / "sweep")
    (tmp_path / "sweep/job.log").write_text("".join(f"line {n}\n" for n in range(100)) + "no space left\n")
    failed = {"kind": "job", "job": "cell/fi", "state": "failed", "error": "no space left", "log": "job.log"}
    mended = failed | {"job": "cell/ro-fomaml-emb_enc-16000-s1"}
    experiment = {"kind": "experiment", "experiment": {"targets": ["ro"]}, "jobs": ["cell/fi", "cell/other"]}
    choice = {"kind": "choice", "name": "lr", "what": "adaptation", "for": "fomaml, emb_enc", "chosen": "lr 0.001",
              "dev_bleu": {"lr 0.001": 31.25, "lr 0.01": 12.0}}  # fmt: skip
    path = ledger(tmp_path / "sweep", experiment, choice | {"chosen": "lr 99"}, choice, failed, mended)
    for given in (path, path.parent):
        report = make_report([given], "A report")
        assert len(report.results) == 2, "the finished cells, not every folder; a torn last line is none"
        assert [f.job for f in report.failures] == ["cell/fi"], "a job that ran again has mended its failure"
        assert report.failures[0].tail.endswith("line 99\nno space left"), "the end of its log"
        assert report.unfinished == 1, "cell/other"
    assert report.choices == [choice], "a choice that was made again is the last one"
    write_report(report, tmp_path / "out")
    for name in ("report.html", "report.md"):
        text = (tmp_path / "out" / name).read_text()
        assert "no space left" in text and "cell/fi" in text, f"{name} does not show what failed"
        assert "lr 0.001" in text and "31.25" in text, f"{name} does not show what was chosen"
    assert json.loads((tmp_path / "out/report.json").read_text())["failed"][0]["job"] == "cell/fi"


def test_what_an_earlier_version_of_the_experiment_ran_is_left_out(results, tmp_path):
    shutil.copytree(results, tmp_path / "sweep")
    names = ["ro-fomaml-emb_enc-16000-s1", "ro-joint-emb_enc-16000-s1"]
    cells = [{"kind": "job", "job": name, "state": "finished", "results": name, "fingerprint": "1"} for name in names]
    failed = {"kind": "job", "job": "adapt", "state": "failed", "error": "?", "log": "job.log", "fingerprint": "1"}
    choice = {"kind": "choice", "name": "lr", "what": "learning rate", "for": "ro", "chosen": "0.001",
              "dev_bleu": {"0.001": 31.25}, "fingerprint": "1"}  # fmt: skip

    def report(jobs, choices):
        now = {"kind": "experiment", "experiment": {}, "jobs": jobs, "choices": choices}
        lines = [*cells, failed, choice, now]
        (tmp_path / "sweep/results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return make_report([tmp_path / "sweep"], "A report")

    same = report({names[0]: "1", names[1]: "1", "adapt": "1"}, {"lr": "1"})
    assert [len(x) for x in (same.results, same.failures, same.choices)] == [2, 1, 1] and same.unfinished == 0
    changed = report({names[0]: "1", names[1]: "2", "adapt": "2"}, {"lr": "2"})
    assert [r.system for r in changed.results] == ["fomaml"], "joint is adapted in another way now"
    assert not changed.failures and not changed.choices and changed.unfinished == 2
    fewer = report({names[0]: "1"}, {})
    assert [r.system for r in fewer.results] == ["fomaml"] and fewer.unfinished == 0, "joint was taken out"


@pytest.mark.parametrize(("text", "part"), [("no JSON\n", "line 1"), ("[]\n", "line 1"), ("", "finished cell")])
def test_a_damaged_results_file_is_one_line(text, part, tmp_path, capsys):
    (tmp_path / "results.jsonl").write_text(text)
    assert main([str(tmp_path / "results.jsonl"), "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and part in message and "results.jsonl" in message, message
