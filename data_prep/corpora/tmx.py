"""Translation memories (TMX 1.4b, gala-global.org/tmx-14b): a stream of sentence pairs out of an XML file of any size.

The parser is expat, used directly. Memory does not grow with the file, and nothing outside the file is ever opened. A
file that declares entities is refused, since a few lines of them can stand for gigabytes.
"""

from collections.abc import Iterator
from typing import IO
from xml.parsers import expat

from data_prep.base.errors import InputError

BLOCK = 1 << 20  # bytes parsed at once
CODE = frozenset({"bpt", "ept", "it", "ph", "ut"})  # elements that hold mark-up of the translated document, not text

Texts = dict[str, str]  # language code as the file has it, in lower case -> text


class _Units:
    """Handlers for expat's events, which collect finished translation units in ``done``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.done: list[Texts] = []
        self.unit: Texts | None = None
        self.lang = ""
        self.text: list[str] | None = None
        self.code = 0  # number of open elements of CODE

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "tu" and self.unit is None:
            self.unit = {}
        elif tag == "tuv":
            self.lang = attributes.get("xml:lang", attributes.get("lang", "")).replace("_", "-").lower()
        elif tag == "seg" and self.unit is not None and self.text is None:
            self.text, self.code = [], 0
        elif tag in ("tu", "seg"):
            raise InputError(f"{self.name}: must have seg in tuv in tu, each once, but a {tag} is elsewhere")
        elif tag in CODE:
            self.code += 1

    def end(self, tag: str) -> None:
        if tag == "tu" and self.unit is not None:
            self.done.append(self.unit)
            self.unit = None
        elif tag == "seg" and self.unit is not None and self.text is not None:  # start() has made sure of both
            self.unit.setdefault(self.lang, "".join(self.text))
            self.text = None
        elif tag in CODE:
            self.code -= 1

    def characters(self, text: str) -> None:
        if self.text is not None and not self.code:
            self.text.append(text)

    def entity(self, entity: str, *_: object) -> None:
        raise InputError(f"{self.name}: must declare no entities, but declares {entity!r}")


def iter_units(stream: IO[bytes], name: str) -> Iterator[Texts]:
    """The translation units of a TMX file; ``name`` is the file, for errors.

    If a unit has several texts in one language, the first counts. InputError, with the line, if the XML is not
    well-formed.
    """
    units, parser = _Units(name), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = units.start, units.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = units.characters, units.entity
    try:
        while data := stream.read(BLOCK):
            parser.Parse(data)
            yield from units.done
            units.done.clear()
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that expat cannot read
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}, line {parser.CurrentLineNumber}: must be well-formed TMX: {error}") from error
    yield from units.done


def text_of(unit: Texts, lang: str) -> str | None:
    """The unit's text in ``lang`` or a variant of it (pt for pt-BR), or None."""
    wanted = lang.replace("_", "-").lower()
    if wanted in unit:
        return unit[wanted]
    return next((text for tag, text in unit.items() if tag.startswith(wanted + "-")), None)
