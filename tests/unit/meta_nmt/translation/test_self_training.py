"""Pairs from monolingual text: which lines, which translations, and in which share."""

import shutil
from types import SimpleNamespace

import pytest
import torch

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import write_json
from meta_nmt.cards.data_facts import read_pack_card
from meta_nmt.cli.adapt_raw_flags import FEWEST_OWN
from meta_nmt.tasks.adapted import load_adapted
from meta_nmt.translation.self_training import FEWEST, fault_of_lines, mixed, monolingual_lines, own_pairs


def test_lines_of_the_domain_and_none_of_the_sample(tmp_path):
    data = DataFolder(tmp_path, "en")
    domain, extra = data.text("yo").sides("train")[0], data.mono("yo").extra
    for path in (domain, extra):
        path.parent.mkdir(parents=True)
    domain.write_text("".join(f"d{n}\n" for n in [*range(FEWEST + 2), 0]), "utf-8")
    extra.write_text("".join(f"e{n}\n" for n in range(500)) + "d3\n", "utf-8")

    def lines(most, seed=1):
        return monolingual_lines(data, "yo", ["d1", "d2"], most, seed)

    of_domain = {f"d{n}" for n in range(FEWEST + 2)} - {"d1", "d2"}
    assert {*lines(1000)} == of_domain and len(lines(1000)) == FEWEST, "enough of the domain: nothing else"
    assert {*lines(5)} < of_domain and len(lines(5)) == 5 and lines(5) != sorted(lines(5)), "drawn at random"
    assert lines(20) == lines(20) != lines(20, seed=2)
    domain.write_text("d1\nd3\n", "utf-8")
    assert lines(50)[0] == "d3" and all(line[0] == "e" for line in lines(50)[1:]) and len(lines(50)) == 50
    assert len(lines(1000)) == len({*lines(1000)}) == 501, "no line twice"
    extra.unlink()
    assert lines(1000) == ["d3"]


def test_the_fewest_lines_are_refused_alike():
    assert FEWEST == FEWEST_OWN, "the flags of raw text are read without loading torch"
    assert fault_of_lines(0) is None is fault_of_lines(FEWEST)
    assert fault_of_lines(FEWEST - 1) == f"`--self-train` must be 0 or at least {FEWEST}, but is {FEWEST - 1}"


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
