"""meta-nmt-report: its flags."""

from pathlib import Path

import pytest
from small_results import GOOD, assert_refused, small_result


def test_bad_folders_and_options_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert_refused([str(tmp_path / "absent"), *out], "absent", capsys)
    assert_refused([str(tmp_path), *out], "result.json", capsys)
    assert_refused([str(tmp_path)], "--out", capsys)
    assert_refused(out, "RESULTS_DIR", capsys)
    results = small_result(tmp_path / "results" / "one", GOOD).parent
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert_refused([str(results), "--out", str(tmp_path / "file")], "--out", capsys)
