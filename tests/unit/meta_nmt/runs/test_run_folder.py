"""The names of a run's files stand in one place."""

import ast
from pathlib import Path

from meta_nmt.cards.model_card import FILE_NAME
from meta_nmt.runs.run_folder import RunFolder

PACKAGE = Path(__file__).resolve().parents[4] / "meta_nmt"
RUN = RunFolder("runs/ro")
OWNERS = {path.name: "runs/run_folder.py" for path in (RUN.last, RUN.best, RUN.costs, RUN.training_log, RUN.log)}
OWNERS[FILE_NAME] = "cards/model_card.py"


def literals(tree):
    """Every string of a module that does not stand alone, as docstrings do."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node.value for node in strings if id(node) not in alone]


def test_no_other_file_spells_them():
    spelled = {
        (name, str(path.relative_to(PACKAGE)))
        for path in PACKAGE.rglob("*.py")
        for text in literals(ast.parse(path.read_text(encoding="utf-8")))
        for name in OWNERS
        if name in text
    }
    assert spelled == set(OWNERS.items())


def test_a_path_is_kept_as_it_is_given(tmp_path):
    """Commands of an evaluation name runs by places that are filled later."""
    assert str(RunFolder("@out@/@parent.run@").best) == "@out@/@parent.run@/checkpoint_best.pt"
    assert str(RunFolder(tmp_path)) == str(tmp_path) and RunFolder(tmp_path).checkpoints == []
    for name in ("checkpoint_best.pt", "checkpoint_1_20.pt", "cost.jsonl"):
        (tmp_path / name).touch()
    assert sorted(path.name for path in RunFolder(tmp_path).checkpoints) == ["checkpoint_1_20.pt", "checkpoint_best.pt"]
