import pytest
from campaign import runs


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder to read; tests that damage one make their own."""
    return runs.data_folder(tmp_path_factory.mktemp("folder"))


@pytest.fixture(scope="session")
def meta(data, tmp_path_factory):
    """The folder of an undisturbed meta-training."""
    folder = tmp_path_factory.mktemp("meta") / "run"
    runs.run("meta_nmt.cli.train", runs.train_flags(data, folder), folder.with_suffix(".log"))
    return folder
