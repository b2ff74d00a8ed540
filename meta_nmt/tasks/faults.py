"""Faults in an episode that do not end the run, and the point at which they do end it.

A task whose loss or gradient is not finite is left out of its meta-step; an episode that runs out of memory is run
again in smaller pieces. Both are counted, logged and saved. A gradient reaches theta only after this check.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from data_prep.base.errors import InputError
from meta_nmt.meta_learners.base import EpisodeResult
from meta_nmt.tasks.episode_loss import EpisodeLoss

Result = TypeVar("Result")
logger = logging.getLogger(__name__)
IN_A_ROW = 3  # episodes of one language without a finite gradient that call for a closer look at it
GIVE_UP_AFTER = 10  # meta-steps without any task


class StepError(InputError, RuntimeError):
    """An error in a step that ends the run. On a RuntimeError fairseq saves no ``crash.pt``: theta is as it was."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, of the GPU or of the machine."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in str(error) for words in ("out of memory", "DefaultCPUAllocator")
    )


def run_in_pieces(episode: Callable[[EpisodeLoss], Result], loss: EpisodeLoss, batches: Sequence[Any]) -> Result:
    """Run ``episode(loss)``; where memory is not enough, again with each batch in two pieces, in four, and so on.

    ``loss.pieces`` is at the end the number of pieces that was needed.

    Raises:
        StepError: memory is not enough for pieces of one sentence.
    """
    while True:
        try:
            return episode(loss)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).split("\n")[0].replace("out of memory", "no memory left")
        # here the exception, and the tensors that its frames held, are freed
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if loss.pieces >= max(len(batch["target"]) for batch in batches):
            raise StepError(f"an episode needs more memory than there is, a sentence at a time ({reason})")
        loss.restart(2 * loss.pieces)


def not_finite(result: EpisodeResult) -> str | None:
    """The loss or gradient of an episode that is not a finite number, in words; None where all are finite."""
    for name, losses in (("support loss", result.support_losses), ("query loss", result.query_losses)):
        values = torch.stack([loss.float() for loss in losses]) if losses else torch.zeros(1)
        if not bool(values.isfinite().all()):
            return f"{name} is {float(values[~values.isfinite()][0])}"
    norm = get_total_norm([g.float() for g in result.gradients.values()])
    return None if bool(norm.isfinite()) else f"norm of the gradient is {float(norm)}"


@dataclass
class StepGuard:
    """A guard that counts the tasks that one worker leaves out, and stops a run that learns nothing any more.

    skipped: tasks in a row without a finite gradient, by language.
    used: tasks that were used since the last update.
    empty: updates in a row for which no worker had a task.
    """

    skipped: Counter[str] = field(default_factory=Counter)
    used: int = 0
    empty: int = 0

    def admits(self, language: str, result: EpisodeResult, update: int) -> bool:
        """Whether a task may have its share of the update."""
        reason = not_finite(result)
        if reason is None:
            self.skipped[language] = 0
            self.used += 1
            return True
        self.skipped[language] += 1
        logger.warning(f"left out a task of {language} at update {update}: its {reason}")
        if self.skipped[language] == IN_A_ROW:
            logger.warning(
                f"{language}: {IN_A_ROW} tasks in a row were left out; look at its sentences and vectors, leave it out "
                "of `--source-langs`, or lower `--inner-lr`"
            )
        return False

    def may_step(self, total: Callable[[int], int]) -> bool:
        """Whether any worker had a task for this update. ``total`` sums a number over the workers.

        Raises:
            StepError: no worker had a task for GIVE_UP_AFTER updates.
        """
        used, self.used = total(self.used), 0
        self.empty = 0 if used else self.empty + 1
        if self.empty >= GIVE_UP_AFTER:
            raise StepError(
                f"every task of the last {GIVE_UP_AFTER} updates was left out, because its loss or gradient was not a "
                "finite number: go on from an earlier checkpoint (`--finetune-from-model`) with a lower `--lr` or "
                "`--inner-lr`, a lower `--clip-norm`, or without `--bf16-autocast`"
            )
        return used > 0


def zero(value: Any) -> Any:
    """Zero of the kind of ``value``: workers add up reports key by key, so a tensor must be one in every worker."""
    return torch.zeros_like(value) if isinstance(value, Tensor) else type(value)(0)
