"""The record of a data folder for the report: its languages, their sizes and hashes, and the leakage audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import read_json, sha256
from data_prep.cleaning.split import HELD_OUT
from data_prep.packs.align import best_alignment
from meta_nmt.report.results import Result, unique
from meta_nmt.roles import added_card, added_role


def data_folders(results: Sequence[Result]) -> list[Path]:
    """The data folders that results name and that still exist."""
    names = unique(result.data for result in results if result.data)
    return [Path(name) for name in names if DataFolder(name).record.is_file()]


def data_record(folder: Path, targets: Sequence[str]) -> dict[str, Any] | None:
    """The hashes, sizes and leakage audit of a data folder, with the ``targets`` that were added to it later.

    None where the record of the folder has another form.
    """
    try:
        record = read_json(DataFolder(folder).record)
        english = record["target_lang"]
        languages = [
            {
                "lang": lang,
                "role": entry["role"],
                "lines": entry["splits"]["train"]["lines"],
                "english_tokens": entry["splits"]["train"]["english_tokens"],
                "precision": entry["alignment"]["precision_at_1"],
                **{name: entry["audit"][name] for name in ("held_out", "overlaps")},
                "audited": entry["audit"]["lines"],
                "sha256": sha256(DataFolder(folder, english).binary_record(lang)),
            }
            for lang, entry in record["languages"].items()
        ]
        languages += [
            added_record(added_card(folder, lang))
            for lang in targets
            if lang not in record["languages"] and added_role(folder, lang)
        ]
        audit = record["english"]["audit"]
    except (InputError, OSError, KeyError, TypeError):
        return None
    return {
        "folder": str(folder),
        "sha256": sha256(DataFolder(folder).record),
        "languages": languages,
        "english": {"lang": english, "audited": audit["lines"], "held_out": audit["held_out"],
                    "overlaps": audit["overlaps"]},
    }  # fmt: skip


def added_record(path: Path) -> dict[str, Any]:
    """The entry of a language that meta-nmt-add-language made. ``path``: the path of its card.

    The language's training text was cleaned of its dev and test lines, but not audited. ``overlaps`` counts the dev and
    test lines whose English the model may have seen in meta-training.
    """
    card = read_json(path)
    splits = card["text"]["splits"]
    return {
        "lang": card["lang"],
        "role": card["role"],
        "added": True,
        "lines": splits["train"]["lines"],
        "english_tokens": splits["train"]["english_tokens"],
        "precision": best_alignment(card)["precision_at_1"],
        "audited": None,
        "held_out": sum(splits[name]["lines"] for name in HELD_OUT if name in splits),
        "overlaps": card["held_out_in_meta_training"],
        "sha256": sha256(path),
    }
