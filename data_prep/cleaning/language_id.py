"""Language identification of single lines by py3langid, an optional package whose wheel contains its model."""

from functools import cache
from typing import Any

from data_prep.base.extras import need

PACKAGE = "py3langid"
# A line counts as one in another language only if the model gives that language at least this probability. So short
# lines, names and close relatives (Norwegian and Danish) are kept. Of 600 sentences of Tatoeba in each of 11 languages,
# 2 Croatian ones were judged wrongly.
CERTAIN = 0.9


def check_language_id() -> None:
    """InputError unless py3langid is installed."""
    need(PACKAGE, "language-id", "--language-id")


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # optional

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def knows(lang: str) -> bool:
    """Whether the model knows a language. The first part of the code decides: pt_BR is Portuguese."""
    return _first_part(lang) in _identifier().labels


def other_language(line: str, lang: str) -> bool:
    """Whether a line is certainly not in ``lang``; False if the model does not know ``lang``."""
    language, probability = _identifier().classify(line)
    return probability >= CERTAIN and language != _first_part(lang) and knows(lang)


def _first_part(lang: str) -> str:
    return lang.replace("_", "-").split("-")[0]
