"""fairseq with and without its compiled parts: the same checkpoints and the same BLEU, to the last bit and digit."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from campaign import runs

REPO = Path(__file__).parents[2]


def build(folder: Path, without_compiler: bool) -> None:
    """Install fairseq alone into a folder, from its source."""
    environment = {name: value for name, value in os.environ.items() if name not in ("READTHEDOCS", "PYTHONPATH")}
    if without_compiler:
        environment |= {"READTHEDOCS": "1"}
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-deps", "--no-build-isolation",
               "--no-binary", "fairseq-fixed", "--target", str(folder),
               f"fairseq-fixed=={version('fairseq-fixed')}"]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def chain(fairseq: Path, data: Path, root: Path) -> None:
    """Meta-training, adaptation and translation with the fairseq of a folder."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (fairseq, REPO))), "OMP_NUM_THREADS": "1"}
    generated = ["--source-lang", "dd", "--results", str(root / "results"), "--beam", "2", "--max-tokens", "300"]
    commands = {
        "train": runs.train_flags(data, root / "meta"),
        "adapt": runs.adapt_flags(data, root / "meta/checkpoint_best.pt", root / "adapted"),
        "generate": [str(data), "--path", str(root / "adapted/checkpoint_best.pt"), *generated],
    }
    for name, flags in commands.items():
        command = [sys.executable, "-m", f"meta_nmt.cli.{name}", *flags]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=root)
        assert done.returncode == 0, f"{name}: {done.stderr[-3000:]}"


@pytest.mark.slow
def test_the_same_checkpoints_and_bleu_without_compiled_parts(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("there is no g++: fairseq's compiled parts were NOT built")
    for name in ("pure", "compiled"):
        build(tmp_path / name / "fairseq", without_compiler=name == "pure")
        parts = sorted(path.name.split(".")[0] for path in (tmp_path / name / "fairseq").rglob("*.so"))
        assert ("data_utils_fast" in parts and "libbleu" in parts) == (name == "compiled"), parts
    data = runs.data_folder(tmp_path)
    for name in ("pure", "compiled"):
        chain(tmp_path / name / "fairseq", data, tmp_path / name)
    for run in ("meta", "adapted"):
        states = [runs.state(tmp_path / name / run) for name in ("pure", "compiled")]
        assert (wrong := runs.difference(*states)) is None, wrong
    texts = [(tmp_path / name / "results/hypotheses.txt").read_text("utf-8") for name in ("pure", "compiled")]
    assert texts[0] == texts[1] and len({*texts[0].splitlines()}) > 1, "the translations, which say different things"
    scores = []
    for name in ("pure", "compiled"):
        lines = (tmp_path / name / "results/generate-test.txt").read_text("utf-8").splitlines()
        scores.append([line for line in lines if "BLEU" in line])
    assert scores[0] == scores[1] and "BLEU4 = " in scores[0][0], "fairseq's own BLEU"
