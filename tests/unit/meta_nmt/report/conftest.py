import sys

import pytest
from results_folder import make_results

from meta_nmt.report.gather import make_report
from meta_nmt.report.write import write_report


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A folder with results of a small sweep, to read."""
    return make_results(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="session")
def gathered(results):
    with pytest.MonkeyPatch.context() as patch:  # in this process: to start others takes longer
        patch.setattr(sys.modules["meta_nmt.report.gather"], "MANY", 10**9)
        return make_report([results], "A report")


@pytest.fixture(scope="session")
def written(gathered, tmp_path_factory):
    """The folder that the report was written to."""
    return write_report(gathered, tmp_path_factory.mktemp("report") / "out").parent
