"""A training goes on with the inputs that it was begun with, and no others."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from meta_nmt.runs.run_folder import RunFolder
from meta_nmt.runs.run_inputs import inputs_of, kept


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data", "en")
    files = [folder.universal.keys, folder.pack("en").dictionary]
    for code in ("aa", "bb", "cc"):
        files += [folder.pack(code).dictionary, folder.pack(code).vectors]
        files += [file for split in ("train", "valid") for file in folder.binary_files(code, split)]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number))
    return folder


def flags(data: DataFolder, **others: str) -> Namespace:
    usual = {"source_langs": "aa,bb", "valid_langs": "cc", "target_lang": "en"}
    return Namespace(**{**usual, "data": str(data), "train_subset": "train", "valid_subset": "valid", **others})


def begin(folder: Path, inputs: dict[str, str]) -> RunFolder:
    """The folder of a run that was begun with ``inputs``."""
    folder.mkdir()
    run = RunFolder(folder)
    with kept(folder, inputs, goes_on=True):
        run.last.touch()
    return run


def test_the_same_inputs_go_on_also_from_a_moved_data_folder(data, tmp_path):
    run = begin(tmp_path / "run", inputs_of(flags(data), None))
    moved = DataFolder(shutil.move(data.path, tmp_path / "moved"), "en")
    with kept(run.path, inputs_of(flags(moved), None), goes_on=True):
        assert run.inputs.exists()


@pytest.mark.parametrize("others", [{"source_langs": "aa"}, {"valid_langs": "bb"}, {"train_subset": "other"}])
def test_other_flags_are_refused_and_named(data, tmp_path, others):
    run = begin(tmp_path / "run", inputs_of(flags(data), None))
    before = run.inputs.read_bytes()
    (name,) = others
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}.*must be .*another `--save-dir`"):
        with kept(run.path, inputs_of(flags(data, **others), None), goes_on=True):
            pytest.fail("the training began")
    assert run.inputs.read_bytes() == before


@pytest.mark.parametrize("others", [{"source_langs": "../aa"}, {"valid_langs": "../cc"}, {"target_lang": "../en"}])
def test_what_is_no_code_becomes_no_path(data, others):
    with pytest.raises(InputError, match=r"unknown language code '\.\./"):
        inputs_of(flags(data, **others), None)


def test_other_files_are_refused_whichever_they_are(data, tmp_path):
    inputs = inputs_of(flags(data), None)
    for file in [
        data.universal.keys, data.pack("en").dictionary, data.pack("bb").vectors, data.pack("aa").dictionary,
        *data.binary_files("bb", "train"), *data.binary_files("cc", "valid"),
    ]:  # fmt: skip
        run = begin(tmp_path / f"run of {file.name}", inputs)
        was = file.read_text()
        file.write_text("others")
        with pytest.raises(InputError, match="what they were, but differ"):
            with kept(run.path, inputs_of(flags(data), None), goes_on=True):
                pytest.fail("the training began")
        file.write_text(was)
        shutil.rmtree(run.path)


def test_another_checkpoint_to_start_from_is_refused(data, tmp_path):
    (tmp_path / "one.pt").write_text("1"), (tmp_path / "two.pt").write_text("2")
    run = begin(tmp_path / "run", inputs_of(flags(data), tmp_path / "one.pt"))
    for other in (None, tmp_path / "two.pt"):
        with pytest.raises(InputError, match="checkpoint to start from"):
            with kept(run.path, inputs_of(flags(data), other), goes_on=True):
                pytest.fail("the training began")


def test_a_training_that_starts_anew_in_a_folder_records_its_own_inputs(data, tmp_path):
    run = begin(tmp_path / "run", inputs_of(flags(data), None))
    with kept(run.path, inputs_of(flags(data, source_langs="aa"), None), goes_on=False):
        pass
    assert json.loads(run.inputs.read_text())["`--source-langs`"] == "aa"


def test_a_training_without_a_checkpoint_leaves_no_record(data, tmp_path):
    with pytest.raises(FloatingPointError), kept(tmp_path, inputs_of(flags(data), None), goes_on=True):
        raise FloatingPointError
    assert not RunFolder(tmp_path).inputs.exists()


def test_a_record_that_is_none_is_named(data, tmp_path):
    run = begin(tmp_path / "run", {})
    run.inputs.write_text("[]")
    with pytest.raises(InputError, match=r"inputs\.json: must be the record"):
        with kept(run.path, inputs_of(flags(data), None), goes_on=True):
            pytest.fail("the training began")
