"""The wheel, built, installed into an empty environment, and driven from another folder."""

import os
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_is_all_that_a_user_needs(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("VENV", "EXTRAS", "PYTHONPATH")}
    command = ["bash", str(REPO / "tests/wheel.sh"), str(tmp_path / "wheel")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "== All is well" in done.stdout
