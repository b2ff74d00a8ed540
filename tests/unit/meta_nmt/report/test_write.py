"""The files of a report: the contract of the JSON, and the CSV."""

import csv
from pathlib import Path

import pytest
from small_results import BAD, GOOD, read_report, small_result

from meta_nmt.cli.report import main


def test_rows_follow_the_contract(tmp_path: Path) -> None:
    small_result(tmp_path / "results" / "one", GOOD)
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    report, _ = read_report(tmp_path / "out")
    (row,) = report["rows"]
    fields = "system target english_tokens strategy seed bleu chrf signature hypotheses references"
    assert list(row) == fields.split(), "fields of a row"
    for name in ("hypotheses", "references"):
        assert not Path(row[name]).is_absolute(), f"{name} must be a relative path"
        assert (tmp_path / "out" / row[name]).is_file(), f"{name} must lead from the report to the text"
    assert list(report["run"]) == ["commit", "versions", "commands", "cost"], "fields of run"


def test_significance_follows_the_contract(tmp_path: Path) -> None:
    small_result(tmp_path / "results" / "one", GOOD)
    small_result(tmp_path / "results" / "two", BAD, system="joint")
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    report, text = read_report(tmp_path / "out")
    fields = "target english_tokens strategy system against delta p test"
    assert [list(row) for row in report["significance"]] == [fields.split()] * 2, "fields of a comparison"
    assert [row["test"] for row in report["significance"]] == ["bs", "ar"], "both tests"
    row = report["significance"][0]
    bleu = {row["system"]: row["bleu"] for row in report["rows"]}
    assert row["delta"] == pytest.approx(bleu["fomaml"] - bleu["joint"], abs=1e-9), "BLEU less BLEU"
    assert 0 < row["p"] <= 1 and (row["system"], row["against"]) == ("fomaml", "joint"), row
    assert "## Significance against joint" in text, "the Markdown has it too"


def test_csv_has_a_line_for_each_row(tmp_path: Path) -> None:
    small_result(tmp_path / "results" / "one", GOOD)
    small_result(tmp_path / "results" / "two", BAD, seed=2, system='a "quoted", system')
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    report, _ = read_report(tmp_path / "out")
    with open(tmp_path / "out" / "report.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2, "a line a row"
    for line, row, more in zip(lines, report["rows"], report["scores"], strict=True):
        wanted = {name: str(value) for name, value in {**row, "chrf++": more["chrf++"]}.items()}
        assert line == wanted, "the same numbers as the JSON"
