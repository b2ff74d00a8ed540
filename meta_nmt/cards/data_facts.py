"""The facts that a data folder tells about the text that a model was adapted on, for the model card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.base.data_folder import TABLE, DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import read_json
from data_prep.base.text_files import read_lines


@dataclass(frozen=True)
class TextSize:
    """The size of a split. pairs: sentence pairs; words: words of the target side."""

    pairs: int
    words: int


def text_size(data: str | Path, subset: str, pair: tuple[str, str]) -> TextSize | None:
    """The size of a split's text; None where the text is not there."""
    path = DataFolder(data, pair[1]).text(pair[0]).sides(subset)[1]
    try:
        lines = read_lines(path)
    except InputError:
        return None
    return TextSize(len(lines), sum(len(line.split()) for line in lines))


def recorded_licences(data: str | Path, lang: str) -> list[str]:
    """The licences that the records of a data folder and of a language's pack name; none where they name none."""
    try:
        languages = DataFolder(data).read_record()["languages"].values()
        named = {licence for entry in [*languages, read_pack_card(data, lang)] for licence in entry.get("licences", ())}
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return []
    return sorted(map(str, named))


def read_pack_card(data: str | Path, lang: str, sample: str | None = None) -> dict[str, Any]:
    """The card of a language pack; {} where it has none.

    ``sample``: what is said of the alignment is said of the vectors that are aligned with this sample, where the pack
    has them.
    """
    card = _read_object(DataFolder(data).pack(lang).card)
    of_samples = card.pop("samples", None)
    of_sample: Any
    if sample and sample.endswith(TABLE):
        of_sample = _read_object(Path(sample).with_suffix(".json"))
    else:
        of_sample = of_samples.get(sample) if isinstance(of_samples, dict) else None
    return card | (of_sample | {"aligned_with": sample} if of_sample and isinstance(of_sample, dict) else {})


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; {} where there is none."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
