"""Starters: meta models that come with the package, so that a person with sentence pairs needs to train no other.

A starter is a folder of ``meta_nmt/starters/`` in the form of meta_model.py. What it knows is read from its card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data_prep.base.errors import InputError
from data_prep.base.files import sha256
from meta_nmt.cards import model_card

PLACE = Path(__file__).resolve().parents[1] / "starters"
CHECKPOINT = "meta.pt"


@dataclass(frozen=True)
class Starter:
    """A meta model that comes with the package.

    head: the front matter of its card.
    """

    path: Path
    head: Mapping[str, Any]

    @property
    def checkpoint(self) -> Path:
        """The path of its checkpoint."""
        return self.path / CHECKPOINT

    @property
    def languages(self) -> Sequence[str]:
        """Codes of the languages that it has read; the last is the one that it translates into."""
        return self.head["language"]

    def check(self) -> None:
        """InputError where the checkpoint is not the one that the card describes."""
        if sha256(self.checkpoint) != self.head["sha256"]:
            raise InputError(
                f"{self.checkpoint}: must have the SHA-256 of {model_card.FILE_NAME} beside it, but has another; "
                "install the package again"
            )

    def describe(self) -> str:
        """The text about it for a person: path, languages, scores and licence."""
        *sources, english = self.languages
        # a domain of a language is a source of its own in the data: xx_news
        known = sorted({code.partition("_")[0] for code in sources})
        licence = self.head.get("license", "not said")
        size = sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())
        return "\n".join(
            [
                f"{self.path.name}: into {english}, {size / 1e6:.0f} MB, licence {licence}",
                f"  checkpoint: {self.checkpoint}",
                f"  has read {len(known)} languages: {' '.join(known)}",
                *(f"  {line}" for line in _scores(self.head)),
            ]
        )


def _scores(head: Mapping[str, Any]) -> list[str]:
    """The scores in a front matter, in the form of the hub's model-index."""
    lines = []
    for model in head.get("model-index", ()):
        for result in model["results"]:
            values = ", ".join(f"{metric['name']} {metric['value']}" for metric in result["metrics"])
            lines.append(f"{result['dataset']['name']}: {values}")
    return lines


def starters(place: Path | None = None) -> list[Starter]:
    """The starters in a folder (default: those that came with the package), by name."""
    found = []
    for card in sorted((place or PLACE).glob(f"*/{model_card.FILE_NAME}")):
        if (card.parent / CHECKPOINT).is_file():  # it is written last
            _, head, _ = card.read_text("utf-8").split("---\n", 2)
            found.append(Starter(card.parent, yaml.safe_load(head)))
    return found


def default_checkpoint() -> Path | None:
    """The checkpoint of the starter that is taken where none is asked for; None where none came with the package.

    InputError where it is damaged.
    """
    for starter in starters():
        starter.check()
        return starter.checkpoint
    return None


def listing() -> str:
    """All starters, described for a person."""
    return "\n".join(starter.describe() for starter in starters()) or "No starter came with this package."
