"""What made an output: versions of Python and of packages, and the commit of this code."""

import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CODE = Path(__file__).resolve().parents[2]  # the folder that has our packages: of a clone, its top folder
OWN = "meta-nmt"  # this distribution; with a new version all stages are run again

PACKAGES = ("numpy", "scipy", "scikit-learn", "sentencepiece", "gensim", "fairseq-fixed", "torch")


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """The versions of Python, of this distribution and of ``packages``; "absent" for one that is not installed."""
    version_of = {"python": platform.python_version()}
    for name in (OWN, *packages):
        try:
            version_of[name] = version(name)
        except PackageNotFoundError:
            version_of[name] = "absent"
    return version_of


def commit() -> str:
    """The commit of this code, with "-dirty" if files were changed since; "unknown" outside a git checkout.

    It is unknown, too, where the code is installed, and a repository of something else has the environment in it.
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel")) != CODE:
            return "unknown"
        return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=True).stdout.strip()
