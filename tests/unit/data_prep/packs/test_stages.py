"""Every stage is a command of its own: help, one-line errors, and the same files as in the whole."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.__main__ import STAGES, main
from data_prep.base import stage_records
from data_prep.base.command_line import run_command
from data_prep.base.data_folder import PackFolder
from data_prep.base.errors import InputError
from data_prep.base.files import atomic
from data_prep.base.stage_records import run_stage
from data_prep.cleaning import clean, split, subsample
from data_prep.packs import align, binarise, subwords, ulr_tables, vectors


@pytest.mark.parametrize("stage", STAGES)
def test_help_and_usage_errors(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([stage, "--help"])
    assert stopped.value.code == 0 and f"python -m data_prep {stage}" in capsys.readouterr().out, "help names the stage"
    with pytest.raises(SystemExit) as stopped:
        main([stage, "--no-such-flag", "x"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count("\n") == 1, f"a usage error must be one line and status 2: {error}"


def test_the_list_of_stages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    assert all(f"  {stage} " in page for stage in STAGES), "help lists them"
    with pytest.raises(SystemExit) as stopped:
        main(["no-such-stage"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count("\n") == 1 and "no-such-stage" in error and "audit" in error


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_run_by_its_file_is_the_same_stage(stage: str) -> None:
    module = f"data_prep.{STAGES[stage][0]}"
    done = subprocess.run([sys.executable, "-m", module, "--no-such-flag"], capture_output=True, text=True)
    assert done.returncode == 2 and f"python -m data_prep {stage}" in done.stderr, "not silence and status 0"


def test_the_chain_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["red", "green", "blue", "dog", "cat", "bird", "sees", "eats", "likes", "old"]
    rng = np.random.default_rng(0)
    english = [" ".join(rng.choice(words, size=5)) for _ in range(260)]
    english[:2] = [english[-1].upper(), english[-30] + "!"]
    (tmp_path / "corpus").mkdir()
    rows = [f"{line.upper()}\t{line}\n" for line in english]
    (tmp_path / "corpus/xx-en.tsv").write_text("".join(rows), "utf-8")
    text, pack = tmp_path / "text", tmp_path / "lang"
    corpus = ["--corpus", str(tmp_path / "corpus"), "--lang", "xx"]
    assert split.main([*corpus, "--hold-out-last", "20,20", "--out", str(text)]) == 0
    pairs = ["--source", str(text / "train.xx"), "--target", str(text / "train.en")]
    cleaned = ["--out-source", str(text / "clean.xx"), "--out-target", str(text / "clean.en"), "--workers", "1"]
    held_out = ["--held-out-target", str(text / "valid.en"), str(text / "test.en")]
    assert clean.main([*pairs, *cleaned, *held_out, "--counts", str(text / "counts.json")]) == 0
    counts = json.loads((text / "counts.json").read_text())
    assert counts["kept"] + sum(counts["dropped"].values()) == counts["read"] == 220, f"accounting is off: {counts}"
    assert counts["dropped"]["held-out-english"] == 2, "the two planted leaks"
    sample = [*pairs, "--english-tokens", "50", "--sample-seeds", "7", "--out", str(text)]
    assert subsample.main(sample) == 0
    assert len((text / "train-50-s7.en").read_text().splitlines()) == 10, "10 lines of 5 tokens"
    for side in ("xx", "en"):
        own = ["--text", str(text / f"clean.{side}")]
        assert subwords.main([*own, "--out", str(pack / side), "--vocab-size", "60"]) == 0
        raw = ["--pack", str(pack / side), "--out", str(tmp_path / f"{side}.npy")]
        assert vectors.main([*own, *raw, "--vector-dim", "8"]) == 0
    raw_english = ["--pack", str(pack / "en"), "--raw", str(tmp_path / "en.npy"), "--out", str(tmp_path / "universal")]
    assert ulr_tables.main([*raw_english, "--universal-tokens", "6"]) == 0
    assert np.load(tmp_path / "universal/keys.npy").shape == (6, 8), "M keys of Q numbers"
    aligned = ["--pack", str(pack / "xx"), "--raw", str(tmp_path / "xx.npy"), "--english-pack", str(pack / "en")]
    assert align.main([*aligned, "--parallel", str(text / "clean.xx"), str(text / "clean.en")]) == 0
    card = json.loads((pack / "xx/card.json").read_text())
    assert card["alignment"]["anchors_by_kind"]["parallel"] >= 8, f"ten words translate one to one: {card}"
    prefix = tmp_path / "bin/train.xx-en.xx"
    assert binarise.main(["--text", str(text / "clean.xx"), "--pack", str(pack / "xx"), "--out", str(prefix)]) == 0
    assert prefix.with_name(prefix.name + ".idx").is_file(), "the index must be written"
    assert str(counts["kept"]) in capsys.readouterr().out, "the number of sentences must be said"


def test_dictionary_of_another_model_is_refused(tmp_path: Path) -> None:
    subwords.write_pack(PackFolder(tmp_path / "xx"), ["one two three"] * 20, [], 40)
    dictionary = tmp_path / "xx/dict.txt"
    dictionary.write_text("".join(dictionary.read_text("utf-8").splitlines(keepends=True)[1:]), "utf-8")
    (tmp_path / "text").write_text("one two\n")
    with pytest.raises(InputError, match="must hold every piece of spm.model"):
        binarise.binarise(tmp_path / "text", PackFolder(tmp_path / "xx"), tmp_path / "bin/train")
    assert not (tmp_path / "bin").exists(), "nothing may be written"


def test_vectors_of_another_dictionary_are_refused(tmp_path: Path) -> None:
    subwords.write_pack(PackFolder(tmp_path / "xx"), ["one two three"] * 20, [], 40)
    np.save(tmp_path / "raw.npy", np.zeros((5, 4)))
    with pytest.raises(InputError, match="must have .* rows"):
        ulr_tables.load_table(tmp_path / "raw.npy", PackFolder(tmp_path / "xx"))
    (tmp_path / "raw.npy").write_bytes((tmp_path / "raw.npy").read_bytes()[:100])
    with pytest.raises(InputError, match="whole .npy file"):
        ulr_tables.load_table(tmp_path / "raw.npy", PackFolder(tmp_path / "xx"))


def vocab_size(wanted: int | None, lines: list[str]) -> int:
    return subwords.fitting_vocab_size(wanted, lines, subwords.count_characters(lines))


def test_vocabulary_sizes_follow_from_the_text() -> None:
    lines = ["a b c d e f g h i j"] * 100
    assert vocab_size(8000, lines) == 100, "one piece for 10 of 1,000 tokens"
    assert vocab_size(50, lines) == 50, "never more than wanted"
    assert vocab_size(8000, lines[:1]) == 24, "but room for the 11 characters"
    assert vocab_size(None, lines * 1000) == 8000, "8 times the square root of a million tokens"
    assert vocab_size(None, lines) == 100, "8 times the root would be more than the text can feed"
    assert subwords.count_tokens(["太初有道道与神同在道就是神"]) == 2, "text without spaces has tokens, too"


def test_character_coverage_follows_from_the_script() -> None:
    alphabet = "".join(map(chr, range(ord("a"), ord("z") + 1)))
    letters = subwords.count_characters([alphabet, "ăâîșț", "абвгд"])
    assert subwords.character_coverage(letters, 100) == 1.0, "every letter of an alphabet is a piece"
    hangul = subwords.count_characters(["".join(map(chr, range(0xAC00, 0xAC00 + 600)))])
    assert subwords.character_coverage(hangul, 1000) == 0.9995, "rare syllables may be bytes"


@pytest.mark.parametrize(
    ("wanted", "coverage", "fewest"),
    [(None, 0.9995, 1400), (1000, (9_000 + 40 * 9_006 + 625 * 6) / 378_000, 600), (300, 0.98, 240)],
)
def test_more_han_than_the_vocabulary_has_room_for(
    tmp_path: Path, wanted: int | None, coverage: float, fewest: int
) -> None:
    """A text of very many characters, as Literary Chinese is: a model all the same, and no character is lost."""
    lines = [chr(0x4E00 + i) + chr(0x4E00 + i % 40) * 40 for i in range(1500)] * 6
    characters = subwords.count_characters(lines)
    assert subwords.character_coverage(characters, vocab_size(wanted, lines)) == pytest.approx(coverage)
    subwords.write_pack(PackFolder(tmp_path / "lzh"), lines, [], wanted)
    pieces = [piece for piece, _ in subwords.read_dictionary(tmp_path / "lzh/dict.txt")]
    assert sum(len(piece) == 1 for piece in pieces) >= fewest
    model = subwords.load(tmp_path / "lzh/spm.model")
    assert all(model.decode(model.encode(line)) == line for line in lines[:1500])


def test_a_vocabulary_too_small_for_its_characters_grows() -> None:
    assert vocab_size(30, ["".join(map(chr, range(0x4E00, 0x4E00 + 600)))]) == 589, "SentencePiece wants 0.98 of them"


def test_rare_letters_of_an_alphabet_are_pieces(tmp_path: Path) -> None:
    subwords.write_pack(PackFolder(tmp_path / "xx"), ["one two three"] * 5000 + ["ő"], [], 60)
    assert "ő" in dict(subwords.read_dictionary(tmp_path / "xx/dict.txt")), "one in 50,000 characters, and yet a letter"


def test_domain_text_weighs_like_all_of_the_rest() -> None:
    assert subwords.domain_weight(["a b"], ["c d"] * 3) == 3, "three times the tokens, three times the weight"
    assert subwords.domain_weight(["a b"], ["c d"] * 300) == 10, "at most 10"
    assert subwords.domain_weight(["a b"], []) == 1, "at least 1"


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path], "the old file alone must be left"


def test_stage_runs_when_anything_changed(tmp_path: Path) -> None:
    given, made = tmp_path / "in", tmp_path / "out"
    runs: list[str] = []

    def work() -> None:
        runs.append("run")
        made.write_text(given.read_text())

    def stage(**options: int) -> bool:
        return run_stage(tmp_path / "x.stage.json", work, inputs=[given], outputs=[made], options=options)

    given.write_text("1")
    assert stage(a=1) and not stage(a=1), "once, then never again"
    assert stage(a=2), "another option"
    given.write_text("2")
    assert stage(a=2) and made.read_text() == "2", "another input"
    made.write_text("tampered")
    assert stage(a=2) and made.read_text() == "2", "a changed output"
    (tmp_path / "x.stage.json").write_text("{")
    assert stage(a=2), "a damaged record"
    assert len(runs) == 5, "and no other time"
    assert stage_records.main([str(tmp_path)]) == 0, "all outputs are as they were made"
    made.write_text("tampered")
    with pytest.raises(InputError, match="changed after it was made"):
        stage_records.main([str(tmp_path)])


def test_run_command(capsys: pytest.CaptureFixture[str]) -> None:
    def bad(argv: object) -> int:
        raise InputError("two\nlines")

    assert run_command(bad, prog="name") == 2, "status 2"
    assert capsys.readouterr().err == "name: error: two lines\n", "one line"
