"""The clean form of a line, its match key, and its measures.

A line in clean form is in Unicode NFC. It has single spaces, no invisible characters and no HTML entities. Texts of
many lines are handled as arrays of characters; only lines that may be dirty are cleaned one by one.
"""

import html
import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import cache
from html.entities import html5

import numpy as np
import regex

from data_prep.cleaning.duplicates import hash_keys

# Characters that no reader sees: controls, soft hyphen, zero-width space, direction marks, BOM, tags; and surrogates,
# which are no text. Not here: characters that spell words (zero-width joiners, U+180E), and format characters that are
# visible (such as U+06DD).
INVISIBLE = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\ud800-\udfff]"
)
ENTITY = re.compile("&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# What keys are made of, and the line feed, which ends them: letters, marks and digits. Not the letters that stand for
# an apostrophe, a stress or a stretch of the line, since people type other signs for them: the modifier letters that
# all scripts share, but for those that lengthen or repeat a sound, and such letters of Armenian, Arabic, N'Ko, Latin.
KEY = regex.compile(
    r"(?V1)[[\p{L}\p{M}\p{N}\n]--[\p{Default_Ignorable_Code_Point}\u0559\u0640\u07f4\u07f5\u07fa\ua78b\ua78c]"
    r"--[[\p{Lm}&&\p{Script=Common}&&\p{NFKC_Quick_Check=Yes}]--\p{Extender}]]"
)
# Letters between which a line may break without a space (Unicode line breaking, UAX 14): Thai to Khmer, Han, kana, Yi.
SPACELESS = regex.compile(r"(?V1)[[\p{Line_Break=SA}\p{Line_Break=ID}\p{Line_Break=CJ}]&&[\p{L}\p{M}]]")
SPACELESS_PER_TOKEN = 2  # characters of these scripts that count as a token
CHARACTERS_PER_TOKEN = 10  # most characters of a token, in any script: not all that lack spaces are known as such
IS_DIRTY, IS_KEY, IS_SPACELESS, IS_COMPOSING = 1, 2, 4, 8  # bits of a character's classes


def normalise(line: str) -> str:
    """A line in clean form. Only an entity that ends in ``;`` is replaced: ``?a=1&copy=2`` is an address."""
    while True:
        visible = line if line.isprintable() else INVISIBLE.sub("", line)
        text = unicodedata.normalize("NFC", " ".join(visible.split()))
        line = ENTITY.sub(_character, text) if "&" in text else text
        if line == text:  # otherwise an entity may have stood for any character, such as & of another entity
            return text


def _character(entity: re.Match[str]) -> str:
    """The character that an HTML entity stands for; an entity of an unknown name as it is."""
    name = entity[0]
    return html.unescape(name) if name[1] == "#" else html5.get(name[1:], name)


def match_key(line: str) -> str:
    """The key of a line: its letters, their marks, and its digits (KEY), in compatibility form (NFKC), case folded.

    Two lines with the same key count as the same sentence.
    """
    return _keys(line) or line  # a line of signs alone is its own key


def _keys(text: str) -> str:
    """The keys of a text's lines, each ended by a line feed as the line is."""
    letters = _only_key(text)  # first, since the compatibility form of a lone accent is a mark
    if unicodedata.is_normalized("NFKC", letters):
        return letters.casefold()
    lines = letters.split("\n")  # few of them need it, and it takes longer than all else
    lines = [line if line.isascii() else unicodedata.normalize("NFKC", line) for line in lines]
    return _only_key("\n".join(lines).casefold())


def _only_key(text: str) -> str:
    codes, classes = code_points(text)
    return codes[(classes & IS_KEY).astype(bool)].tobytes().decode("utf-32-le")


@dataclass(frozen=True)
class Measures:
    """Counts of every line, each (lines,): characters, white-space words, and tokens.

    Tokens are words, and more in scripts without spaces: one for every SPACELESS_PER_TOKEN characters. Whatever the
    script, every CHARACTERS_PER_TOKEN characters are a token at least.
    """

    characters: np.ndarray
    words: np.ndarray
    tokens: np.ndarray


def clean_text(text: str) -> tuple[str, Measures]:
    """A text with all its lines in clean form (``normalise``), and their measures; lines end in line feeds.

    Only lines that may change are normalised: those with a dirty character, with a space beside another or at an end,
    or with composing characters that are not in NFC.
    """
    codes, classes = code_points(text)
    space, end = codes == 32, codes == 10
    ends = np.flatnonzero(end)
    measures = measure(space, classes, ends)
    dirty = (classes & IS_DIRTY).astype(bool)
    dirty[1:] |= space[1:] & (space | end)[:-1]
    dirty[:-1] |= space[:-1] & end[1:]
    dirty[:1] |= space[:1]
    rows, composing = (_lines_with(marks, ends) for marks in (dirty, classes & IS_COMPOSING))
    if not rows and not composing:
        return text, measures
    lines = text.split("\n")
    rows |= {row for row in composing - rows if not unicodedata.is_normalized("NFC", lines[row])}
    changed = sorted(rows)
    for row in changed:
        lines[row] = normalise(lines[row])
    codes, classes = code_points("".join([lines[row] + "\n" for row in changed]))
    changed_measures = measure(codes == 32, classes, np.flatnonzero(codes == 10))
    for name, values in vars(changed_measures).items():
        getattr(measures, name)[changed] = values
    return "\n".join(lines), measures


def _lines_with(marks: np.ndarray, ends: np.ndarray) -> set[int]:
    """The lines that hold marked characters."""
    return set(np.unique(np.searchsorted(ends, np.flatnonzero(marks))).tolist())


def measure(space: np.ndarray, classes: np.ndarray, ends: np.ndarray) -> Measures:
    """Measures of the lines of a text, from the places of spaces and line feeds (``ends``).

    They are right only for lines in clean form.
    """
    characters = np.diff(ends, prepend=-1) - 1
    words = np.where(characters > 0, _count(space, ends) + 1, 0)
    spaceless = classes & IS_SPACELESS
    tokens = words + _count(spaceless, ends) // SPACELESS_PER_TOKEN if spaceless.any() else words
    return Measures(characters, words, np.maximum(tokens, -(-characters // CHARACTERS_PER_TOKEN)))


def _count(marks: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The number of marked characters of each line."""
    return np.diff(np.searchsorted(np.flatnonzero(marks), ends), prepend=0)


def key_hashes(text: str, exact: np.ndarray) -> np.ndarray:
    """(lines,) hashes of the match keys of a text's lines; ``exact``: (lines,) hashes of the lines themselves."""
    keys = hash_keys(_keys(text).encode().split(b"\n")[:-1])
    return np.where(keys == hash_keys([b""]), exact, keys)


def code_points(text: str) -> tuple[np.ndarray, np.ndarray]:
    """(n,) code points of a text, and (n,) the classes of each."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return codes, np.take(_classes(), codes, mode="clip")


@cache
def _classes() -> np.ndarray:
    """(0x110000,) classes of every character."""
    every = "".join(map(chr, [*range(0x40000), *range(0xE0000, 0xE0200)]))  # all others are not assigned, or private
    table = np.zeros(sys.maxunicode + 1, np.uint8)
    table[_composing(every)] |= IS_COMPOSING
    dirty = [*INVISIBLE.findall(every), *re.findall(r"[^\S \n]|&", every)]
    for bit, members in ((IS_DIRTY, dirty), (IS_KEY, KEY.findall(every)), (IS_SPACELESS, SPACELESS.findall(every))):
        table[[*map(ord, members)]] |= bit
    return table


def _composing(characters: str) -> list[int]:
    """Code points of characters that NFC changes or may join to the character before.

    A text without any of them is in NFC.
    """
    codes = [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]  # vowels and finals of Hangul
    codes += [ord(char) for char in characters if not unicodedata.is_normalized("NFC", char)]
    codes += [ord(char) for char in characters if unicodedata.combining(char)]
    for parts in map(str.split, filter(None, map(unicodedata.decomposition, characters))):
        if len(parts) == 2 and parts[0][0] != "<":
            codes.append(int(parts[1], 16))
    return codes
