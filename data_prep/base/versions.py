"""What made an output: versions of Python and of packages, and the commit of this code."""

import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    """The commit of this code, with "-dirty" if files were changed since; "unknown" outside a git checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        process = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return process.stdout.strip()
