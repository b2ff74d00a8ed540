"""The training log: fairseq's messages as numbers, once each, also where a run was resumed."""

import json
import logging

from meta_nmt.runs import training_log

VALID = "epoch 001 | valid on 'valid' subset | loss 7.112 | nll_loss 6.584 | ppl 95.94 | bleu 0.03 | wps 0 | wpb 3650 "
VALID += "| bsz 300 | num_updates 40"
TRAIN = "epoch 001:     50 / 1000 loss=8.279, nll_loss=7.945, support_loss=8.296, ppl=246.35, wps=1259, "
TRAIN += "num_updates=50, lr=1.66667e-05, gnorm=1.359, clip=54, train_wall=60, wall=72"


def log(name: str, message: str) -> None:
    logger = logging.getLogger("test of the log")
    logger.setLevel(logging.INFO)
    before, logger.name = logger.name, name  # as fairseq renames its own for one message
    logger.info(message)
    logger.name = before


def test_messages_become_points(tmp_path):
    with training_log.kept(tmp_path):
        log("valid", VALID)
        log("train_inner", TRAIN)
        log("fairseq_cli.train", "num_updates 99 | loss 1")
    log("valid", VALID.replace("40", "60"))  # outside of the run
    read = training_log.read(tmp_path)
    wanted = {"split": "valid", "updates": 40, "loss": 7.112, "nll_loss": 6.584, "ppl": 95.94, "bleu": 0.03}
    assert read["valid"] == [wanted]
    assert read["train"][0]["lr"] == 1.66667e-05 and read["train"][0]["support_loss"] == 8.296, read["train"]
    assert sum(map(len, read.values())) == 2, "other messages are none of its business"


def test_a_resumed_run_counts_once_and_a_torn_line_not_at_all(tmp_path):
    points = [{"split": "valid", "updates": n, "bleu": b} for n, b in ((20, 1.0), (40, 3.0), (20, 1.5), (60, 2.0))]
    text = "".join(json.dumps(point) + "\n" for point in points) + '{"split": "va'
    (tmp_path / training_log.FILE_NAME).write_text(text)
    read = training_log.read(tmp_path)
    assert [(p["updates"], p["bleu"]) for p in read["valid"]] == [(20, 1.5), (40, 3.0), (60, 2.0)]
    assert training_log.best_bleu(tmp_path) == 3.0
    assert training_log.read(tmp_path / "absent") == {} and training_log.best_bleu(tmp_path / "absent") is None
