"""Our defaults in fairseq's own parser, and what is left of a run of its trainer."""

from types import SimpleNamespace

import pytest

from data_prep.base.errors import InputError
from meta_nmt.cli import adapt, train
from meta_nmt.cli import fairseq_front as front


@pytest.mark.parametrize("parse, more", [(train.parse_args, []), (adapt.parse_args, ["--checkpoint", "a.pt"])])
def test_our_defaults_give_way_to_an_optimiser_or_schedule_that_does_not_have_them(parse, more):
    """fairseq refuses --adam-betas with SGD, and the user did not give it."""
    args = parse(["data", *more, "--optimizer", "sgd", "--lr-scheduler", "tri_stage"])
    assert args.optimizer == "sgd" and args.lr_scheduler == "tri_stage"
    assert not hasattr(args, "adam_betas") and not hasattr(args, "warmup_updates")
    assert parse(["data", *more, "--lr-scheduler", "cosine"]).adam_betas == "(0.9, 0.98)"


def test_a_falling_rate_reaches_zero_at_the_last_update_unless_told_otherwise():
    fine_tune = ["data", "--checkpoint", "a.pt"]
    assert adapt.parse_args([*fine_tune, "--max-update", "7"]).total_num_update == 7
    assert train.parse_args(["data", "--lr-scheduler", "polynomial_decay", "--max-update", "9"]).total_num_update == 9
    assert float(adapt.parse_args([*fine_tune, "--total-num-update", "50"]).total_num_update) == 50
    assert not hasattr(adapt.parse_args([*fine_tune, "--lr-scheduler", "fixed"]), "total_num_update")


def test_a_run_that_came_to_its_end_leaves_no_picture_of_a_crash(tmp_path, monkeypatch):
    cfg = SimpleNamespace(
        checkpoint=SimpleNamespace(save_dir=str(tmp_path)), distributed_training=SimpleNamespace(distributed_rank=0)
    )
    crash = tmp_path / "crash.pt"

    def fail(cfg):
        crash.touch()
        raise FloatingPointError

    monkeypatch.setattr(front.fairseq_train, "main", fail)
    with pytest.raises(FloatingPointError):
        front._train_and_record(cfg, "train", "command", None, None)
    assert crash.exists(), "it shows what failed"
    monkeypatch.setattr(front.fairseq_train, "main", lambda cfg: None)
    front._train_and_record(cfg, "train", "command", None, None)
    assert not crash.exists()


@pytest.mark.parametrize("folder", ["gr\udcfc\udcdfe", "${oc.env:HOME}", "???"])
def test_a_folder_whose_name_no_checkpoint_may_hold_is_refused_before_training(tmp_path, folder, monkeypatch):
    """The checkpoints would be written, and refused when they are read."""
    monkeypatch.chdir(tmp_path)
    args = train.parse_args(["data", "--save-dir", folder])
    with pytest.raises(InputError, match="`--save-dir` must be ") as refusal, front.prepared(args):
        pytest.fail("the training began")
    str(refusal.value).encode("utf-8")
    assert not [*tmp_path.iterdir()]


def test_a_second_training_in_a_folder_is_refused(tmp_path):
    args = train.parse_args(["data", "--save-dir", str(tmp_path)])
    with front.prepared(args), pytest.raises(InputError, match="another run is writing"), front.prepared(args):
        pytest.fail("the second training began")
