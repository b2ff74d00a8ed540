"""Results read and scored: sacreBLEU's own numbers, and one clear line for a bad result."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_results import BAD, GOOD, TRAIN_COST, assert_refused, read_report, small_result

from meta_nmt.cli.report import main


def test_scores_equal_the_sacrebleu_command(tmp_path: Path) -> None:
    folder = small_result(tmp_path / "results" / "one", GOOD)
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    command = [
        sys.executable,
        "-m",
        "sacrebleu",
        str(folder / "references.txt"),
        "-i",
        str(folder / "hypotheses.txt"),
    ]
    options = ["-m", "bleu", "chrf", "--format", "json", "-w", "12"]
    bleu, chrf = json.loads(subprocess.run(command + options, capture_output=True, check=True).stdout)
    row = read_report(tmp_path / "out")[0]["rows"][0]
    assert (round(row["bleu"], 12), round(row["chrf"], 12)) == (bleu["score"], chrf["score"]), "not sacreBLEU's"
    assert row["signature"] == bleu["signature"], "not sacreBLEU's signature"
    assert 0 < row["bleu"] < 100, "the test texts should neither agree nor differ wholly"


def test_chrf_plus_plus_equals_the_sacrebleu_command(tmp_path: Path) -> None:
    folder = small_result(tmp_path / "results" / "one", GOOD)
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    command = [sys.executable, "-m", "sacrebleu", str(folder / "references.txt"), "-i", str(folder / "hypotheses.txt")]
    options = ["-m", "chrf", "--chrf-word-order", "2", "--format", "json", "-w", "12"]
    wanted = json.loads(subprocess.run(command + options, capture_output=True, check=True).stdout)
    report, text = read_report(tmp_path / "out")
    assert round(report["scores"][0]["chrf++"], 12) == wanted["score"], "not sacreBLEU's"
    assert wanted["signature"] in text, "not sacreBLEU's signature"


def test_a_folder_given_twice_counts_once_but_the_same_row_from_two_runs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = small_result(tmp_path / "results" / "one", GOOD).parent
    assert main([str(results), str(results), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    assert len(read_report(tmp_path / "out")[0]["rows"]) == 1, "one result, one row"
    small_result(tmp_path / "results" / "other", BAD)
    assert main([str(results), "--out", str(tmp_path / "out")]) == 2, "two results of one name"
    message = capsys.readouterr().err
    assert "other" in message and "one" in message, message


BAD_RESULTS = {
    "not JSON": lambda folder: (folder / "result.json").write_text('{"system": "a",\n', encoding="utf-8"),
    "not UTF-8": lambda folder: (folder / "hypotheses.txt").write_bytes(b"caf\xe9\n" * 4),
    "a list": lambda folder: (folder / "result.json").write_text("[]", encoding="utf-8"),
    "no hypotheses": lambda folder: (folder / "hypotheses.txt").unlink(),
    "no references": lambda folder: (folder / "references.txt").unlink(),
    "fewer hypotheses": lambda folder: (folder / "hypotheses.txt").write_text("a\nb\n", encoding="utf-8"),
    "empty": lambda folder: [(folder / f"{name}.txt").write_bytes(b"") for name in ("hypotheses", "references")],
}


@pytest.mark.parametrize("damage", BAD_RESULTS)
def test_a_bad_result_is_one_line(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = small_result(tmp_path / "results" / "one", GOOD)
    BAD_RESULTS[damage](folder)
    assert_refused([str(tmp_path / "results"), "--out", str(tmp_path / "out")], str(folder), capsys)
    assert not (tmp_path / "out").exists(), "something was written"


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"seed": "1"}, "'seed'"),
        ({"seed": True}, "'seed'"),
        ({"system": None}, "'system'"),
        ({"cost": {}}, "'cost'"),
        ({"cost": [{"kind": "train"}]}, "'command'"),
        ({"cost": [{**TRAIN_COST, "wall_s": "long"}]}, "'wall_s'"),
    ],
)
def test_a_bad_field_is_named(
    fields: dict[str, Any], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_result(tmp_path / "results" / "one", GOOD, **fields)
    assert_refused([str(tmp_path / "results"), "--out", str(tmp_path / "out")], part, capsys)
