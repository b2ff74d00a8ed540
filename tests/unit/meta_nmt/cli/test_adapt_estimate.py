"""About how long meta-nmt-adapt will take from raw text."""

from meta_nmt.cli import adapt_estimate, fine_tune
from meta_nmt.cli.adapt_estimate import describe, seconds, update_seconds_per_piece
from meta_nmt.models.checkpoints import read_checkpoint

PAIRS = [("x" * 20, "y" * 25)] * 100


def test_the_machine_is_measured(meta):
    assert 0 < update_seconds_per_piece(read_checkpoint(meta)["cfg"].model) < 60


def test_more_to_do_takes_longer(meta, tmp_path, monkeypatch):
    # a busy machine measures itself slower the one time than the other
    monkeypatch.setattr(adapt_estimate, "update_seconds_per_piece", lambda model: 1e-3)
    mono = tmp_path / "mono.txt"
    mono.write_text("z" * 10**6)

    def estimated(*flags, extra=(), strategies=1):
        training = fine_tune.parse_args(["data", "--checkpoint", str(meta), *flags])
        return seconds(meta, {"train": PAIRS}, extra, training, strategies)

    plain = estimated()
    assert plain > 0
    assert estimated(strategies=3) > plain and estimated("--max-update", "100000") > plain
    assert estimated(extra=[mono]) > plain


def test_the_line_says_what_comes_and_between_which_times():
    line = describe("qu-en", ("emb", "all"), 300.0)
    assert line.startswith("qu-en: language pack -> fine-tuning (emb, all) -> export; about 5 minutes (between "), line
