"""Pairs from monolingual text: which translations, and in which share."""

import shutil
from types import SimpleNamespace

import pytest
import torch

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import write_json
from meta_nmt.cards.data_facts import read_pack_card
from meta_nmt.tasks.adapted import load_adapted
from meta_nmt.translation.self_training import mixed, own_pairs


def test_what_is_no_translation_is_left_out():
    translations = {"a": "of the of the of the", "b": "", "c": "c", "d": "a good line", "e": "another"}
    translator = SimpleNamespace(translate=lambda lines: [translations[line] for line in lines])
    assert own_pairs(translator, list("abcde")) == [("d", "a good line"), ("e", "another")]


def test_real_pairs_are_about_a_third():
    real, own = [("r", str(n)) for n in range(30)], [("o", str(n)) for n in range(240)]
    for count, times in ((240, 4), (60, 1), (6, 1)):
        pairs = mixed(real, own[:count])
        assert pairs[: 30 * times] == real * times and pairs[30 * times :] == own[:count]


@pytest.mark.parametrize("place", ["run/self", "self"])
def test_vectors_outside_the_pack_move_with_the_run(data, adapted, tmp_path, place):
    """A checkpoint names the table that it was trained with; the one in its own folder, or beside it, is read."""
    checkpoint, there = tmp_path / "work/runs/run/checkpoint_best.pt", tmp_path / "elsewhere/self/aligned.npy"
    table = tmp_path / "work" / ("runs/" + place if "/" in place else place) / "aligned.npy"
    checkpoint.parent.mkdir(parents=True)
    state = torch.load(adapted, weights_only=False)
    state["cfg"]["task"]["aligned_with"] = str(there)
    torch.save(state, checkpoint)
    with pytest.raises(InputError, match="elsewhere/self/aligned.npy: must be a NumPy file"):
        load_adapted(data, [checkpoint], "dd", "en")
    for path in (table, there):  # another run may stand in the old place by now
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DataFolder(data).pack("dd").vectors, path)
    task, _ = load_adapted(data, [checkpoint], "dd", "en")
    assert task.cfg.aligned_with == str(table)
    write_json(table.with_suffix(".json"), {"alignment": {"precision_at_1": 0.5}})
    card = read_pack_card(data, "dd", str(table))
    assert card["alignment"] == {"precision_at_1": 0.5} and card["aligned_with"] == str(table)
