"""Every shipped recipe: valid bash that stops at errors, and commands that the real parsers accept."""

import importlib
import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.relative_to(REPO) for path in (REPO / "recipes").rglob("*.sh"))
LIBRARIES = {Path("recipes/common.sh"), Path("recipes/low_resource.sh")}
RECIPES = [path for path in SCRIPTS if path not in LIBRARIES]
TARGET_RECIPES = [path for path in RECIPES if path.name != "meta_train.sh"]
TATOEBA, BIBLE = Path("recipes/tatoeba"), Path("recipes/bible")
PROMISED = {
    Path("recipes/quickstart.sh"), TATOEBA / "meta_train.sh", BIBLE / "meta_train.sh",
    *(TATOEBA / f"{code}-en.sh" for code in ("ro", "lv", "fi", "ko", "tr")),
    *(BIBLE / f"{code}-en.sh" for code in ("ro", "lv", "fi", "ko")),
}  # fmt: skip


def run(script: Path | str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    unset = {"CORPUS", "MONO", "DICTIONARIES", "OUTPUTS", "DRY_RUN", "SEEDS", "STRATEGY", "ARCH"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    command = ["bash", str(REPO / script)] if isinstance(script, Path) else ["bash", "-c", script, "recipe"]
    return subprocess.run(command, cwd=cwd, env={**environment, **variables}, capture_output=True, text=True)


@cache
def commands(recipe: Path, folder: Path) -> list[list[str]]:
    """Every command of a recipe, as its dry run prints them."""
    done = run(recipe, folder, DRY_RUN="1", CORPUS=str(folder), DICTIONARIES=str(folder), OUTPUTS=f"{folder}/outputs")
    assert done.returncode == 0, f"{recipe}: {done.stderr}"
    return [shlex.split(line.removeprefix("+ ")) for line in done.stdout.splitlines() if line.startswith("+ ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@cache
def parser(command: tuple[str, ...]) -> Callable[[Sequence[str]], Any]:
    name = command[0].removeprefix("meta-nmt-")
    module = command[-1] if command[0] == "python" else f"meta_nmt.cli.{name}"
    return importlib.import_module(module).parse_args


def test_the_promised_recipes_are_there() -> None:
    assert set(RECIPES) >= PROMISED, f"missing: {sorted(map(str, PROMISED - set(RECIPES)))}"


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_scripts_are_valid_bash_and_stop_at_errors(script: Path) -> None:
    done = subprocess.run(["bash", "-n", str(REPO / script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if script not in LIBRARIES:
        lines = [line for line in (REPO / script).read_text("utf-8").splitlines() if not line.startswith("#")]
        assert lines[0] == "set -euo pipefail", f"{script} must stop at errors from its first line on"


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_the_real_parsers_accept_every_command(recipe: Path, folder: Path) -> None:
    names = set()
    for command in commands(recipe, folder):
        split = 3 if command[0] == "python" else 1
        try:
            parser(tuple(command[:split]))(command[split:])
        except SystemExit as stop:
            pytest.fail(f"{recipe}: {shlex.join(command)} is refused with status {stop.code}")
        names.add(command[0])
    assert {"meta-nmt-preprocess", "meta-nmt-train"} <= names, f"{recipe} prepares and trains"
    if recipe in TARGET_RECIPES:
        assert {"meta-nmt-adapt", "meta-nmt-generate", "meta-nmt-report"} <= names, f"{recipe} adapts and reports"


def value(command: Sequence[str], flag: str) -> str:
    return command[command.index(flag) + 1]


@pytest.mark.parametrize("recipe", TARGET_RECIPES, ids=str)
def test_targets_are_held_out_and_samples_exist(recipe: Path, folder: Path) -> None:
    by_name: dict[str, list[list[str]]] = {}
    for command in commands(recipe, folder):
        by_name.setdefault(command[0], []).append(command)
    (prepare,) = by_name["meta-nmt-preprocess"]
    held_out = value(prepare, "--target-langs").split(",")
    sizes, seeds = (value(prepare, flag).split(",") for flag in ("--english-tokens", "--sample-seeds"))
    own_sizes = dict(item.split("=") for flag, item in pairwise(prepare) if flag == "--english-tokens-of")
    for command in by_name["meta-nmt-train"]:
        trained_on = value(command, "--source-langs").split(",")
        assert not set(trained_on) & {*held_out, value(command, "--valid-langs")}, "a held-out language is trained on"
        assert value(prepare, "--source-langs").split(",") == trained_on, "prepared and trained languages differ"
    for command in by_name["meta-nmt-adapt"]:
        assert value(command, "--source-lang") in held_out, "the target was not held out"
        _, size, seed = value(command, "--train-subset").split("-")
        drawn = own_sizes.get(value(command, "--source-lang"), ",".join(sizes)).split(",")
        assert size in drawn and seed.removeprefix("s") in seeds, f"the sample {size} {seed} is never drawn"
    assert len({value(command, "--seed") for command in by_name["meta-nmt-adapt"]}) >= 3, "fewer than 3 seeds"
    systems = {(value(command, "--system"), value(command, "--strategy")) for command in by_name["meta-nmt-generate"]}
    expected = {
        ("scratch", "all"),
        ("joint", "zero"),
        ("joint", "emb_enc"),
        ("fomaml", "zero"),
        ("fomaml", "emb_enc"),
    }
    assert systems == expected, "scratch, joint and meta, zero-shot and adapted, side by side"


@pytest.mark.parametrize("family", [TATOEBA, BIBLE], ids=str)
def test_recipes_of_a_family_share_one_meta_training(family: Path, folder: Path) -> None:
    shared = commands(family / "meta_train.sh", folder)
    for recipe in TARGET_RECIPES:
        if recipe.parent == family:
            assert commands(recipe, folder)[: len(shared)] == shared, f"{recipe} trains something of its own"


@pytest.mark.parametrize("missing", ["CORPUS", "DICTIONARIES"])
@pytest.mark.parametrize("recipe", [path for path in RECIPES if path.name != "quickstart.sh"], ids=str)
def test_a_missing_folder_is_one_line(recipe: Path, missing: str, tmp_path: Path) -> None:
    given = {"CORPUS": str(tmp_path), "DICTIONARIES": str(tmp_path), "OUTPUTS": str(tmp_path / "outputs")}
    without = {name: folder for name, folder in given.items() if name != missing}
    for variables in (without, {**given, missing: str(tmp_path / "absent")}):
        done = run(recipe, tmp_path, **variables)
        assert done.returncode == 2, f"{recipe}: exit status {done.returncode}"
        assert done.stderr.count("\n") == 1 and missing in done.stderr, done.stderr
    assert not (tmp_path / "outputs").exists(), "something was written"


STAGES = f"""
source {REPO}/recipes/common.sh
RUN=$OUTPUTS/recipe
make() {{ mkdir -p "$RUN/$1"; echo "$2" >>"$RUN/$1/log"; [[ "$2" != fails ]]; }}
stage one "First" make one "$ONE"
stage two "Second" make two "$TWO"
"""


def stages(tmp_path: Path, one: str, two: str) -> tuple[int, list[str], list[str]]:
    done = run(STAGES, tmp_path, OUTPUTS=str(tmp_path), ONE=one, TWO=two)
    logs = [tmp_path / "recipe" / name / "log" for name in ("one", "two")]
    one_log, two_log = (log.read_text("utf-8").split() if log.exists() else [] for log in logs)
    return done.returncode, one_log, two_log


def test_finished_stages_are_skipped_and_changed_ones_start_afresh(tmp_path: Path) -> None:
    assert stages(tmp_path, "a", "b") == (0, ["a"], ["b"]), "the first run runs both"
    assert stages(tmp_path, "a", "b") == (0, ["a"], ["b"]), "the second run runs neither"
    assert stages(tmp_path, "a", "c") == (0, ["a"], ["c"]), "a changed command starts afresh"
    assert stages(tmp_path, "x", "c") == (0, ["x"], ["c"]), "and so does what comes after it"


def test_a_failed_stage_stops_the_recipe_and_goes_on_in_its_folder(tmp_path: Path) -> None:
    status, one, two = stages(tmp_path, "fails", "b")
    assert status != 0 and (one, two) == (["fails"], []), "the recipe must stop where a command fails"
    assert stages(tmp_path, "fails", "b")[1] == ["fails", "fails"], "an interrupted stage keeps its folder and goes on"
    assert stages(tmp_path, "a", "b") == (0, ["a"], ["b"]), "mended, it starts afresh"
