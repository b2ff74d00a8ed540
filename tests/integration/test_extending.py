"""docs/extending.md as it stands: its files are written, and its commands run, in a folder outside the repository."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
FILE = re.compile(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"(?:PYTHONPATH=\$CLONE )?(?:python|meta-nmt-\S+|fairseq-train|mkdir|cp|paste) ")
SECTIONS = dict(section.split("\n", 1) for section in PAGE.read_text("utf-8").split("\n## ")[1:])


def commands(section: str) -> list[str]:
    """The indented commands of a section, continued lines joined."""
    lines = re.sub(r"```.*?```", "", SECTIONS[section], flags=re.DOTALL).replace("\\\n", "").split("\n")
    found = [line.strip() for line in lines if line.startswith("    ")]
    assert all(COMMAND.match(line) for line in found), f"{section}: what is no command would not be run"
    return found


def run(section: str, folder: Path) -> str:
    """What the commands of a section print."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "CLONE": str(PAGE.parents[1])}
    printed = ""
    for command in commands(section):
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        printed += done.stdout + done.stderr
    return printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("user")
    for name, text in FILE.findall(PAGE.read_text("utf-8")):
        (path / name).write_text(text, encoding="utf-8")
    run("Data to try it on", path)
    return path


def test_a_learner_from_outside_is_trained_adapted_and_evaluated(folder: Path) -> None:
    printed = run("A learner", folder)
    assert re.search(r"train_inner .* loss=[1-9]|train \| .* loss [1-9]", printed), "the log shows a query loss"
    report = (folder / "runs/experiment/report/report.md").read_text("utf-8")
    assert "| msl |" in report and "| joint |" in report, "it stands in the report beside joint"
    assert (folder / "results/qbx/hypotheses.txt").is_file()
    assert '"learner": "msl"' in printed, "the few-shot bench"
    done = subprocess.run(
        [sys.executable, "-m", "meta_nmt.cli.train", "data", "--user-dir", "weighted_msl.py", "--help"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "--last-weight" in done.stdout and "(default: 0.5)" in done.stdout, "a setting is a flag"


def test_a_learner_on_another_model_learns(folder: Path) -> None:
    losses = [
        float(value) for value in re.findall(r"query loss (\S+)", run("The same learner on another model", folder))
    ]
    assert len(losses) == 3 and losses[-1] < losses[0], losses


@pytest.mark.parametrize("section", ["A corpus reader", "An architecture", "A command"])
def test_the_other_examples(section: str, folder: Path) -> None:
    printed = run(section, folder)
    if section == "A corpus reader":
        assert "interleaved_data: ready" in printed
    if section == "A command":
        assert re.search(r"qbx\t[1-9]\.\d\d", printed)


def test_a_command_that_is_none_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="would not be run"):
        commands("A meta-step")
