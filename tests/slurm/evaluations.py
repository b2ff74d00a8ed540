"""meta-nmt-evaluate on Slurm, with tiny models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from arguments import arguments
from campaign import runs
from data_folder import TINY

from meta_nmt.ledger import FILE_NAME, latest, read_ledger
from slurm.cluster import Cluster, asked, wait_until
from slurm.sweeps import job_ids
from slurm.training import went_on

SHAPE = " ".join([*TINY[2:], "--num-workers", "0"])
EXPERIMENT = {
    "title": "Tiny", "source_langs": ["aa", "bb"], "valid_langs": ["cc"], "targets": ["dd"],
    "systems": ["scratch", "fomaml"], "budgets": [0, 300], "seeds": [1], "strategies": ["emb"],
    "arch": "ulr_transformer_tiny", "base_tokens": 24_000, "train_tokens": 12_000, "support_tokens": 300,
    "query_tokens": 300,
    "train_flags": "--lr 3e-3 --warmup-updates 2 --valid-sample-tokens 300 --valid-steps 2 --save-interval-updates 2 "
    + SHAPE,
    "adapt_flags": "--max-update 4 --save-interval-updates 2 --num-workers 0",
    "scratch_flags": f"--max-update 4 --save-interval-updates 2 {SHAPE}", "generate_flags": "--beam 1",
}  # fmt: skip
JOBS = ("train/base", "train/fomaml")  # and a cell each: scratch, zero-shot, adapted
CELLS = 3


def _experiment(work: Path, **changed: Any) -> Path:
    work.mkdir()
    path = work / "experiment.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, **changed, "data": str(runs.data_folder(work))}))
    return path


def _start(experiment: Path, out: Path, more: str = "--cluster slurm") -> subprocess.Popen[str]:
    command = [sys.executable, *arguments(f"-m meta_nmt.cli.evaluate {{}} --out {{}} --jobs 2 {more}", experiment, out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _jobs(out: Path) -> Mapping[str, Mapping[str, Any]]:
    return latest(read_ledger(out / FILE_NAME)) if (out / FILE_NAME).exists() else {}


def _translations(out: Path) -> dict[str, str]:
    return {
        job["results"]: (out / job["results"] / "hypotheses.txt").read_text()
        for job in _jobs(out).values()
        if "results" in job
    }


def _to_its_report(cluster: Cluster, work: Path) -> None:
    experiment, out = _experiment(work), work / "out"
    first = _start(experiment, out)
    saved = out / JOBS[0] / "checkpoint_last.pt"
    wait_until(lambda: saved.exists() or first.poll() is not None, "the base has a checkpoint", 900)
    subprocess.run(["scancel", *job_ids()], check=True)
    errors = first.communicate(timeout=900)[1].splitlines()
    assert first.returncode == 2, errors
    assert any(line.startswith(f"failed: {JOBS[0]}: ") for line in errors), errors
    assert errors[-1].startswith("meta-nmt-evaluate: error: ") and "not everything finished" in errors[-1], errors
    base = _jobs(out)[JOBS[0]]

    second = _start(experiment, out)
    wait_until(lambda: _jobs(out)[JOBS[0]] != base or second.poll() is not None, "the base is finished", 900)
    second.send_signal(signal.SIGKILL)
    second.communicate()
    log = (out / f"logs/{JOBS[0]}.log").read_text()
    assert went_on(log), f"the base went on from its checkpoint: {log[-3000:]}"

    third = _start(experiment, out)
    printed, said = third.communicate(timeout=1200)
    assert third.returncode == 0, said[-3000:]
    assert printed.strip() == str(out / "report/report.html"), printed
    states = {name: job["state"] for name, job in _jobs(out).items()}
    assert len(states) == len(JOBS) + CELLS and set(states.values()) == {"finished"}, states
    report = json.loads((out / "report/report.json").read_text())
    assert len(report["rows"]) == CELLS and not report["failed"], report["failed"]

    local = _start(experiment, work / "local", "")
    assert local.communicate(timeout=1200) and local.returncode == 0
    assert _translations(out) == _translations(work / "local"), "translations are those of an undisturbed local one"


def _unknown_partition(cluster: Cluster, work: Path) -> None:
    experiment = _experiment(work, executor={"slurm_partition": "nowhere"})
    run = _start(experiment, work / "out")
    errors = run.communicate(timeout=300)[1].splitlines()
    assert run.returncode == 2 and len(errors) == 1, errors
    assert errors[0].startswith("meta-nmt-evaluate: error: executor: must be what the cluster accepts"), errors
    assert "invalid partition specified: nowhere" in errors[0], errors
    assert not job_ids(), "nothing was submitted"


def _inside_a_job(cluster: Cluster, work: Path) -> None:
    """The evaluation itself is a job; its own jobs get nothing of that job's, and all is in one report."""
    experiment, out = _experiment(work, systems=["scratch"], budgets=[300], base_tokens=0), work / "out"
    command = [sys.executable, *arguments("-m meta_nmt.cli.evaluate {} --out {} --cluster slurm", experiment, out)]
    environment = {**os.environ, "SLURM_CONF": str(cluster.folder / "slurm.conf")}
    run = subprocess.run(["srun", "--ntasks=1", "--cpus-per-task=1", *command], env=environment, timeout=1200,
                         capture_output=True, text=True)  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert (out / "report/report.html").exists()
    assert asked("squeue", "--me", "--noheader") == "", "nothing is left"


CHECKS: dict[str, Callable[[Cluster, Path], None]] = {
    "evaluate: an unknown partition is one line": _unknown_partition,
    "evaluate: scancel, kill -9, and its report": _to_its_report,
    "evaluate: from inside of a job": _inside_a_job,
}
