"""Language codes: what a valid one looks like."""

import re

from data_prep.base.errors import InputError

LANGUAGE = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]+)*|[a-z][a-z0-9]{1,7}")


def check_language(lang: str) -> None:
    """InputError unless ``lang`` looks like a language code, e.g. ro, pt_BR, zho-Hant."""
    if not LANGUAGE.fullmatch(lang):
        raise InputError(f"unknown language code {lang!r}: must be like ro, fil or pt_BR")


def language_name(code: str) -> str:
    """The English name of a language; its code where the name is not known, or the package langcodes is not there."""
    try:
        import langcodes
    except ImportError:
        return code
    return code if (name := langcodes.Language.get(code).display_name()).startswith("Unknown language") else str(name)
