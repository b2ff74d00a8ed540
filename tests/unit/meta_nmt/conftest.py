import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from data_folder import make_data_folder  # noqa: E402

ROLES = {"aa": "source", "bb": "source", "cc": "valid", "dd": "target"}


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder to read; tests that damage one make their own."""
    return make_data_folder(tmp_path_factory.mktemp("folder"), ROLES)


@pytest.fixture
def own_data(tmp_path):
    """A data folder that the test may damage."""
    return make_data_folder(tmp_path, ROLES, lines=40)
