"""The report as Markdown."""

from pathlib import Path

from small_results import BAD, GOOD, read_report, small_result

from meta_nmt.cli.report import main


def test_markdown_has_mean_deviation_and_every_seed(tmp_path: Path) -> None:
    for seed, hypotheses in ((1, GOOD), (2, BAD), (3, GOOD)):
        small_result(tmp_path / "results" / f"fomaml{seed}", hypotheses, seed=seed)
    small_result(tmp_path / "results" / "scratch", BAD, system="scratch", strategy="all", cost=[])
    small_result(tmp_path / "results" / "zero", BAD, strategy="zero")
    assert main([str(tmp_path / "results"), "--out", str(tmp_path / "out"), "--title", "A title"]) == 0, "failed"
    report, text = read_report(tmp_path / "out")
    one, two, three = (
        row["bleu"] for row in report["rows"] if (row["system"], row["strategy"]) == ("fomaml", "emb_enc")
    )
    mean = (one + two + three) / 3
    deviation = (((one - mean) ** 2 + (two - mean) ** 2 + (three - mean) ** 2) / 2) ** 0.5
    lines = text.splitlines()
    assert lines[0] == "# A title", "the title"
    assert "| target | English tokens | strategy | scratch | fomaml |" in lines, "baselines come first"
    summary = [line for line in lines if line.startswith("| ro | 16,000 |") and "n=" in line]
    assert len(summary) == 2 and summary[0].startswith("| ro | 16,000 | zero-shot |  | "), (
        "zero-shot row first, no scratch"
    )
    assert f"| {mean:.2f} ± {deviation:.2f} (chrF " in summary[1] and "n=3)" in summary[1], summary[1]
    assert summary[1].startswith(f"| ro | 16,000 | emb + enc | {two:.2f} (chrF "), f"scratch beside it: {summary[1]}"
    assert sum(line.startswith("| ro | 16,000 | emb + enc | fomaml |") for line in lines) == 3, "a row per seed"
    assert report["rows"][0]["signature"] in text, "the signature"
    assert sum("12,345,678" in line and "run/fomaml" in line for line in lines) == 1, "a shared run is listed once"
    assert lines.count("meta-nmt-train DATA") == 1, "a shared command is listed once"
