"""Which languages are held out: the data folder's record says it, and meta-training is held to it.

A language that came in later (meta-nmt-add-language) stands in no record; its card says its role.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError


def refuse_held_out(data: str | Path, sources: Sequence[str], valid: Sequence[str]) -> None:
    """No target and no meta-validation language may be meta-trained on.

    Raises:
        InputError: a source language is also in ``valid``, or the data folder's record gives it another role.
    """
    record = DataFolder(data).record
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
    """Where a language that came in later says its role, what it was made of and how well it is aligned."""
    return DataFolder(data).pack(code).card


def added_role(data: str | Path, code: str) -> str | None:
    """The role in a language's card; None where there is none (packs made by hand)."""
    try:
        return str(json.loads(added_card(data, code).read_text(encoding="utf-8"))["role"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
