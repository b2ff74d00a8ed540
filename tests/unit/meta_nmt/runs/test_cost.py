"""Cost records: one a process, the whole ancestry of a checkpoint, nothing counted twice."""

import pytest

from data_prep.base.errors import InputError
from meta_nmt.runs import cost


def record(folder, tokens, parent=None, seconds=0.0):
    folder.mkdir(exist_ok=True)
    meter = cost.CostMeter("train", f"train {folder.name}", folder, parent)
    cost.append(folder, meter.record(tokens, seconds))


def test_history_goes_back_to_the_first_run(tmp_path):
    record(tmp_path / "base", 10)
    record(tmp_path / "base", 15)  # run again, for longer
    record(tmp_path / "meta", 20, str(tmp_path / "base/checkpoint_last.pt"))
    record(tmp_path / "adapted", 3, str(tmp_path / "meta/checkpoint_best.pt"))
    records = cost.history(tmp_path / "adapted/checkpoint_best.pt")
    assert [r["train_tokens"] for r in records] == [10, 5, 20, 3], "oldest first"
    assert all(r["wall_s"] >= 0 and r["peak_memory_mib"] > 1 and r["device"] for r in records)


def test_an_interrupted_process_is_counted_by_the_next(tmp_path):
    record(tmp_path / "run", 10, seconds=60.0)  # this process trained for a moment; its checkpoint says a minute
    record(tmp_path / "run", 40, seconds=200.0)
    records = cost.read_records(tmp_path / "run")
    assert [r["train_tokens"] for r in records] == [10, 30]
    assert [r["wall_s"] for r in records] == [60.0, 140.0]


def test_a_checkpoint_without_records_has_no_history(tmp_path):
    assert cost.history(tmp_path / "somebody_elses.pt") == []


def test_a_run_that_names_itself_ends(tmp_path):
    record(tmp_path / "a", 1, str(tmp_path / "a/checkpoint_best.pt"))
    assert len(cost.history(tmp_path / "a/checkpoint_best.pt")) == 1


@pytest.mark.parametrize("text", ["no json\n", "{}\n", "3\n", '{"parent": null, "train_tokens": 1}\n'])
def test_a_malformed_file_is_named(tmp_path, text):
    (tmp_path / "cost.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"cost\.jsonl: must hold one cost record a line"):
        cost.history(tmp_path / "checkpoint.pt")
