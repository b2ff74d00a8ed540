"""The names of a run's files stand in one place."""

from spelled_names import spelled

from meta_nmt.cards.model_card import FILE_NAME
from meta_nmt.runs.run_folder import RunFolder

RUN = RunFolder("runs/ro")
OWNERS = {
    path.name: "runs/run_folder.py" for path in (RUN.last, RUN.best, RUN.costs, RUN.training_log, RUN.log, RUN.crash)
}
OWNERS[FILE_NAME] = "cards/model_card.py"


def test_no_other_file_spells_them():
    assert spelled(OWNERS) == set(OWNERS.items())


def test_a_path_is_kept_as_it_is_given(tmp_path):
    """Commands of an evaluation name runs by places that are filled later."""
    assert str(RunFolder("@out@/@parent.run@").best) == "@out@/@parent.run@/checkpoint_best.pt"
    assert str(RunFolder(tmp_path)) == str(tmp_path) and RunFolder(tmp_path).checkpoints == []
    for name in ("checkpoint_best.pt", "checkpoint_1_20.pt", "cost.jsonl"):
        (tmp_path / name).touch()
    assert sorted(path.name for path in RunFolder(tmp_path).checkpoints) == ["checkpoint_1_20.pt", "checkpoint_best.pt"]
