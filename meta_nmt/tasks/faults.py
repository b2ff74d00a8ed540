"""What may go wrong in an episode without ending the run, and when it ends it all the same.

A task whose loss or gradient is not finite is left out of its meta-step; an episode that runs out of memory is run
again in smaller pieces. Both are counted, logged and saved. The gradient reaches theta only after it was looked at.
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
    """Ends a run from within a step. fairseq saves no ``crash.pt`` on a RuntimeError: theta is as it was."""


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in str(error) for words in ("out of memory", "DefaultCPUAllocator")
    )


def run_in_pieces(episode: Callable[[EpisodeLoss], Result], loss: EpisodeLoss, batches: Sequence[Any]) -> Result:
    """``episode(loss)``; out of memory, again with each batch in two pieces, in four, and so on.

    ``loss.pieces`` says at the end how many it took.

    Raises:
        StepError: a sentence at a time is still too much.
    """
    while True:
        try:
            return episode(loss)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).split("\n")[0].replace("out of memory", "no memory left")
        # here the exception and what its frames held on to are gone
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if loss.pieces >= max(len(batch["target"]) for batch in batches):
            raise StepError(f"an episode needs more memory than there is, a sentence at a time ({reason})")
        loss.restart(2 * loss.pieces)


def not_finite(result: EpisodeResult) -> str | None:
    """What of an episode's losses and gradients is not a finite number, in words; None where all are."""
    for name, losses in (("support loss", result.support_losses), ("query loss", result.query_losses)):
        values = torch.stack([loss.float() for loss in losses]) if losses else torch.zeros(1)
        if not bool(values.isfinite().all()):
            return f"{name} is {float(values[~values.isfinite()][0])}"
    norm = get_total_norm([g.float() for g in result.gradients.values()])
    return None if bool(norm.isfinite()) else f"norm of the gradient is {float(norm)}"


@dataclass
class StepGuard:
    """Counts what one worker leaves out, and stops a run that learns nothing any more.

    skipped: tasks in a row without a finite gradient, by language; used: tasks since the last update; empty: updates in
    a row to which no worker had a task.
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
        """At an update: whether any worker had a task for it. ``total`` sums over the workers.

        Raises:
            StepError: none had for a while.
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
    """0 of the same kind: workers add up their reports key by key, and a tensor here must be one everywhere."""
    return torch.zeros_like(value) if isinstance(value, Tensor) else type(value)(0)
