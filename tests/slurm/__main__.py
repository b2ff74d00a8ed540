"""The checks on Slurm, a line for each; the last line counts them.

python -m slurm [WORDS]      (only the checks whose names have one of the words)
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from slurm import evaluations, sweeps, training
from slurm.cluster import running


def main(words: list[str]) -> int:
    checks = {**sweeps.CHECKS, **evaluations.CHECKS, **training.CHECKS}
    chosen = [name for name in checks if not words or any(word in name for word in words)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the daemons are ended then too
    work = Path(tempfile.mkdtemp(prefix="slurm-"))
    failed: list[str] = []
    try:
        (work / "cluster").mkdir()
        with running(work / "cluster") as cluster:
            for name in chosen:
                began, place = time.monotonic(), work / f"check-{chosen.index(name)}"
                try:
                    with sweeps.no_jobs_left():
                        checks[name](cluster, place)
                    outcome = "passed"
                except Exception as error:
                    failed.append(name)
                    outcome = f"FAILED: {error!r}"[:3000]
                print(f"{name}: {outcome} ({time.monotonic() - began:.0f} s)", flush=True)
    finally:
        if failed and os.environ.get("KEEP") == "1":
            print(f"kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    print(f"{len(chosen) - len(failed)} passed, {len(failed)} failed")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
