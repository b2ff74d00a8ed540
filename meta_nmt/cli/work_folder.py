"""The layout of OUT/work, where meta-nmt-adapt from raw text keeps intermediate files.

WORK/job.json                            what the translator is made from, and how far it is
WORK/corpus/<xx>-<en>/<split>.<xx>, .<en>  the raw pairs, split
WORK/corpus/done                         a mark that the pairs and the next two files are whole
WORK/mono/<xx>.txt                       the monolingual text given
WORK/dictionaries/<xx>-<en>.txt          the word list given
WORK/data/                               a data folder of this one language, with its pack
WORK/runs/<s>/                           fine-tuning by strategy s (meta_nmt/runs/run_folder.py)
WORK/runs/<s>-self/                      the same once more, to the next pairs
WORK/self/                               pairs that the adapted model made (meta_nmt/translation/self_training.py)
"""

from __future__ import annotations

from pathlib import Path

from meta_nmt.runs.run_folder import RunFolder


class WorkFolder:
    """The paths in OUT/work, by its own path and the two languages; nothing is read or written."""

    def __init__(self, path: Path, lang: str, english: str) -> None:
        self.path, self.lang, self.english = path, lang, english

    @property
    def record(self) -> Path:
        """The record of what the translator is made from, how far it is, and what was said at its end."""
        return self.path / "job.json"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.path / "data"

    @property
    def corpus(self) -> Path:
        """The folder of the raw pairs, as data_prep reads it."""
        return self.path / "corpus"

    def text(self, split: str) -> tuple[Path, Path]:
        """The two sides of a split of the raw pairs: the language's own, and English."""
        folder = self.corpus / f"{self.lang}-{self.english}"
        return folder / f"{split}.{self.lang}", folder / f"{split}.{self.english}"

    @property
    def written(self) -> Path:
        """The mark that all raw text is written."""
        return self.corpus / "done"

    @property
    def mono(self) -> Path:
        """The folder of the monolingual text."""
        return self.path / "mono"

    @property
    def mono_text(self) -> Path:
        """The file of the monolingual text, a sentence a line; absent where none was given."""
        return self.mono / f"{self.lang}.txt"

    @property
    def dictionaries(self) -> Path:
        """The folder of the word list."""
        return self.path / "dictionaries"

    @property
    def dictionary(self) -> Path:
        """The file of the word list; absent where none was given."""
        return self.dictionaries / f"{self.lang}-{self.english}.txt"

    @property
    def own_pairs(self) -> Path:
        """The folder of the pairs that the adapted model made from monolingual text."""
        return self.path / "self"

    def run(self, strategy: str) -> RunFolder:
        """The folder of fine-tuning by a strategy."""
        return RunFolder(self.path / "runs" / strategy)
