"""Translation memories (TMX 1.4b, gala-global.org/tmx-14b): a stream of sentence pairs out of an XML file of any size.

The parser is expat, used directly. Memory does not grow with the file, and nothing outside the file is ever opened. A
file that declares entities is refused, since a few lines of them can stand for gigabytes. HTML's entities stand for
their characters, declared nowhere: tools write ``&nbsp;`` and trust in a DTD that no reader opens.
"""

from collections.abc import Iterator
from html.entities import html5
from typing import IO
from xml.parsers import expat

from data_prep.base.errors import InputError

BLOCK = 1 << 20  # bytes parsed at once
LONGEST_UNIT = 1 << 24  # characters of a unit's texts together
LONGEST_TAG = 1 << 24  # bytes of a tag or comment, which the parser holds until its end
DEEPEST = 1000  # elements in elements
CODE = frozenset({"bpt", "ept", "it", "ph", "ut"})  # elements that hold mark-up of the translated document, not text

Texts = dict[str, str]  # language code as the file has it, in lower case -> text


class _Units:
    """Handlers for the events of an expat parser, which collect finished translation units in ``done``."""

    def __init__(self, parser: expat.XMLParserType, name: str) -> None:
        self.parser = parser
        self.name = name
        self.done: list[Texts] = []
        self.unit: Texts | None = None
        self.lang = ""
        self.text: list[str] | None = None
        self.length = 0  # characters of the unit's texts and language codes
        self.code = 0  # number of open elements of CODE
        self.depth = 0  # number of open elements
        parser.buffer_text = True
        parser.UseForeignDTD(True)  # an undeclared entity is then an event, whatever DOCTYPE the file has
        parser.StartElementHandler, parser.EndElementHandler = self.start, self.end
        parser.CharacterDataHandler, parser.SkippedEntityHandler = self.characters, self.undeclared_entity
        parser.EntityDeclHandler = self.entity

    def wrong(self, must: str) -> InputError:
        return InputError(f"{self.name}, line {self.parser.CurrentLineNumber}: {must}")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong(f"must have at most {DEEPEST} elements in each other, but has more")
        if tag == "tu" and self.unit is None:
            self.unit, self.length = {}, 0
        elif tag == "tuv":
            self.lang = attributes.get("xml:lang", attributes.get("lang", "")).replace("_", "-").lower()
            self.count(len(self.lang) + 1)
        elif tag == "seg" and self.unit is not None and self.text is None:
            self.text, self.code = [], 0
        elif tag in ("tu", "seg"):
            raise self.wrong(f"must have seg in tuv in tu, each once, but a {tag} is elsewhere")
        elif tag in CODE:
            self.code += 1

    def end(self, tag: str) -> None:
        self.depth -= 1
        if tag == "tu" and self.unit is not None:
            self.done.append(self.unit)
            self.unit = None
        elif tag == "seg" and self.unit is not None and self.text is not None:  # start() has made sure of both
            if not self.unit.get(self.lang, "").strip():
                self.unit[self.lang] = "".join(self.text)
            self.text = None
        elif tag in CODE:
            self.code -= 1

    def characters(self, text: str) -> None:
        if self.text is not None and not self.code:
            self.count(len(text))
            self.text.append(text)

    def count(self, characters: int) -> None:
        self.length += characters
        if self.length > LONGEST_UNIT:
            raise self.wrong(f"must have at most {LONGEST_UNIT} characters in the texts of a tu, but has more")

    def undeclared_entity(self, entity: str, is_parameter: bool) -> None:
        if self.text is not None and not self.code:
            if entity + ";" not in html5:
                raise self.wrong(f"must have no entities but those of XML and HTML, but has &{entity};")
            self.characters(html5[entity + ";"])

    def entity(self, entity: str, *_: object) -> None:
        raise self.wrong(f"must declare no entities, but declares {entity!r}")


def iter_units(stream: IO[bytes], name: str) -> Iterator[Texts]:
    """The translation units of a TMX file; ``name`` is the file, for errors.

    If a unit has several texts in one language, the first that is not blank counts. InputError, with the line, if the
    XML is not well-formed, or has more in one piece than a reader can hold.
    """
    parser = expat.ParserCreate()
    units = _Units(parser, name)
    read = 0
    try:
        while data := stream.read(BLOCK):
            parser.Parse(data)
            yield from units.done
            units.done.clear()
            read += len(data)
            if read - max(0, parser.CurrentByteIndex) > LONGEST_TAG:  # the parser waits for the end of one
                raise units.wrong(f"must have at most {LONGEST_TAG} bytes in a tag or comment, but has more")
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that expat cannot read
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}, line {parser.CurrentLineNumber}: must be well-formed TMX: {error}") from error
    yield from units.done


def text_of(unit: Texts, lang: str) -> str | None:
    """The unit's text in ``lang`` or a variant of it (pt for pt-BR), the first that is not blank; None without any."""
    wanted = lang.replace("_", "-").lower()
    texts = [unit[wanted]] if wanted in unit else []
    texts += [text for tag, text in unit.items() if tag.startswith(wanted + "-")]
    return next((text for text in texts if text.strip()), texts[0] if texts else None)
