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
    """The requirements that pip is given before the package, with their versions."""
    return set(re.findall(r"(?<![\w-])((?:torch|setuptools|fairseq-fixed)[<=]+[\d.]+)", text))


def of_the_recipes() -> str:
    """The script by which the recipes install, with the versions in the place of their variables."""
    script = (REPO / "recipes/common.sh").read_text("utf-8")
    versions = dict(re.findall(r"\b(TORCH|FAIRSEQ)=([\d.]+)", script))
    return re.sub(r"\$(TORCH|FAIRSEQ)\b", lambda match: versions[match[1]], script)


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
    setup = (REPO / "setup.py").read_text("utf-8")
    read = set(re.findall(r'parent / "([\w.]+)"', setup))
    placed = set(re.findall(r'package_dir=\{"[\w.]+": "(\w+)"', setup))
    assert read and placed and {"setup.py", "pyproject.toml", "data_prep", "meta_nmt"} | read | placed <= set(copied())


def test_it_installs_what_the_recipes_install() -> None:
    script, here = of_the_recipes(), "\n".join(arguments("RUN"))
    assert len(requirements(script)) == 3 and requirements(here) == requirements(script)
    assert re.search(r"\.\[([\w,-]+)\]", here)[1] == re.search(r"^EXTRAS=\$\{EXTRAS:-([\w,-]+)\}", script, re.M)[1]


def test_fairseq_is_built_without_a_compiler() -> None:
    (line,) = (line for line in arguments("RUN") if "fairseq-fixed" in line)
    assert line.startswith("READTHEDOCS=1 ") and "--no-deps" in line
    assert not re.search(r"g\+\+|gcc|build-essential|apt-get", TEXT)


def test_its_python_is_one_of_ours() -> None:
    least, above = re.search(r'python_requires=">=3\.(\d+),<3\.(\d+)"', (REPO / "setup.py").read_text("utf-8")).groups()
    versions = {re.match(r"python:3\.(\d+)-", line)[1] for line in arguments("FROM")}
    assert len(versions) == 1, "the environment is built and used by the same Python"
    assert int(least) <= int(versions.pop()) < int(above)


def test_it_starts_the_server_on_the_port_that_it_names() -> None:
    program, *flags = json.loads(arguments("CMD")[0])
    assert program == "meta-nmt-serve" and ask((program,), tuple(flags)).refusal == ""
    assert "--port" not in flags and arguments("EXPOSE") == ["8000"], "8000 is the server's own default"


def test_the_how_to_builds_and_starts_it() -> None:
    page = (REPO / "docs/how-to/ctranslate2.md").read_text("utf-8")
    lines = [shlex.split(line.removeprefix("$ ")) for line in page.split("\n") if line.startswith("$ docker ")]
    assert {line[1] for line in lines} == {"build", "run"}
    given = {line[line.index("--build-arg") + 1].partition("=")[0] for line in lines if "--build-arg" in line}
    assert given and given <= {line.partition("=")[0] for line in arguments("ARG")}
    folder = json.loads(arguments("CMD")[0])[1]
    for line in (line for line in lines if line[1] == "run"):
        assert f":{folder}:ro" in line[line.index("-v") + 1] and line[line.index("-p") + 1] == "8000:8000"
        assert line[-1] in {build[build.index("-t") + 1] for build in lines if build[1] == "build"}, "built before"


@pytest.mark.parametrize("flag", ["--port=x", "--gone"])
def test_a_wrong_command_would_be_seen(flag: str) -> None:
    assert ask(("meta-nmt-serve",), ("/model", flag)).refusal
