"""Full disks and read-only folders."""

import pytest
from campaign import disk


@pytest.fixture(scope="module")
def mounted(tmp_path_factory):
    return disk.can_mount(tmp_path_factory.mktemp("mount"))


def test_a_full_disk_while_a_checkpoint_is_written(data, tmp_path, mounted):
    assert (wrong := disk.full_while_training(data, tmp_path, 0.5, mounted)) is None, wrong


@pytest.mark.slow
def test_a_limit_on_file_size_stands_in_for_a_full_disk(data, tmp_path):
    assert (wrong := disk.full_while_training(data, tmp_path, 0.5, False)) is None, wrong


def test_a_full_disk_while_translating_keeps_the_results_of_before(data, meta, tmp_path, mounted):
    wrong = disk.full_while_translating(data, meta / "checkpoint_best.pt", tmp_path, mounted)
    assert wrong is None, wrong


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_full_disk_while_data_is_prepared(tmp_path, mounted, share):
    assert (wrong := disk.full_while_preparing(tmp_path, share, mounted)) is None, wrong


def test_read_only_folders(data, meta, tmp_path, mounted):
    if not mounted:
        pytest.skip("this system does not let us mount a file system that may only be read")
    rows = disk.read_only(data, meta / "checkpoint_best.pt", tmp_path)
    assert len(rows) == 4
    assert not [lost for _, _, lost in rows if lost], rows
