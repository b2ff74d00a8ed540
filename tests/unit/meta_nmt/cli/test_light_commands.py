"""What is answered without torch and fairseq, which take seconds to load: help, mistakes in flags, CTranslate2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[4]
LIGHT = ("add_language", "evaluate", "export", "preprocess", "report", "serve", "translate")
ENDS = """
import sys
heavy = {"torch", "fairseq"} & {*sys.modules}
assert not heavy, f"loaded: {heavy}"
"""
COMMAND = """
import importlib, sys
wanted, name, *flags = sys.argv[1:]
try:
    status = importlib.import_module(f"meta_nmt.cli.{name}").main(flags)
except SystemExit as end:
    status = end.code
assert status == int(wanted), status
"""
SERVE = """
import sys
from fastapi.testclient import TestClient
from meta_nmt.serving.desk import Limits
from meta_nmt.serving.server import make_app
from meta_nmt.translation.loaders import load_folder
folder, line = sys.argv[1:]
with TestClient(make_app(load_folder(folder), Limits(), hosts=["*"])) as client:
    print(client.post("/api/translate", json={"text": line}).json()["text"])
"""


def run(script: str, *argv: object, given: str = "") -> tuple[str, str]:
    """What a script writes to standard output and error, in a process of its own that ends well."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, argv)], input=given, text=True, capture_output=True, cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def command(status: int, *argv: object, given: str = "") -> tuple[str, str]:
    """What a command writes that ends with this status, without having loaded torch or fairseq."""
    return run(COMMAND + ENDS, status, *argv, given=given)


@pytest.mark.parametrize("name", LIGHT)
def test_help_and_mistakes_in_flags(name: str) -> None:
    out, err = command(0, name, "--help")
    assert f"usage: meta-nmt-{name.replace('_', '-')}" in out and not err
    out, err = command(2, name, "--no-such-flag")
    assert not out and err.count("\n") == 1, err


def test_help_and_mistakes_in_flags_of_adaptation_from_raw_text(tmp_path: Path) -> None:
    out, err = command(0, "adapt", "--pairs", "qu-en.tsv", "--help")
    assert "usage: meta-nmt-adapt [--pairs FILE]" in out and not err
    checkpoint = tmp_path / "meta.pt"
    flags = ["--pairs", tmp_path / "qu-en.tsv", "--checkpoint", checkpoint, "--out", tmp_path / "x"]
    out, err = command(2, "adapt", *flags)
    assert not out and f"{checkpoint}: does not exist" in err and err.count("\n") == 1, err
    checkpoint.touch()
    out, err = command(2, "adapt", *flags)
    assert not out and "qu-en.tsv: file is missing" in err and err.count("\n") == 1, err
    (tmp_path / "qu-en.tsv").mkdir()
    out, err = command(2, "adapt", *flags)
    assert not out and "qu-en.tsv: must be a file, but is none" in err and err.count("\n") == 1, err


@pytest.mark.parametrize("name", ["evaluate", "report"])
def test_an_input_that_is_missing(name: str, tmp_path: Path) -> None:
    _, err = command(2, name, tmp_path / "absent", "--out", tmp_path / "out")
    assert "absent" in err and err.count("\n") == 1, err


def test_a_translation_with_ctranslate2(model: Path, data: Path) -> None:
    if run("import ctranslate2, sys; print('torch' in sys.modules)")[0] == "True\n":
        pytest.skip("this version of ctranslate2 loads torch itself")
    line = (data / "text/dd-en/valid.dd").read_text("utf-8").splitlines()[0]
    translated, err = command(0, "translate", "--model", model, given=f"{line}\n")
    assert translated.strip() and not err
    served, _ = run(SERVE + ENDS, model, line)
    assert served == translated
