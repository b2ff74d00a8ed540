"""Packages that only some of the work needs. A user installs them as extras of this distribution (setup.py)."""

from importlib.util import find_spec

from data_prep.base.errors import InputError


def need(package: str, extra: str, what: str) -> None:
    """InputError, which says how to install it, unless a package is there.

    Args:
        package: the name by which Python imports it.
        extra: the extra of this distribution that it belongs to.
        what: the flag or command that needs it.
    """
    if find_spec(package) is None:
        raise InputError(f"{what} needs {package}, which is not installed: pip install 'meta-nmt[{extra}]'")
