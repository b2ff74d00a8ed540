"""The stages of a recipe: what is skipped, what starts afresh, what is said; and the last words on a report."""

import json
from pathlib import Path

import pytest
from run_recipe import REPO, run

from recipes import above_joint

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


def test_what_a_stage_says_goes_to_its_log(tmp_path: Path) -> None:
    script = f"""
source {REPO}/recipes/common.sh
RUN=$OUTPUTS/recipe
talk() {{ printf '10%%|#\\r20%%|##\\n'; echo "warning: xx: poor" >&2; echo "last words"; return "$1"; }}
stage one/a "First" talk 0
stage two "Second" talk "$STATUS"
"""
    done = run(script, tmp_path, OUTPUTS=str(tmp_path), STATUS="0")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    first, log, end = done.stdout.splitlines()[:3]
    assert first == "== First" and log == f"   log: {tmp_path}/recipe/one/a.log", "a line a stage names the log"
    assert end.startswith("   done in ") and end.endswith("s; warnings in the log: 1"), end
    assert "\r" not in done.stdout and "20%" not in done.stdout and len(done.stdout.splitlines()) == 6
    assert (tmp_path / "recipe/one/a.log").read_text().endswith("last words\n")
    failed = run(script, tmp_path, OUTPUTS=str(tmp_path), STATUS="7")
    assert failed.returncode == 7 and "last words" in failed.stderr, "what failed is shown"
    assert failed.stderr.splitlines()[-1].count(f"{tmp_path}/recipe/two.log") == 1, "and where the rest is"


@pytest.mark.parametrize("bleu, why", [((35.0, 35.5), True), ((35.5, 35.5), True), ((36.0, 35.5), False)])
def test_why_a_learner_is_not_above_joint_is_said(
    bleu: tuple[float, float], why: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"system": system, "english_tokens": tokens, "bleu": score + seed}
        for system, score in zip(("fomaml", "joint"), bleu, strict=True)
        for tokens in (0, 4800)
        for seed in ((0,) if tokens == 0 else (-1, 0, 1))
    ]
    (tmp_path / "report.json").write_text(json.dumps({"rows": [*rows, {**rows[0], "system": "scratch"}]}))
    above_joint.main(tmp_path / "report.json")
    said = capsys.readouterr().out
    expected = f"fomaml is not above joint training here ({bleu[0]:.2f} against 35.50 BLEU from 4,800 English tokens)"
    assert said.startswith(expected) if why else said == "", said
