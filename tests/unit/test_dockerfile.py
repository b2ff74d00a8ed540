"""The Dockerfile agrees with the repository: what it copies is there, and it installs and starts what we do."""

import fnmatch
import json
import re
import shlex
from pathlib import Path

import pytest
from programs import ask

REPO = Path(__file__).parents[2]
TEXT = (REPO / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
INSTRUCTIONS = [line.split(maxsplit=1) for line in TEXT.split("\n") if line and not line.startswith("#")]


def arguments(instruction: str) -> list[str]:
    """The arguments of each such instruction."""
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def requirements(text: str) -> set[str]:
    """The requirements in lines of pip: no flags, no paths."""
    words = [word for line in text.split("\n") if "pip" in line for word in shlex.split(line, comments=True)]
    return {word for word in words if re.match(r"(torch|numpy|cython|setuptools|wheel|ninja|fairseq-fixed)\b", word)}


def copied() -> list[str]:
    """What is copied from the repository."""
    return [source for line in arguments("COPY") if "--from=" not in line for source in shlex.split(line)[:-1]]


def test_what_is_copied_is_there_and_sent_to_the_engine() -> None:
    ignored = (REPO / ".dockerignore").read_text("utf-8").split()
    assert ignored[0] == "*", "nothing is sent but what is named"
    for source in copied():
        assert (REPO / source).exists(), source
        assert any(fnmatch.fnmatch(source, line[1:]) for line in ignored if line.startswith("!")), source


def test_all_that_setup_reads_and_installs_is_copied() -> None:
    read = set(re.findall(r'parent / "([\w.]+)"', (REPO / "setup.py").read_text("utf-8")))
    assert {"setup.py", "pyproject.toml", "data_prep", "meta_nmt"} | read <= set(copied())


def test_it_installs_what_the_recipes_install() -> None:
    recipe = requirements((REPO / "recipes/common.sh").read_text("utf-8"))
    assert recipe and requirements("\n".join(arguments("RUN"))) == recipe


def test_its_python_is_one_of_ours() -> None:
    least, above = re.search(r'python_requires=">=3\.(\d+),<3\.(\d+)"', (REPO / "setup.py").read_text("utf-8")).groups()
    versions = {re.match(r"python:3\.(\d+)-", line)[1] for line in arguments("FROM")}
    assert len(versions) == 1, "the environment is built and used by the same Python"
    assert int(least) <= int(versions.pop()) < int(above)


def test_it_starts_the_server_on_the_port_that_it_names() -> None:
    program, *flags = json.loads(arguments("CMD")[0])
    assert program == "meta-nmt-serve" and ask((program,), tuple(flags)).refusal == ""
    assert "--port" not in flags and arguments("EXPOSE") == ["8000"], "8000 is the server's own default"


@pytest.mark.parametrize("flag", ["--port=x", "--gone"])
def test_a_wrong_command_would_be_seen(flag: str) -> None:
    assert ask(("meta-nmt-serve",), ("/model", flag)).refusal
