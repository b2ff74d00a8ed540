"""The whole chain twice: the same bytes, and no connection to a network."""

import os
import subprocess
import sys

import pytest
from arguments import arguments
from campaign import chain, runs

IMPORT_ALL = """
import importlib, pkgutil
import data_prep, meta_nmt
for package in (data_prep, meta_nmt):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def python(tmp_path, code):
    """Runs code in a Python that refuses connections; its output, and the connections that it tried."""
    (tmp_path / "sitecustomize.py").write_text(chain.NO_NETWORK)
    log = tmp_path / "connections"
    log.touch()
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{chain.REPO}", "CONNECTIONS": str(log)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return log.read_text()


def test_importing_connects_to_nothing(tmp_path):
    assert python(tmp_path, IMPORT_ALL) == ""


def test_a_connection_would_be_noticed(tmp_path):
    code = "import socket, contextlib\nwith contextlib.suppress(OSError): socket.create_connection(('127.0.0.1', 9))"
    assert "127.0.0.1" in python(tmp_path, code)


def test_generation_twice(data, meta, tmp_path):
    for name in ("first", "second"):
        paths = data, meta / "checkpoint_best.pt", tmp_path / name
        argv = arguments("{} --path {} --source-lang dd --results {}", *paths)
        runs.run("meta_nmt.cli.generate", argv, tmp_path / f"{name}.log")
    found = chain.translations(tmp_path / "first")
    assert {"hypotheses.txt", "references.txt", "generate-test.txt"} <= found.keys() and all(found.values())
    assert found == chain.translations(tmp_path / "second")


@pytest.mark.slow
def test_the_chain_twice(tmp_path):
    for number in (1, 2):
        connections = chain.run_chain(tmp_path / str(number), hash_seed=number, workers=number)
        assert connections.read_text() == "", "nothing may be asked of a network"
    wrong = {stage: found for stage, found in chain.compare(tmp_path / "1", tmp_path / "2").items() if found}
    assert not wrong, wrong
