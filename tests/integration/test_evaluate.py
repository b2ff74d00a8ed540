"""meta-nmt-evaluate with real tiny jobs: killed at random it ends as undisturbed; its report and cards."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from arguments import arguments
from data_folder import TINY, make_data_folder

from meta_nmt.ledger import FILE_NAME, latest, read_ledger

REPO = Path(__file__).parents[2]

pytestmark = pytest.mark.slow
SHAPE = " ".join([*TINY[2:], "--num-workers", "0"])
EXPERIMENT = {
    "title": "Tiny", "source_langs": ["aa", "bb"], "valid_langs": ["cc"], "targets": ["dd"],
    "systems": ["scratch", "joint", "fomaml", "meta_sgd"], "budgets": [0, 300], "seeds": [1],
    "strategies": ["emb", "emb_enc", "all", "learned"], "arch": "ulr_transformer_tiny",
    "base_tokens": 24_000, "train_tokens": 24_000, "support_tokens": 300, "query_tokens": 300,
    "train_flags": "--lr 3e-3 --warmup-updates 2 --valid-sample-tokens 300 --valid-steps 2 --save-interval-updates 3 "
    + SHAPE,
    "adapt_flags": "--max-update 8 --save-interval-updates 3 --num-workers 0", "budget_flags": {300: "--max-update 6"},
    "scratch_flags": f"--max-update 6 --save-interval-updates 3 {SHAPE}", "generate_flags": "--beam 1",
}  # fmt: skip
CELLS = 1 + 3 + 9 + 1  # scratch; zero-shot; three strategies of three systems; a learned rule
JOBS = 4 + CELLS  # a base and three systems are trained


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("evaluate")
    data = make_data_folder(root, {"aa": "source", "bb": "source", "cc": "valid", "dd": "target"})
    path = root / "experiment.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, "data": str(data)}))
    return path


def start(experiment: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, *arguments("-m meta_nmt.cli.evaluate {} --out {} --jobs 3", experiment, out)]
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def timeless(out: Path) -> tuple[dict, list[dict], dict[str, tuple[str, ...]]]:
    """Jobs, choices and translations of an evaluation, without times."""
    lines = read_ledger(out / FILE_NAME)
    jobs = {name: {k: v for k, v in line.items() if k != "seconds"} for name, line in latest(lines).items()}
    texts = {
        job["results"]: tuple((out / job["results"] / f"{name}.txt").read_text() for name in ("hypotheses", "sources"))
        for job in jobs.values()
        if "results" in job
    }
    return jobs, [line for line in lines if line["kind"] == "choice"], texts


def test_killed_three_times_it_ends_as_undisturbed(experiment: Path, tmp_path: Path) -> None:
    undisturbed = start(experiment, tmp_path / "undisturbed")
    printed, errors = undisturbed.communicate()
    assert undisturbed.returncode == 0, errors[-3000:]
    assert printed.strip() == str(tmp_path / "undisturbed/report/report.html")

    rng, out, took = random.Random(os.getpid()), tmp_path / "killed", []
    for _ in range(3):
        evaluation = start(experiment, out)
        finished = len(latest(read_ledger(out / FILE_NAME))) if (out / FILE_NAME).exists() else 0
        until = finished + rng.randint(1, 3)  # jobs that may end before the kill
        while evaluation.poll() is None:
            time.sleep(0.1)
            if (out / FILE_NAME).exists() and len(latest(read_ledger(out / FILE_NAME))) >= until:
                break
        time.sleep(5 * rng.random())
        evaluation.send_signal(signal.SIGKILL)
        evaluation.communicate()
        took.append(len(latest(read_ledger(out / FILE_NAME))))
    assert took[-1] < JOBS, f"it was killed in the middle: {took} of {JOBS} jobs had ended"
    last = start(experiment, out)
    while f"process {last.pid} on" not in (out / f"{FILE_NAME}.lock").read_text() and last.poll() is None:
        time.sleep(0.1)
    if last.poll() is None:
        second = start(experiment, out)
        assert "one evaluation at a time, but process" in second.communicate()[1] and second.returncode == 2
    errors = last.communicate()[1]
    assert last.returncode == 0, errors[-3000:]

    expected, found = timeless(tmp_path / "undisturbed"), timeless(out)
    assert len(expected[0]) == JOBS and {job["state"] for job in expected[0].values()} == {"finished"}
    assert found == expected
    kinds = [line["kind"] for line in read_ledger(out / FILE_NAME)]
    assert kinds.count("experiment") == 1, "nothing about the experiment had changed"
    report = json.loads((out / "report/report.json").read_text())
    other = json.loads((tmp_path / "undisturbed/report/report.json").read_text())
    assert [row["bleu"] for row in report["rows"]] == [row["bleu"] for row in other["rows"]]
    assert len(report["rows"]) == CELLS and not report["failed"] and not report["unfinished"]
    for row in report["rows"]:
        if row["english_tokens"]:
            folder = out / "adapted" / f"dd-{row['system']}-{row['strategy']}-300-s1"
            assert f"| test BLEU | {row['bleu']:.2f} |" in (folder / "MODEL_CARD.md").read_text(), folder
