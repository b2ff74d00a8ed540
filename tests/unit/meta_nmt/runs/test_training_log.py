"""The training log: what fairseq's trainer reports as numbers, once each, whatever the log format and also where a run
was resumed."""

import json
import sys

import pytest
from data_folder import TINY
from fairseq.logging import progress_bar

from meta_nmt.cli import train
from meta_nmt.runs import training_log

VALID = {"loss": 7.112, "nll_loss": 6.584, "ppl": 95.94, "bleu": 0.03, "wps": 0, "wpb": 3650, "bsz": 300}
TRAIN = {"loss": 8.279, "nll_loss": 7.945, "support_loss": 8.296, "ppl": 246.35, "wps": 1259, "lr": 1.666671234e-05}
TRAIN |= {"gnorm": 1.359, "clip": 54, "train_wall": 60, "wall": 72}


def bar():
    return progress_bar.progress_bar([0], log_format="none", epoch=1)


def test_reports_become_points(tmp_path):
    with training_log.kept(tmp_path):
        bar().print(VALID | {"num_updates": 40}, tag="valid", step=40)
        bar().log(TRAIN | {"num_updates": 50}, tag="train_inner", step=50)
        bar().print(TRAIN | {"num_updates": 99}, tag="train", step=99)  # the average of an epoch
        bar().log({"wps": 1})  # a generation
    bar().print(VALID | {"num_updates": 60}, tag="valid", step=60)  # outside of the run
    read = training_log.read(tmp_path)
    wanted = {"split": "valid", "updates": 40, "loss": 7.112, "nll_loss": 6.584, "ppl": 95.94, "bleu": 0.03}
    assert read["valid"] == [wanted]
    assert read["train"][0]["lr"] == 1.66667e-05 and read["train"][0]["support_loss"] == 8.296, read["train"]
    assert sum(map(len, read.values())) == 2, "other messages are none of its business"


def test_a_number_that_is_none_is_left_out(tmp_path):
    with training_log.kept(tmp_path):
        bar().print(VALID | {"loss": float("nan"), "ppl": float("inf"), "num_updates": 40}, tag="valid", step=40)
    (point,) = training_log.read(tmp_path)["valid"]
    assert point == {"split": "valid", "updates": 40, "nll_loss": 6.584, "bleu": 0.03}, "every line is JSON"


def log_of(data, save, *flags):
    """The lines of a meta-training."""
    argv = [str(data), "--save-dir", str(save), "--source-langs", "aa,bb", "--valid-langs", "cc", *TINY, "--seed", "1"]
    argv += ["--meta-learner", "joint", "--support-tokens", "60", "--query-tokens", "60", "--valid-steps", "1"]
    argv += ["--valid-sample-tokens", "60", "--max-update", "4", "--save-interval-updates", "2", "--log-interval", "1"]
    assert train.main([*argv, "--warmup-updates", "2", "--num-workers", "0", *flags]) == 0
    return (save / "train_log.jsonl").read_text().splitlines()


@pytest.fixture(scope="module")
def simple(data, tmp_path_factory):
    """The lines of an undisturbed run in our own log format."""
    return log_of(data, tmp_path_factory.mktemp("simple"))


def test_a_run_leaves_its_course(simple):
    lines = [json.loads(line) for line in simple]
    points = [(line["split"], line["updates"]) for line in lines]
    assert points == [("train", 1), ("train", 2), ("valid", 2), ("train", 3), ("train", 4), ("valid", 4)]
    assert all({"loss", "nll_loss", "ppl", "lr"} <= line.keys() for line in lines if line["split"] == "train")
    assert all({"loss", "nll_loss", "ppl"} <= line.keys() for line in lines if line["split"] == "valid")


@pytest.mark.parametrize("format", ["json", "none", "tqdm"])
def test_the_log_format_does_not_matter(data, tmp_path, monkeypatch, simple, format):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)  # fairseq has no tqdm elsewhere
    assert log_of(data, tmp_path, "--log-format", format) == simple


def test_nor_does_the_log_level(data, tmp_path, monkeypatch, simple):
    monkeypatch.setenv("LOGLEVEL", "ERROR")
    assert log_of(data, tmp_path) == simple


def test_a_resumed_run_goes_on_in_it(data, tmp_path, simple):
    log_of(data, tmp_path, "--max-update", "2")
    assert log_of(data, tmp_path) == simple


def test_a_resumed_run_counts_once_and_a_torn_line_not_at_all(tmp_path):
    points = [{"split": "valid", "updates": n, "bleu": b} for n, b in ((20, 1.0), (40, 3.0), (20, 1.5), (60, 2.0))]
    text = "".join(json.dumps(point) + "\n" for point in points) + '{"split": "va'
    (tmp_path / "train_log.jsonl").write_text(text)
    read = training_log.read(tmp_path)
    assert [(p["updates"], p["bleu"]) for p in read["valid"]] == [(20, 1.5), (40, 3.0), (60, 2.0)]
    assert training_log.best_bleu(tmp_path) == 3.0
    assert training_log.read(tmp_path / "absent") == {} and training_log.best_bleu(tmp_path / "absent") is None
