"""benchmarks/gpu.sh, which runs once, on a machine that is not at hand: here on the CPU with tiny sizes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import PEER, SYSTEMS

REPO = Path(__file__).resolve().parents[2]


def run(out: Path, **variables: str) -> dict:
    environment = {**os.environ, "PYTHON": sys.executable, "TINY": "1", **variables}
    done = subprocess.run(["bash", str(REPO / "benchmarks/gpu.sh"), str(out)], env=environment, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {"gpu.json", "gpu.md", "profile.txt", "log.txt"}
    return json.loads((out / "gpu.json").read_text())


@pytest.mark.slow
def test_every_part_comes_to_its_end(tmp_path):
    content = run(tmp_path / "out", MINUTES="60")
    outcomes = {part["part"]: part["outcome"] for part in content["parts"]}
    assert outcomes == dict.fromkeys(("tests", "tiny", "quickstart"), "done"), (tmp_path / "out/log.txt").read_text()
    rows = {row["name"]: row for row in content["rows"]}
    measured = [f"gpu_tiny_{name}_vs_fairseq_tokens_per_s" for name in SYSTEMS if name != PEER]  # memory: GPUs alone
    assert {*measured, "gpu_tiny_fomaml_share_of_card", "gpu_tiny_fomaml_busy"} == rows.keys()
    assert all(row["ours"] > 0 and row["peer"] > 0 for row in rows.values()), "nothing was measured"
    page = (tmp_path / "out/gpu.md").read_text()
    assert all(name in page for name in rows)
    assert "fomaml" in page.partition("## Quickstart")[2], "its table"
    assert "fomaml steps" in (tmp_path / "out/profile.txt").read_text()


def test_without_time_there_is_a_page_that_says_so(tmp_path):
    content = run(tmp_path / "out", MINUTES="0")
    assert {part["outcome"] for part in content["parts"]} == {"no time left"}
    assert "no time left" in (tmp_path / "out/gpu.md").read_text()


def test_part_that_fails_is_said_and_the_next_goes_on(tmp_path):
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$2" = benchmarks.gpu_page ] && exec {sys.executable} "$@"\necho no torch\nexit 3\n'
    )
    python.chmod(0o755)
    content = run(tmp_path / "out", PYTHON=str(python))
    assert [(part["part"], part["outcome"]) for part in content["parts"]] == [
        (name, "failed: no torch") for name in ("tests", "tiny", "quickstart")
    ]
    assert content["rows"] == []
