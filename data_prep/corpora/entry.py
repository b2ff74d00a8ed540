"""An entry of a manifest: one corpus, what it is, and where it lies."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Corpus:
    """One entry of a manifest. Its fields are those of the file, empty where the file does not give them."""

    name: str
    kind: str
    languages: tuple[str, ...]
    licence: str
    split: str = "all"
    path: tuple[str, ...] = ()
    url: tuple[str, ...] = ()
    hub: str = ""
    config: tuple[str, ...] = ()
    hub_split: str = "train"
    revision: str = ""
    first: int = 0
    columns: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    lines: int = 0
    origin: str = ""  # where a fetched corpus came from

    @property
    def is_here(self) -> bool:
        """Whether the corpus's files can be read as they are: not downloaded and not unpacked first."""
        return bool(self.path) and not self.members

    def plain(self) -> dict[str, Any]:
        """The entry as a manifest file has it, without fields that are empty or have their default value."""
        entry = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                one = isinstance(value, tuple) and len(value) == 1 and field.name != "languages"
                entry[field.name] = value[0] if one else list(value) if isinstance(value, tuple) else value
        return entry
