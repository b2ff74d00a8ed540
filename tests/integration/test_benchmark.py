"""The benchmarks run and write their rows; what they say is for a quiet machine to find out."""

import json

from arguments import arguments
from data_folder import make_adapted, make_data_folder, make_meta

from benchmarks import clean_speed, meta_step, translation


def test_meta_step_writes_its_rows(tmp_path):
    file = tmp_path / "rows.json"
    assert meta_step.main(arguments("--arch tiny --tokens 100 --repeats 1 --learners joint --json {}", file)) == 0
    rows = {row["name"]: row for row in json.loads(file.read_text())}
    fast = {f"{name}_vs_fairseq_tokens_per_s" for name in ("fomaml", "joint", "fomaml_whole_softmax")}
    assert set(rows) == {*fast, "ulr_share_of_step", "ulr_whole_softmax_share_of_step"}
    for name, row in rows.items():
        assert set(row) >= {"name", "ours", "peer", "ratio", "unit"}
        assert row["ours"] > 0 and row["peer"] > 0 and row["ratio"] > 0, f"{name} measured nothing"


def test_clean_speed_writes_its_rows(tmp_path):
    file = tmp_path / "rows.json"
    argv = arguments("--lines 6000 --peer-lines 2000 --repeats 1 --json {}", file)
    assert clean_speed.main(argv) == 0, "both keep the same"
    rows = {row["name"]: row for row in json.loads(file.read_text())}
    assert set(rows) == {"clean_lines_per_s", "clean_processor_time", "clean_memory_all_vs_peer_lines"}
    for name, row in rows.items():
        assert set(row) >= {"name", "ours", "peer", "ratio", "unit"}
        assert row["ours"] > 0 and row["peer"] > 0 and row["ratio"] > 0, f"{name} measured nothing"


def test_translation_writes_its_rows(tmp_path):
    data = make_data_folder(tmp_path, {"aa": "source", "bb": "source", "cc": "valid", "dd": "target"})
    adapted = make_adapted(data, make_meta(data, tmp_path / "meta"), tmp_path / "adapted", updates=30)
    file = tmp_path / "rows.json"
    argv = arguments("{} --path {} --source-lang dd --repeats 1 --threads 1 --json {}", data, adapted, file)
    assert translation.main(argv) == 0
    rows = {row["name"]: row for row in json.loads(file.read_text())}
    speeds = [f"{name}_vs_fairseq_generate" for name in ("torch", "ctranslate2_float32", "ctranslate2_int8")]
    assert set(speeds) < set(rows) and len(rows) == 8
    for row in rows.values():
        assert set(row) >= {"name", "ours", "peer", "ratio", "unit"}
    assert all(rows[name]["ours"] > 0 and rows[name]["peer"] > 0 for name in speeds), "nothing was measured"
    assert rows["fairseq_same_lines_as_unfolded"]["ratio"] == 1, "the fold says the same"
