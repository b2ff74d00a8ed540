"""Language codes: what a valid one looks like, and how people spell them."""

import re

from data_prep.base.command_line import comma_list
from data_prep.base.errors import InputError

LANGUAGE = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]+)*|[a-z][a-z0-9]{1,7}")


def check_language(lang: str) -> None:
    """InputError unless ``lang`` looks like a language code, e.g. ro, pt_BR, zho-Hant."""
    if not LANGUAGE.fullmatch(lang):
        raise InputError(f"unknown language code {lang!r}: must be like ro, fil or pt_BR")


def first_part(lang: str) -> str:
    """The code of the language alone, without region, script or variant: pt of pt_BR."""
    return re.split("[-_]", lang, maxsplit=1)[0]


def usual_spelling(lang: str) -> str:
    """The code with its language in small letters: lg for LG, pt-BR for PT-BR."""
    return first_part(lang).lower() + lang[len(first_part(lang)) :]


def code_list(text: str) -> tuple[str, ...]:
    """Codes between commas, each in its usual spelling; empty items are refused."""
    return tuple(usual_spelling(lang) for lang in comma_list(text))


def spellings(lang: str, english: str) -> list[tuple[str, str]]:
    """The codes of a pair as the names of files may spell them: in their usual spelling, or in capitals."""
    capital, capital_english = (first_part(code).upper() + code[len(first_part(code)) :] for code in (lang, english))
    return [(lang, english), (capital, english), (capital, capital_english)]
