"""What listeners hear of a run: what its trainer hands to fairseq's progress bar."""

import logging

import numpy as np
import pytest
import torch
from fairseq.logging import progress_bar

import meta_nmt.compat
from meta_nmt.runs.progress import Progress, listen

STATS = {"loss": np.float64(2.5), "bleu": torch.tensor(1.5), "nan": float("nan"), "words": "none", "num_updates": 6}
NUMBERS = {"loss": 2.5, "bleu": 1.5, "num_updates": 6.0}


def bar(log_format="none", interval=2):
    return progress_bar.progress_bar([7, 8], log_format=log_format, log_interval=interval, epoch=1, prefix="run")


def test_each_report_is_heard_once_with_its_numbers():
    heard = []
    meta_nmt.compat.apply()  # again: it changes nothing
    with listen(heard.append):
        bar().log(STATS, tag="train_inner", step=6)
        bar().print(STATS, tag="valid", step=6)
        bar().print(STATS, tag="other", step=6)
    assert heard == [Progress(split, 6, NUMBERS) for split in ("train", "valid", "other")], "by the subset's name"


def test_what_is_no_report_of_a_trainer_is_not_heard():
    heard = []
    with listen(heard.append):
        bar().print(STATS, tag="train", step=6)  # an epoch's average
        bar().log({"wps": 3})  # fairseq-generate
        bar().print({"loss": 1.0}, tag="valid", step=0)  # fairseq-validate: of no run
    bar().log(STATS, tag="train_inner", step=6)
    assert heard == [], "nor is anything heard outside of the context"


def test_several_listen_each_in_its_own_context():
    outer, inner = [], []
    with listen(outer.append):
        with listen(inner.append):
            bar().log(STATS, tag="train_inner", step=6)
        bar().log(STATS, tag="train_inner", step=6)
    assert (len(outer), len(inner)) == (2, 1)


def test_what_a_listener_raises_ends_the_run():
    def full(progress):
        raise OSError(28, "No space left on device")

    with listen(full), pytest.raises(OSError, match="No space left"):
        bar().log(STATS, tag="train_inner", step=6)
    heard = []
    with listen(heard.append):
        bar().log(STATS, tag="train_inner", step=6)
    assert len(heard) == 1, "and it does not listen any more"


def test_the_bar_itself_is_fairseqs(caplog):
    with caplog.at_level(logging.INFO), bar("simple") as shown:
        assert isinstance(shown, progress_bar.SimpleProgressBar) and len(shown) == 2
        assert list(shown) == [7, 8]
        shown.log({"loss": 2.5, "num_updates": 6}, tag="train_inner", step=6)
    assert "loss=2.5, num_updates=6" in caplog.text
