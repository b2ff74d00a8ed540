"""About how long meta-nmt-adapt will take from raw text."""

from meta_nmt.cli import fine_tune
from meta_nmt.cli.adapt_estimate import describe, seconds

PAIRS = [("x" * 20, "y" * 25)] * 100


def test_more_to_do_takes_longer(meta, tmp_path):
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
