"""The layout of a run's folder: where every file lies that a training leaves in its ``--save-dir``.

    RUN/checkpoint_last.pt   what a rerun goes on from
    RUN/checkpoint_best.pt   the best in validation
    RUN/checkpoint*.pt       these two, and others that fairseq keeps
    RUN/cost.jsonl           what the run cost, a line for each process (cost.py)
    RUN/train_log.jsonl      the run's numbers, a line for each validation or stretch of training (training_log.py)
    RUN/inputs.json          what the run was begun with (run_inputs.py)
    RUN/crash.pt             fairseq's picture of a step that failed; it goes when the run has come to its end
    RUN/log.txt              fairseq's log; of meta-nmt-adapt from raw text
    RUN/finished             a mark that the run came to its end; of meta-nmt-adapt from raw text, and of RUN/first
    RUN/first/, RUN/self/    of --self-train: the adaptation whose model translates, and the pairs that it made

A model card that lies beside a checkpoint has its name from meta_nmt/cards/model_card.py. No other file of meta_nmt
spells one of these names.
"""

from __future__ import annotations

from pathlib import Path

LAST, BEST = "checkpoint_last.pt", "checkpoint_best.pt"  # fairseq's own names


class RunFolder:
    """The paths in a run's folder, by the path of the folder; nothing is read or written."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def last(self) -> Path:
        """The checkpoint that a rerun goes on from."""
        return self.path / LAST

    @property
    def best(self) -> Path:
        """The checkpoint that was the best in validation."""
        return self.path / BEST

    @property
    def checkpoints(self) -> list[Path]:
        """Every checkpoint that is there."""
        return list(self.path.glob("checkpoint*.pt"))

    @property
    def costs(self) -> Path:
        """The file of the run's cost records."""
        return self.path / "cost.jsonl"

    @property
    def training_log(self) -> Path:
        """The file of the run's numbers."""
        return self.path / "train_log.jsonl"

    @property
    def inputs(self) -> Path:
        """The record of what the run was begun with."""
        return self.path / "inputs.json"

    @property
    def crash(self) -> Path:
        """The checkpoint that fairseq writes when a step fails; nothing goes on from it."""
        return self.path / "crash.pt"

    @property
    def log(self) -> Path:
        """The file of fairseq's log."""
        return self.path / "log.txt"

    @property
    def finished(self) -> Path:
        """The mark of a run that came to its end."""
        return self.path / "finished"
