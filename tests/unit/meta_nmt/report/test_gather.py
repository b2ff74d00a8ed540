"""What a report gathers beside scores, and what it says where something is missing."""

import json
import shutil
import sys
import types
from dataclasses import replace

import pytest
from results_folder import write_data_record

from meta_nmt.cli.report import main
from meta_nmt.report import make_report, write_report
from meta_nmt.report.gather import data_record
from meta_nmt.report.page import finding
from meta_nmt.report.plots import plots, rendered
from meta_nmt.report.tables import audit_table, paper_table, training_table


def test_the_main_table_is_the_paper_s(gathered):
    table = paper_table(gathered)
    assert gathered.budget == 16_000, "the paper's size"
    assert table.groups == [("", 1), ("fi", 2), ("ro", 3)], "zero-shot beside the strategies, for each target"
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert list(rows) == ["scratch", "joint", "fomaml", "meta_sgd"], "baselines come first"
    assert rows["scratch"][0] == "" and rows["scratch"][1] != "", "scratch has no zero-shot, but stands by emb_enc"
    assert rows["scratch"][3] != "" == rows["scratch"][4], "by every fine-tuning, and by no learned rule"
    runs = [r.bleu for r in gathered.results
            if (r.system, r.target, r.english_tokens, r.strategy) == ("fomaml", "fi", 16_000, "emb_enc")]  # fmt: skip
    assert rows["fomaml"][1] == f"{sum(runs) / 3:.2f}", "the mean over seeds"
    for column in range(1, 6):
        values = [row[column].value or 0 for row in table.rows]
        assert [row[column].best for row in table.rows] == [v == max(values) for v in values], "the best is marked"
    full = {cell.text for cell in table.foot[0]}
    whole = [r for r in gathered.results if r.english_tokens == 30_000]
    assert {f"{r.bleu:.2f}" for r in whole} < full and len(table.foot) == 1, "what the whole text gives, as reference"


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


def test_the_lead_sentence_says_what_the_numbers_say(gathered):
    text = finding(gathered)
    means = {}
    for system in ("fomaml", "joint", "scratch"):
        by_target = [
            [r.bleu for r in gathered.results if (r.system, r.target, r.english_tokens) == (system, target, 16_000)]
            for target in ("ro", "fi")
        ]
        means[system] = f"{sum(sum(runs) / 3 for runs in by_target) / 2:.2f}"
    assert f"fomaml reaches {means['fomaml']} BLEU on average over 2 languages" in text, text
    assert f"against {means['joint']} of joint" in text and f"from scratch gives {means['scratch']}." in text, text
    (test,) = [c for c in gathered.significance if (c.target, c.english_tokens, c.test) == ("all", 16_000, "bs")]
    assert f"p = {test.p:.3f}" in text and f"{test.delta:+.2f}" in text, text
    (over_seeds,) = [c for c in gathered.significance if (c.target, c.english_tokens, c.test) == ("all", 16_000, "t")]
    assert f"over seeds p = {over_seeds.p:.3f}" in text, text
    # the verdict is cautious where either test is
    for p, q, words in ((0.2, 0.2, "within chance"), (0.01, 0.2, "other seeds may not show it"), (0.01, 0.02, "")):
        tests = [replace(test, p=p), replace(over_seeds, p=q)]
        verdict = finding(replace(gathered, significance=tests))
        said = [w for w in ("within chance", "other seeds may not show it") if w in verdict]
        assert said == ([words] if words else []), verdict
    alone = finding(replace(gathered, significance=[test]))
    assert "over seeds" not in alone and f"p = {test.p:.3f}" in alone, "one seed has no t-test"


def test_samples_are_the_best_and_the_worst(gathered):
    fi, ro = gathered.samples
    assert (fi.system, ro.strategy, len(ro.best), len(ro.worst)) == ("fomaml", "emb_enc", 4, 4), "of the best system"
    scores = [s.score for s in ro.best] + [s.score for s in reversed(ro.worst)]
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1], "from the best to the worst"
    assert ro.best[0].source == ro.best[0].reference.upper() and ro.best[0].theirs, "source and baseline stand beside"


def test_curves_run_over_the_tokens_spent(gathered):
    curves = {curve.system: curve.points for curve in gathered.curves}
    assert set(curves) == {"joint", "fomaml", "meta_sgd"}, "of every system that was meta-trained"
    assert curves["joint"][-1] == pytest.approx((0.123456, 3.0, 15.0)), "(million tokens, loss, BLEU)"
    table = training_table(gathered)
    assert [row[1].text for row in table.rows if row[0].text == "joint"] == ["123,456"], "and so does the table"


def test_figures_have_the_same_bytes_again_and_both_formats(gathered, written):
    names = {plot.name for plot in plots(gathered)}
    assert names == {"budget-ro", "budget-fi", "meta-training"}, names
    for plot in plots(gathered):
        png, svg = ((written / f"plots/{plot.name}.{form}").read_bytes() for form in ("png", "svg"))
        assert png.startswith(b"\x89PNG") and svg.startswith(b"<?xml"), "both formats"
        assert (rendered(plot, "png"), rendered(plot, "svg")) == (png, svg), f"{plot.name} is drawn otherwise again"


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


def test_a_target_that_was_added_later_stands_in_the_audit(tmp_path):
    data = write_data_record(tmp_path / "data", ["ro"], 30_000)
    sizes = {"train": (90, 1200), "valid": (30, 400), "test": (20, 300)}
    splits = {name: {"lines": lines, "english_tokens": tokens} for name, (lines, tokens) in sizes.items()}
    card = {"lang": "fi", "role": "target", "alignment": {"precision_at_1": 0.32}, "text": {"splits": splits}}
    card["held_out_in_meta_training"] = 5
    (data / "lang/fi").mkdir(parents=True)
    (data / "lang/fi/card.json").write_text(json.dumps(card))
    record = data_record(data, ["ro", "fi", "absent"])
    rows = {row[0].text: [cell.text for cell in row[1:8]] for row in audit_table(record).rows}
    assert list(rows) == ["src", "ro", "fi", "en"], "after those that preprocess made; what has no card is left out"
    assert rows["fi"] == ["target, added", "90", "1,200", "0.32", "", "50", "5"]
    assert rows["ro"][:2] == ["target", "3,750"]


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
