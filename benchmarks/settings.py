"""How thoroughly to measure."""

from __future__ import annotations

from dataclasses import dataclass

from data_prep.base.workers import cores


@dataclass(frozen=True)
class Settings:
    """How thoroughly to measure. quick: smaller sizes and fewer rounds; threads: number of threads of every side."""

    quick: bool = False
    threads: int = cores()

    @property
    def rounds(self) -> int:
        """The number of rounds that count, after one that warms up."""
        return 3 if self.quick else 5
