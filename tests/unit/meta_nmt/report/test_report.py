"""The BLEU report: sacreBLEU's own numbers, the JSON contract, and one clear line for a bad result."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from arguments import arguments

from meta_nmt.cli.report import main

REFERENCES = [
    "the old dog sees a cat.",
    "who will sleep?",
    "caf\u2028e, it's 3.5% of “that”!",
    "a\rb c d e f",
]
GOOD = ["the old dog saw a cat.", "who sleeps?", "cafe, it's 3.5 % of that!", "a b c d e g"]
BAD = ["dog", "", "it's 3.5%", "x y z"]
TRAIN_COST = {
    "command": "meta-nmt-train DATA",
    "kind": "train",
    "run": "/somewhere/run/fomaml",
    "train_tokens": 12345678,
    "wall_s": 61.6,
    "peak_memory_mib": 900.2,
    "device": "some processor",
    "parent": None,
}


def result(folder: Path, hypotheses: list[str], **fields: Any) -> Path:
    """A result folder as meta-nmt-generate writes it."""
    folder.mkdir(parents=True)
    for name, lines in (("hypotheses", hypotheses), ("references", REFERENCES)):
        (folder / f"{name}.txt").write_bytes("".join(line + "\n" for line in lines).encode())
    record = {
        "system": "fomaml",
        "target": "ro",
        "english_tokens": 16000,
        "strategy": "emb_enc",
        "seed": 1,
        "checkpoint": "a/checkpoint_best.pt",
        "commands": ["meta-nmt-train DATA", f"meta-nmt-adapt {folder.name}"],
        "cost": [TRAIN_COST, {**TRAIN_COST, "kind": "adapt", "run": f"/somewhere/{folder.name}"}],
    }
    (folder / "result.json").write_text(json.dumps({**record, **fields}), encoding="utf-8")
    return folder


def read(out: Path) -> tuple[dict[str, Any], str]:
    return json.loads((out / "report.json").read_text("utf-8")), (out / "report.md").read_text("utf-8")


def sacrebleu(folder: Path, metrics: str) -> Any:
    """What the command prints of the metrics."""
    line = "-m sacrebleu {folder}/references.txt -i {folder}/hypotheses.txt --format json -w 12 " + metrics
    command = [sys.executable, *arguments(line, folder=folder)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_scores_equal_the_sacrebleu_command(tmp_path: Path) -> None:
    folder = result(tmp_path / "results" / "one", GOOD)
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    bleu, chrf = sacrebleu(folder, "-m bleu chrf")
    row = read(tmp_path / "out")[0]["rows"][0]
    assert (round(row["bleu"], 12), round(row["chrf"], 12)) == (bleu["score"], chrf["score"]), "not sacreBLEU's"
    assert row["signature"] == bleu["signature"], "not sacreBLEU's signature"
    assert 0 < row["bleu"] < 100, "the test texts should neither agree nor differ wholly"


def test_chrf_plus_plus_equals_the_sacrebleu_command(tmp_path: Path) -> None:
    folder = result(tmp_path / "results" / "one", GOOD)
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    wanted = sacrebleu(folder, "-m chrf --chrf-word-order 2")
    report, text = read(tmp_path / "out")
    assert round(report["scores"][0]["chrf++"], 12) == wanted["score"], "not sacreBLEU's"
    assert wanted["signature"] in text, "not sacreBLEU's signature"


def test_significance_follows_the_contract(tmp_path: Path) -> None:
    result(tmp_path / "results" / "one", GOOD)
    result(tmp_path / "results" / "two", BAD, system="joint")
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    report, text = read(tmp_path / "out")
    fields = "target english_tokens strategy system against delta p test"
    assert [list(row) for row in report["significance"]] == [fields.split()] * 2, "fields of a comparison"
    assert [row["test"] for row in report["significance"]] == ["bs", "ar"], "both tests"
    row = report["significance"][0]
    bleu = {row["system"]: row["bleu"] for row in report["rows"]}
    assert row["delta"] == pytest.approx(bleu["fomaml"] - bleu["joint"], abs=1e-9), "BLEU less BLEU"
    assert 0 < row["p"] <= 1 and (row["system"], row["against"]) == ("fomaml", "joint"), row
    assert "## Significance against joint" in text, "the Markdown has it too"


def test_csv_has_a_line_for_each_row(tmp_path: Path) -> None:
    result(tmp_path / "results" / "one", GOOD)
    result(tmp_path / "results" / "two", BAD, seed=2, system='a "quoted", system')
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    report, _ = read(tmp_path / "out")
    with open(tmp_path / "out" / "report.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2, "a line a row"
    for line, row, more in zip(lines, report["rows"], report["scores"], strict=True):
        wanted = {name: str(value) for name, value in {**row, "chrf++": more["chrf++"]}.items()}
        assert line == wanted, "the same numbers as the JSON"


def test_rows_follow_the_contract(tmp_path: Path) -> None:
    result(tmp_path / "results" / "one", GOOD)
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    report, _ = read(tmp_path / "out")
    (row,) = report["rows"]
    fields = "system target english_tokens strategy seed bleu chrf signature hypotheses references"
    assert list(row) == fields.split(), "fields of a row"
    for name in ("hypotheses", "references"):
        assert not Path(row[name]).is_absolute(), f"{name} must be a relative path"
        assert (tmp_path / "out" / row[name]).is_file(), f"{name} must lead from the report to the text"
    assert list(report["run"]) == ["commit", "versions", "commands", "cost"], "fields of run"


def test_markdown_has_mean_deviation_and_every_seed(tmp_path: Path) -> None:
    for seed, hypotheses in ((1, GOOD), (2, BAD), (3, GOOD)):
        result(tmp_path / "results" / f"fomaml{seed}", hypotheses, seed=seed)
    result(tmp_path / "results" / "scratch", BAD, system="scratch", strategy="all", cost=[])
    result(tmp_path / "results" / "zero", BAD, strategy="zero")
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out"), "--title", "A title"]) == 0, "failed"
    report, text = read(tmp_path / "out")
    one, two, three = (
        row["bleu"] for row in report["rows"] if (row["system"], row["strategy"]) == ("fomaml", "emb_enc")
    )
    mean = (one + two + three) / 3
    deviation = (((one - mean) ** 2 + (two - mean) ** 2 + (three - mean) ** 2) / 2) ** 0.5
    lines = text.splitlines()
    assert lines[0] == "# A title", "the title"
    assert "| target | English tokens | strategy | scratch | fomaml |" in lines, "baselines come first"
    summary = [line for line in lines if line.startswith("| ro | 16000 |") and "n=" in line]
    assert len(summary) == 2 and summary[0].startswith("| ro | 16000 | zero |  | "), "zero-shot row first, no scratch"
    assert f"| {mean:.2f} ± {deviation:.2f} (chrF " in summary[1] and "n=3)" in summary[1], summary[1]
    assert summary[1].startswith(f"| ro | 16000 | emb_enc | {two:.2f} (chrF "), f"scratch beside it: {summary[1]}"
    assert sum(line.startswith("| ro | 16000 | emb_enc | fomaml |") for line in lines) == 3, "a row per seed"
    assert report["rows"][0]["signature"] in text, "the signature"
    assert sum("12,345,678" in line and "run/fomaml" in line for line in lines) == 1, "a shared run is listed once"
    assert lines.count("meta-nmt-train DATA") == 1, "a shared command is listed once"


def test_a_folder_given_twice_counts_once_but_the_same_row_from_two_runs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = result(tmp_path / "results" / "one", GOOD).parent
    assert main([str(results), str(results), "--out", str(tmp_path / "out")]) == 0, "the report failed"
    assert len(read(tmp_path / "out")[0]["rows"]) == 1, "one result, one row"
    result(tmp_path / "results" / "other", BAD)
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
    folder = result(tmp_path / "results" / "one", GOOD)
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
    result(tmp_path / "results" / "one", GOOD, **fields)
    assert_refused([str(tmp_path / "results"), "--out", str(tmp_path / "out")], part, capsys)


def test_bad_folders_and_options_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert_refused([str(tmp_path / "absent"), *out], "absent", capsys)
    assert_refused([str(tmp_path), *out], "result.json", capsys)
    assert_refused([str(tmp_path)], "--out", capsys)
    assert_refused(out, "RESULTS_DIR", capsys)
    results = result(tmp_path / "results" / "one", GOOD).parent
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert_refused([str(results), "--out", str(tmp_path / "file")], "--out", capsys)


def assert_refused(argv: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: Any = main(argv)
    except SystemExit as stop:
        status = stop.code
    message = capsys.readouterr().err
    assert status == 2, f"exit status {status} for {argv}"
    assert message.count("\n") == 1 and message.startswith("meta-nmt-report: error: "), message
    assert part in message, f"{part} should be named in: {message}"
