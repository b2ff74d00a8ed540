"""The roles of languages, by which meta-training refuses those that are held out.

The data folder's record says the role of each language. A language that was added later (meta-nmt-add-language) stands
in no record: its card says its role.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError, fault_of
from data_prep.base.files import read_json


def refuse_held_out(data: str | Path, sources: Sequence[str], valid: Sequence[str]) -> None:
    """Refuse to meta-train on a target language or a meta-validation language.

    Raises:
        InputError: a source language is also in ``valid``, or the data folder's record gives it another role.
    """
    roles = recorded_roles(data)
    for code in sources:
        role = "meta-validation" if code in valid else roles.get(code) or added_role(data, code) or "source"
        if role != "source":
            raise InputError(
                f"`--source-langs` must not name a held-out language, but names {code}, a {role} language of {data}"
            )


def recorded_roles(data: str | Path) -> dict[str, str]:
    """The roles of the languages in a data folder's record, by code; InputError where there is no such record."""
    folder = DataFolder(data)
    if not folder.record.is_file():
        fault = fault_of(folder.path, f"has no {folder.record.name}")
        raise InputError(f"{folder}: must be a folder made by meta-nmt-preprocess, but {fault}")
    languages = folder.read_record()["languages"]
    without = [code for code, entry in languages.items() if "role" not in entry]
    if without:
        raise InputError(
            f"{folder.record}: must be the record that meta-nmt-preprocess writes, but has no role of {without[0]}"
        )
    return {code: str(entry["role"]) for code, entry in languages.items()}


def added_card(data: str | Path, code: str) -> Path:
    """The card of a language that was added later: its role, what it was made from, and how well it is aligned."""
    return DataFolder(data).pack(code).card


def added_role(data: str | Path, code: str) -> str | None:
    """The role in a language's card; None where there is no card, or no role in it (packs made by hand)."""
    try:
        return str(read_json(added_card(data, code))["role"])
    except (OSError, InputError, KeyError, TypeError):
        return None
