"""The roles of languages, by which meta-training refuses those that are held out.

The data folder's record says the role of each language. A language that was added later (meta-nmt-add-language) stands
in no record: its card says its role.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError, fault_of


def refuse_held_out(data: str | Path, sources: Sequence[str], valid: Sequence[str]) -> None:
    """Refuse to meta-train on a target language or a meta-validation language.

    Raises:
        InputError: a source language is also in ``valid``, or the data folder's record gives it another role.
    """
    record = DataFolder(data).record
    if not record.is_file():
        fault = fault_of(Path(data), f"has no {record.name}")
        raise InputError(f"{data}: must be a folder made by meta-nmt-preprocess, but {fault}")
    try:
        languages = json.loads(record.read_text(encoding="utf-8"))["languages"]
        roles = {code: entry["role"] for code, entry in languages.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{record}: must be the record that meta-nmt-preprocess writes, but: {error!r}") from None
    for code in sources:
        role = "meta-validation" if code in valid else roles.get(code) or added_role(data, code) or "source"
        if role != "source":
            raise InputError(
                f"`--source-langs` must not name a held-out language, but names {code}, a {role} language of {data}"
            )


def added_card(data: str | Path, code: str) -> Path:
    """The card of a language that was added later: its role, what it was made from, and how well it is aligned."""
    return DataFolder(data).pack(code).card


def added_role(data: str | Path, code: str) -> str | None:
    """The role in a language's card; None where there is no card, or no role in it (packs made by hand)."""
    try:
        return str(json.loads(added_card(data, code).read_text(encoding="utf-8"))["role"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
