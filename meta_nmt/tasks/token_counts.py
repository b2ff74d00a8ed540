"""Counting the tokens that a run takes gradients on, which are the measure of its cost."""

from __future__ import annotations

from typing import Any

from fairseq.tasks import FairseqTask

from meta_nmt import compat


class CountsTokens(FairseqTask):
    """A task that counts the tokens that it took gradients on, of all workers and across resumed runs.

    It keeps the count in the checkpoint, since fairseq does not resume the state of a task, and the state of early
    stopping, too.
    """

    train_tokens = 0

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        self.train_tokens += sum(int(log.get("train_tokens", 0)) for log in logging_outputs)
        super().reduce_metrics(logging_outputs, criterion)

    def get_checkpoint_dict(self) -> dict[str, Any]:
        """What the checkpoint keeps of this task, under the name of its class."""
        return {
            type(self).__name__: {
                "train_tokens": self.train_tokens,
                "early_stopping": compat.early_stopping_state(),
            }
        }

    def set_checkpoint_dict(self, saved: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept of this task."""
        self.train_tokens = saved["train_tokens"]
        compat.set_early_stopping_state(saved.get("early_stopping", {}))


def count_tokens(batch: dict[str, Any]) -> int:
    """Source and target tokens of a fairseq batch, padding not counted."""
    return int(batch["net_input"]["src_lengths"].sum()) + int(batch["ntokens"])
