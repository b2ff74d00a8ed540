"""The benchmarks run and write their rows; what they say is for a quiet machine to find out."""

import json

from benchmarks import clean_speed, meta_step


def test_meta_step_writes_its_rows(tmp_path):
    file = tmp_path / "rows.json"
    assert meta_step.main(["--arch", "tiny", "--tokens", "100", "--repeats", "1", "--json", str(file)]) == 0
    rows = {row["name"]: row for row in json.loads(file.read_text())}
    assert set(rows) == {"fomaml_vs_fairseq_tokens_per_s", "ulr_share_of_step"}
    for name, row in rows.items():
        assert set(row) == {"name", "ours", "peer", "ratio", "unit"}
        assert row["ours"] > 0 and row["peer"] > 0 and row["ratio"] > 0, f"{name} measured nothing"


def test_clean_speed_writes_its_rows(tmp_path):
    file = tmp_path / "rows.json"
    assert clean_speed.main(["--lines", "6000", "--peer-lines", "2000", "--json", str(file)]) == 0, "both keep the same"
    rows = {row["name"]: row for row in json.loads(file.read_text())}
    assert set(rows) == {"clean_lines_per_s", "clean_processor_time", "clean_memory_all_vs_peer_lines"}
    for name, row in rows.items():
        assert set(row) == {"name", "ours", "peer", "ratio", "unit"}
        assert row["ours"] > 0 and row["peer"] > 0 and row["ratio"] > 0, f"{name} measured nothing"
