"""Runs a recipe, or lines of bash, in a folder, without what the environment says of recipes."""

import os
import subprocess
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]


def run(script: Path | str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    unset = {"CORPUS", "PACKS", "MONO", "DICTIONARIES", "OUTPUTS", "DRY_RUN", "SEEDS", "STRATEGY", "ARCH", "VALID",
             "SOURCES", "TARGETS", "EXTRA_PREPARATION", "JOBS", "CLUSTER"}  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    command = ["bash", str(REPO / script)] if isinstance(script, Path) else ["bash", "-c", script, "recipe"]
    return subprocess.run(command, cwd=cwd, env={**environment, **variables}, capture_output=True, text=True)
