"""What recipes/common.sh checks before it installs anything, in one line each."""

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
TOOLS = ("bash", "dirname", "head", "cat", "cut", "df", "awk", "uname", "mkdir", "touch", "rm", "sha256sum", "true")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the tools of the script and no Python: the PATH of these tests."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        found = subprocess.run(["bash", "-c", f"type -P {name}"], capture_output=True, text=True, check=True)
        (folder / name).symlink_to(found.stdout.strip())
    return folder


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!{folder}/bash\n{body}\n")
    (folder / name).chmod(0o755)


def python(folder: Path, name: str, minor: int, whole: bool = True) -> None:
    """A stand-in for Python 3.minor: what the script asks it is computed by this one, with another version."""
    lacking = "" if whole else "sys.modules['ensurepip'] = None; "
    prelude = f"import sys; sys.version_info = (3, {minor}, 0); {lacking}"
    program(
        folder, name,
        f'if [[ "$1" == -c ]]; then exec {sys.executable} -c "{prelude}$2"; fi\necho "Python 3.{minor}.0"',
    )  # fmt: skip


def run(script: str, programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(programs / "bash"), "-c", f"source {REPO}/recipes/common.sh\n{script}", "recipe"]
    environment = {"PATH": str(programs), "VENV": str(programs.parent / "venv"), **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_newest_python_that_can_make_an_environment_is_taken(programs: Path) -> None:
    for minor, whole in ((10, True), (12, True), (13, True), (14, False), (15, True)):
        python(programs, f"python3.{minor}", minor, whole)
    assert run("find_python", programs).stdout == "python3.13\n"
    python(programs, "python3", 14)
    assert run("find_python", programs).stdout == "python3\n", "the plain name counts by its version"
    assert run("find_python", programs, PYTHON="python3.12").stdout == "python3.12\n", "PYTHON decides"


@pytest.mark.parametrize(
    ("minor", "whole", "variables", "words"),
    [
        (10, True, {}, "a Python 3.11 to 3.14 must be there, but python3 is Python 3.10.0"),
        (13, False, {}, "python3 has no venv and pip (Debian: sudo apt-get install python3-venv)"),
        (13, True, {"PYTHON": "python3.9"}, "PYTHON must be a Python 3.11 to 3.14, but is python3.9"),
        (10, True, {"PYTHON": "python3"}, "PYTHON must be a Python 3.11 to 3.14, but is python3: Python 3.10.0"),
        (13, False, {"PYTHON": "python3"}, "python3 has no venv and pip"),
    ],
)
def test_a_python_that_will_not_do_is_one_line(programs, minor, whole, variables, words) -> None:
    python(programs, "python3", minor, whole)
    done = run("made=$(find_python)\necho went on", programs, **variables)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not done.stdout


def test_a_full_disk_is_one_line(programs: Path) -> None:
    (programs / "df").unlink()
    program(programs, "df", "echo head; echo disk 100 50 2097152 50% /")
    assert run("check_disk 2", programs).returncode == 0
    done = run("check_disk 3", programs)
    assert done.returncode == 2 and "3 GB must be free" in done.stderr and "but 2 are" in done.stderr


@pytest.mark.parametrize(
    ("driver", "status", "words"),
    [("595.71.05", 0, ""), ("535.104.05", 1, "needs an NVIDIA driver from 580 on, but it is 535.104.05")],
)
def test_the_driver_is_looked_at(programs: Path, driver: str, status: int, words: str) -> None:
    program(programs, "nvidia-smi", f"echo {driver}")
    done = run("wants_cuda", programs)
    assert done.returncode == status and words in done.stdout and bool(words) == bool(done.stdout)


ENVIRONMENT = 'made() { echo "made $*"; mkdir -p "$4/bin"; touch "$4/pyvenv.cfg"; }\nfind_python() { echo made; }\n'


def test_a_half_made_environment_is_made_anew_and_a_whole_one_kept(programs: Path) -> None:
    venv = programs.parent / "venv"
    made = f"made -m venv --clear {venv}\n"
    assert run(ENVIRONMENT + "make_venv", programs).stdout == made
    assert Path(f"{venv}.unfinished").exists(), "until all is installed"
    again = run(ENVIRONMENT + "make_venv", programs)
    assert again.stdout == f"   {venv} is unfinished or broken: it is made anew\n{made}", again.stderr
    Path(f"{venv}.unfinished").unlink()
    assert run(ENVIRONMENT + "make_venv", programs).stdout.endswith(made), "its Python is gone"
    Path(f"{venv}.unfinished").unlink()
    program(venv / "bin", "python", "exit 0")
    program_of_venv = (venv / "bin/python").read_text().replace(f"{venv}/bin/bash", f"{programs}/bash")
    (venv / "bin/python").write_text(program_of_venv)
    assert run(ENVIRONMENT + "make_venv", programs).stdout == "", "a whole one is kept"


def test_a_folder_that_is_no_environment_is_left_alone(programs: Path) -> None:
    venv = programs.parent / "venv"
    venv.mkdir()
    (venv / "precious").touch()
    done = run(ENVIRONMENT + "make_venv", programs)
    assert done.returncode == 2 and "VENV must name a virtual environment" in done.stderr
    assert (venv / "precious").exists()


def test_what_was_installed_is_used_and_with_install_0_nothing_is(programs: Path) -> None:
    for variables in ({"INSTALL": "0"}, {"EXTRAS": "dev"}, {}):
        made = "" if variables else 'touch "$(stamp_of dev)"; '
        done = run(f'mkdir -p "$VENV"; {made}make_venv() {{ echo made; exit 9; }}; ensure_venv', programs, **variables)
        assert (done.returncode, done.stdout.endswith("made\n")) == ((9, True) if "EXTRAS" in variables else (0, False))


def test_install_says_how_to_use_what_it_made(programs: Path) -> None:
    venv = programs.parent / "venv"
    venv.mkdir()
    Path(run('stamp_of "$EXTRAS"', programs).stdout.strip()).touch()  # as if it had installed before
    done = run(f"bash {REPO}/recipes/install.sh", programs)
    assert (done.stdout, done.stderr) == (f"source {venv}/bin/activate\n", "")
