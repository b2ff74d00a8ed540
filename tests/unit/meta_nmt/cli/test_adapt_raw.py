"""What meta-nmt-adapt from raw text shows of fine-tuning, and what it keeps of fairseq's log."""

import io
import logging

import pytest
from tqdm import tqdm

from meta_nmt.cli import adapt_raw
from meta_nmt.cli.adapt_raw import Bar, logged_to, train
from meta_nmt.runs.progress import Progress
from meta_nmt.runs.run_folder import RunFolder

REPORTS = [
    Progress("train", 5, {"loss": 8.0, "num_updates": 5.0}),
    Progress("valid", 10, {"loss": 7.0, "bleu": 3.25, "num_updates": 10.0}),
    Progress("test", 10, {"loss": 7.0, "bleu": 99.0, "num_updates": 10.0}),
    Progress("valid", 20, {"loss": 7.0, "bleu": 0.0, "best_bleu": 3.25, "num_updates": 20.0}),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_where_there_is_no_terminal(capsys):
    bar = Bar("adapt emb", 20)
    with bar.bar:
        for report in REPORTS:
            bar.show(report)
    assert capsys.readouterr().err.splitlines() == [
        "adapt emb: 10 updates, dev BLEU 3.25", "adapt emb: 20 updates, dev BLEU 0",
    ], "one a validation of the dev set"  # fmt: skip


def test_a_bar_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(adapt_raw, "tqdm", lambda **kwargs: tqdm(file=terminal, ncols=120, mininterval=0, **kwargs))
    bar = Bar("adapt emb", 20)
    with bar.bar:
        for report in REPORTS:
            bar.show(report)
    last = terminal.getvalue().rstrip("\n").split("\r")[-1]
    assert "adapt emb: 100%" in last and "20/20" in last and "dev BLEU 0, best 3.25" in last, last


def test_what_fairseq_says_goes_to_the_file_alone(tmp_path, capfd):
    before = logging.getLogger().handlers[:]
    with pytest.raises(KeyError), logged_to(tmp_path / "log.txt"):
        logging.getLogger("fairseq_cli.train").info("begin")
        raise KeyError
    assert "fairseq_cli.train | begin" in (tmp_path / "log.txt").read_text()
    assert logging.getLogger().handlers == before and "begin" not in capfd.readouterr().err


def test_a_fine_tuning_says_its_validations_and_keeps_its_numbers(data, meta, tmp_path, capfd):
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    flags = [str(data), "--checkpoint", str(meta), "--source-lang", "dd", "--train-subset", "train-300-s1"]
    flags += ["--save-dir", str(run), "--max-update", "4", "--save-interval-updates", "2", "--num-workers", "0"]
    train([*flags, "--max-tokens", "60"], "adapt emb_enc", run)
    said = capfd.readouterr().err.splitlines()
    assert [line.split(" BLEU")[0] for line in said if line.startswith("adapt ")] == [
        "adapt emb_enc: 2 updates, dev", "adapt emb_enc: 4 updates, dev",
    ]  # fmt: skip
    assert "| INFO |" not in "".join(said) and '"valid_bleu"' in run.log.read_text()
    assert run.training_log.read_text().count('"bleu"') == 2, "the numbers are kept in this log format too"
