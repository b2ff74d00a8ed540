"""meta-nmt-translate on a translator folder: a line for a line, in order, as they come."""

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from meta_nmt.cli import translate
from meta_nmt.cli.translate import FIRST_BUFFER, LONGEST_LINE, Feed, read_lines

REPO = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def lines(data):
    return (data / "text/dd-en/valid.dd").read_text("utf-8").splitlines()


def run(capsys, *argv):
    assert translate.main([str(a) for a in argv]) == 0
    done = capsys.readouterr()
    return done.out, done.err


def test_a_line_for_a_line(model, lines, tmp_path, capsys):
    source = [lines[0], "", *lines[1:], "  ", "Привет, мир"]
    (tmp_path / "a").write_text("".join(f"{line}\n" for line in source[:7]), "utf-8")
    (tmp_path / "b").write_text("\r\n".join(source[7:]), "utf-8")  # no line end at its end
    out, err = run(capsys, "--model", model, "--input", tmp_path / "a", tmp_path / "b", "--beam", 2)
    output = out.split("\n")
    assert output.pop() == "" and len(output) == len(source)
    assert [i for i, line in enumerate(output) if not line] == [1, len(source) - 2], "empty lines stay in place"
    warnings = err.splitlines()
    assert len(warnings) == 1 and f"line {len(source)}: " in warnings[0] and "script" in warnings[0], err
    small, _ = run(capsys, "--model", model, "--input", tmp_path / "a", tmp_path / "b", "--beam", 2, "--buffer-size", 3)
    assert small == out, "how lines are buffered does not change them"


def test_scores_and_alternatives(model, lines, tmp_path, capsys):
    (tmp_path / "a").write_text("".join(f"{line}\n" for line in [*lines[:3], ""]), "utf-8")
    plain, _ = run(capsys, "--model", model, "--input", tmp_path / "a", "--beam", 3)
    scored, _ = run(capsys, "--model", model, "--input", tmp_path / "a", "--beam", 3, "--scores")
    several, _ = run(capsys, "--model", model, "--input", tmp_path / "a", "--beam", 3, "--nbest", 3)
    split = [line.split("\t") for line in scored.splitlines()]
    assert [text for _, text in split] == plain.splitlines()
    assert all(float(score) < 0 for score, _ in split[:3]) and split[3] == ["", ""]
    rows = [line.split("\t") for line in several.splitlines()]
    assert [number for number, _, _ in rows] == ["1"] * 3 + ["2"] * 3 + ["3"] * 3 + ["4"]
    assert [text for _, _, text in rows[::3]] == plain.splitlines(), "the best comes first"


def test_a_long_line_is_cut_and_said(model, lines, tmp_path, capsys):
    (tmp_path / "a").write_text(f"{lines[0]}\n{' '.join(lines)}\n", "utf-8")
    out, err = run(capsys, "--model", model, "--input", tmp_path / "a", "--max-pieces", "10")
    assert out.count("\n") == 2
    assert err == f"meta-nmt-translate: warning: line 2: cut from {len(' '.join(lines).split())} to 10 pieces\n"


def test_a_line_without_an_end_is_not_kept_in_memory():
    stream = io.BytesIO(b"a\n" + "é".encode() * LONGEST_LINE + b"\nb")
    read = list(read_lines(stream, "x"))
    assert [text[:1] for text, _ in read] == ["a", "é", "b"] and [cut for _, cut in read] == [False, True, False]
    assert len(read[1][0].encode()) == LONGEST_LINE
    odd = io.BytesIO(b"x" + "é".encode() * LONGEST_LINE)  # the cut goes through a character
    assert len(next(read_lines(odd, "x"))[0].encode()) == LONGEST_LINE - 1


def test_lines_that_come_quickly_are_taken_together():
    feed = Feed(((str(i), False) for i in range(200)), 400)
    sizes = [len(batch) for batch in feed.batches(100)]
    assert sizes == [FIRST_BUFFER, 2 * FIRST_BUFFER, 100, 200 - 3 * FIRST_BUFFER - 100], "growing, to the most"


def test_a_line_that_comes_alone_does_not_wait():
    gate = threading.Event()

    def slow():
        yield "first", False
        gate.wait(30)
        yield "second", False

    batches = Feed(slow(), 10).batches(100)
    start = time.monotonic()
    assert next(batches) == [("first", False)] and time.monotonic() - start < 10, "it is not held back"
    gate.set()
    assert list(batches) == [[("second", False)]]


def test_an_error_of_the_reader_comes_after_the_lines_before_it():
    def broken():
        yield "first", False
        raise ValueError("broken")

    batches = Feed(broken(), 10).batches(100)
    assert next(batches) == [("first", False)]
    with pytest.raises(ValueError, match="broken"):
        next(batches)


def command(model):
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    argv = [sys.executable, "-m", "meta_nmt.cli.translate", "--model", str(model), "--beam", "1"]
    return subprocess.Popen(argv, stdin=-1, stdout=-1, stderr=-1, env=environment, cwd=REPO)


def test_a_conversation_through_a_pipe_and_its_quiet_end(model, lines):
    """Output comes while the input is still open; when nobody reads any more, the command ends without a word."""
    process = command(model)
    for line in lines[:3]:
        process.stdin.write(f"{line}\n".encode())
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer.endswith(b"\n") and len(answer) > 1, "an answer, and the input is open"
    process.stdout.close()
    process.stdin.write("".join(f"{line}\n" for line in lines).encode())
    process.stdin.close()
    error = process.stderr.read()
    assert process.wait(60) == 0 and error == b"", error


@pytest.mark.parametrize(
    "flags, words",
    [
        ([], "--model DIR"),
        (["--model", "x", "DATA"], "`--model` must stand without DATA"),
        (["--model", "x", "--source-lang", "dd"], "`--model` must stand without"),
        (["DATA", "--path", "x"], "--source-lang"),
        (
            ["DATA", "--path", "x", "--source-lang", "dd", "--backend", "torch"],
            "`--backend` must be given with `--model`",
        ),
        (["--model", "x", "--beam", "0"], "`--beam` must be at least 1"),
        (["--model", "x", "--nbest", "6"], "`--nbest` must be at most the beam width 5"),
        (["--model", "nowhere"], "nowhere: must be a translator folder"),
    ],
)
def test_refusals_are_one_line(flags, words, capsys):
    try:
        status = translate.main(flags)
    except SystemExit as stop:
        status = stop.code
    error = capsys.readouterr().err
    assert status == 2 and words in error and error.count("\n") == 1, error


def test_a_missing_file(model, capsys):
    assert translate.main(["--model", str(model), "--input", "nowhere.txt"]) == 2
    assert "nowhere.txt" in capsys.readouterr().err
