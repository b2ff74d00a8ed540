"""What the registry of languages (BCP 47) says of a code: whether it is a language's, its name, its script.

The library langcodes knows the registry, and Unicode's list of the script that each language is mostly written in.
Codes of made-up languages, and of variants such as ro_tatoeba, do not stand there and are used all the same:
data_prep/base/languages.py says what a code must look like.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from data_prep.base.languages import first_part, usual_spelling

if TYPE_CHECKING:
    from langcodes import Language


def _language(code: str) -> Language | None:
    """The registered language, script and region of a code; None where one of these is not registered."""
    from langcodes import Language, LanguageTagError  # its tables take longer to load than a translator

    try:
        language = Language.get(code)
    except LanguageTagError:
        return None
    return language if language.language is not None and language.is_valid() else None


def is_registered(code: str) -> bool:
    """Whether all parts of a code are registered: yo, pt-BR and sr_Latn are, train and ro_tatoeba are not."""
    return _language(code) is not None


@lru_cache
def language_name(code: str) -> str | None:
    """The English name of a code's language, as Serbian (Latin) of sr-Latn; None where it has none.

    A code that is not registered has the name of its first part: ro_tatoeba is Romanian.
    """
    language = _language(code) or _language(first_part(code))
    name = language.display_name() if language else ""
    return None if not name or name.endswith("]") else name  # a private code is `Unknown language [qaa]`


def code_and_name(code: str) -> str:
    """The code with the language's name, as yo (Yoruba), for people; the code alone where it has no name."""
    name = language_name(code)
    return f"{code} ({name})" if name else code


def script_of(code: str) -> str | None:
    """The ISO 15924 code of the script that a code names or that its language is mostly written in, as Hans of zh.

    None for a language that is not registered.
    """
    language = _language(code) or _language(first_part(code))
    return str(language.maximize().script) if language else None


def languages_of_name(name: str) -> tuple[str, str] | None:
    """The codes of both languages that the name of a file of pairs says; None where it does not say them clearly.

    ``train.pt-BR-en.tsv.gz`` says pt-BR and en. Of ``train.tsv``, ``corpus-yo-en.tsv`` and ``dev.tsv`` nothing is
    clear, though dev is the code of a language too.
    """
    pairs = [part.rpartition("-") for part in name.split(".")]
    clear = [(usual_spelling(lang), other) for lang, _, other in pairs
             if re.fullmatch("[a-z]{2,3}", other) and is_registered(lang) and is_registered(other)]  # fmt: skip
    return clear[0] if len(clear) == 1 else None
