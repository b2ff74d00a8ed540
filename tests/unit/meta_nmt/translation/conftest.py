import pytest

from meta_nmt import Translator


@pytest.fixture(scope="session")
def lines(data):
    return (data / "text/dd-en/valid.dd").read_text("utf-8").splitlines()


@pytest.fixture(scope="session")
def loaded(model):
    """A translator in each backend, by the name of that."""
    return {name: Translator(model, backend=name, beam=3) for name in ("torch", "ctranslate2")}
