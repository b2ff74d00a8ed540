import pytest
import torch
from data_folder import make_adapted, make_data_folder, make_meta

ROLES = {"aa": "source", "bb": "source", "cc": "valid", "dd": "target"}


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder to read; tests that damage one make their own."""
    return make_data_folder(tmp_path_factory.mktemp("folder"), ROLES)


@pytest.fixture
def own_data(tmp_path):
    """A data folder that the test may damage."""
    return make_data_folder(tmp_path, ROLES, lines=40)


@pytest.fixture(scope="session")
def meta(data, tmp_path_factory):
    """A checkpoint that holds no language."""
    return make_meta(data, tmp_path_factory.mktemp("meta"))


@pytest.fixture(scope="session")
def adapted(data, meta, tmp_path_factory):
    """The same adapted to dd."""
    return make_adapted(data, meta, tmp_path_factory.mktemp("adapted"))


@pytest.fixture(scope="session")
def perturbed(adapted, tmp_path_factory):
    """Another checkpoint adapted to dd: the weights of the first with some noise."""
    state = torch.load(adapted, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, value in state["model"].items():
        if value.is_floating_point() and not name.endswith((".keys", ".queries")):
            value += 0.02 * torch.randn(value.shape, generator=generator)
    path = tmp_path_factory.mktemp("perturbed") / "checkpoint_best.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def model(data, adapted, tmp_path_factory):
    """The translator folder of that: torch, and CTranslate2 in float32."""
    from meta_nmt.cli import export

    out = tmp_path_factory.mktemp("model") / "dd-en"
    argv = [str(data), "--path", str(adapted), "--source-lang", "dd", "--out", str(out), "--quantization", "float32"]
    assert export.main(argv) == 0
    return out
