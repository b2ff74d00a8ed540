"""A run that is killed and started again ends as if nothing had been."""

import logging
import random
import resource

import pytest
import torch
from campaign import kills, runs

from data_prep.base.errors import InputError
from meta_nmt.runs import checkpoint_files

TRAIN, ADAPT = "meta_nmt.cli.train", "meta_nmt.cli.adapt"


@pytest.mark.parametrize("writing", [False, True])
def test_killed_meta_training_ends_as_the_undisturbed(data, meta, tmp_path, writing):
    def argv(folder):
        return runs.train_flags(data, folder)

    folder = tmp_path / "run"
    wrong = kills.interrupted(TRAIN, argv, folder, random.Random(3), 1.0, writing)
    assert wrong is None, wrong
    assert (wrong := runs.difference(runs.state(meta), runs.state(folder))) is None, wrong


def test_killed_adaptation_stops_early_at_the_same_point(data, meta, tmp_path):
    def argv(folder):
        return runs.adapt_flags(data, meta / "checkpoint_best.pt", folder, "--patience 1 --max-update 40")

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    log = runs.run(ADAPT, argv(whole), tmp_path / "whole.log").text()
    assert "early stop" in log, "the test needs a run that stops early"
    wrong = kills.interrupted(ADAPT, argv, parts, random.Random(5), 1.0, writing=True)
    assert wrong is None, wrong
    assert (wrong := runs.difference(runs.state(whole), runs.state(parts))) is None, wrong


def test_resumed_at_the_end_of_an_epoch_the_schedule_knows_its_score(data, meta, tmp_path):
    for updates in ("8", "12"):
        flags = runs.train_flags(data, tmp_path / "run", f"--max-update {updates}")
        runs.run(TRAIN, flags, tmp_path / "log")
    assert runs.state(meta)["schedule"]["lr_scheduler_state"]["best"] is not None, "the test must compare something"
    assert (wrong := runs.difference(runs.state(meta), runs.state(tmp_path / "run"))) is None, wrong


def test_adaptation_resumed_in_a_later_epoch_has_the_same_batches(data, meta, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for save, updates in ((whole, "14"), (parts, "6"), (parts, "14")):
        schedule = f"--max-update {updates} --total-num-update 14"  # as if the first had been killed
        flags = runs.adapt_flags(data, meta / "checkpoint_best.pt", save, schedule)
        runs.run(ADAPT, flags, tmp_path / "log")
    assert runs.state(whole)["position"]["epoch"] > 2, "the test must reach a later epoch"
    assert (wrong := runs.difference(runs.state(whole), runs.state(parts))) is None, wrong


def test_a_finished_run_stays_as_it_is(data, meta, tmp_path):
    before = {path.name: path.read_bytes() for path in meta.iterdir()}
    again = runs.run(TRAIN, runs.train_flags(data, meta), tmp_path / "again.log")
    assert "nothing left to train" in again.text()
    assert {path.name: path.read_bytes() for path in meta.iterdir()} == before


def test_everything_that_training_goes_on_from_is_in_the_checkpoint(meta):
    saved = runs.state(meta)
    assert saved["optimiser"]["state"], "Adam's moments"
    assert saved["schedule"]["num_updates"] == 12
    assert saved["position"] == {"version": 2, "epoch": 2, "iterations_in_epoch": 4, "shuffle": True}
    task = saved["task"]["MetaTranslationTask"]
    assert task["train_tokens"] > 0 and task["faults"] == {"skipped_tasks": 0, "split_tasks": 0}


@pytest.mark.parametrize("limit", [0, 64, 100_000])
def test_a_write_that_fails_leaves_the_checkpoint_before_it(tmp_path, limit):
    """A limit on file size stands in for a full disk: both are an OSError in the middle of a write."""
    path = tmp_path / "checkpoint_last.pt"
    checkpoint_files.save({"value": torch.arange(10)}, path)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large.*checkpoint_last.pt"):
            checkpoint_files.save({"value": torch.ones(10**6)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path], "nothing half-written is left"


def checkpoint(path, updates):
    state = {
        "model": {"weight": torch.zeros(1)},
        "cfg": {"model": {"arch": "ulr_transformer"}, "task": {"_name": "meta_translation"}},
        "extra_state": {},
        "optimizer_history": [{"num_updates": updates}],
    }
    checkpoint_files.save(state, path)


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_a_damaged_last_checkpoint_gives_way_to_the_newest_good_one(tmp_path, caplog, keep):
    for name, updates in (("best", 3), ("1_9", 9), ("1_6", 6), ("last", 12)):
        checkpoint(tmp_path / f"checkpoint_{name}.pt", updates)
    last = tmp_path / "checkpoint_last.pt"
    damaged = last.read_bytes()[:keep]
    last.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        checkpoint_files.recover(tmp_path)
    assert "checkpoint_1_9.pt, the newest that can" in caplog.text
    assert torch.load(last, weights_only=True)["optimizer_history"][0]["num_updates"] == 9
    assert (tmp_path / "checkpoint_last.pt.damaged").read_bytes() == damaged, "kept, for a person to look at"


def test_no_good_checkpoint_is_a_clear_error(tmp_path):
    (tmp_path / "checkpoint_last.pt").write_bytes(b"PK")
    (tmp_path / "checkpoint_best.pt").write_bytes(b"")
    with pytest.raises(InputError, match="checkpoint_last.pt: must be a whole checkpoint.*remove it to start afresh"):
        checkpoint_files.recover(tmp_path)


def test_names_are_one_file_and_replaced_at_once(tmp_path):
    checkpoint(tmp_path / "a.pt", 1)
    checkpoint(tmp_path / "b.pt", 2)
    with open(tmp_path / "b.pt", "rb") as reader:
        checkpoint_files.add_name(tmp_path / "a.pt", tmp_path / "b.pt")
        assert b"num_updates" in reader.read(), "who has it open goes on reading the old one"
    assert (tmp_path / "b.pt").samefile(tmp_path / "a.pt")


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    checkpoint(tmp_path / "a.pt", 1)
    monkeypatch.setattr(checkpoint_files.os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "not supported")))
    checkpoint_files.add_name(tmp_path / "a.pt", tmp_path / "b.pt")
    assert (tmp_path / "b.pt").read_bytes() == (tmp_path / "a.pt").read_bytes()
    assert not (tmp_path / "b.pt").samefile(tmp_path / "a.pt")
