"""MultiNMT, the baseline of MetaNMT, as its authors' code trains it: joint training with residual rows.

Gu, Wang, Chen, Cho and Li, "Meta-Learning for Low-Resource Neural Machine Translation", EMNLP 2018 (arXiv 1808.08437),
section 4. In their code (github.com/MultiPath/MetaNMT: meta_nmt5.py with --no_meta_training, model.py) the encoder has
a residual row for each token id, from zero on, which is trained with all else:

    E[x] = ULR(x) + residual[id of x]

There is one table for all source languages, though id 7 is another word in each. For the test (meta_eval5.py) the rows
are left out, and a new language begins without. So the model is then used in a way that it was never trained in.
`--meta-learner joint` has no such rows at all.

Ours: ``own_rows`` gives each source language rows of its own, and ``row_dropout`` leaves the rows out of a share of the
episodes, so that the model is trained to do without them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from meta_nmt.meta_learners.base import (
    META_PREFIX,
    Episode,
    EpisodeResult,
    Visit,
    parameter_key,
    register_meta_learner,
)
from meta_nmt.meta_learners.joint import Joint
from meta_nmt.meta_learners.settings import Settings, setting


@dataclass(frozen=True)
class MultiNMTSettings(Settings):
    """Settings of multi_nmt."""

    own_rows: bool = setting(
        False, "residual rows of its own for each source language, in place of one table that all index", shapes=True
    )
    row_dropout: float = setting(0.0, "share of the episodes that are read without the residual rows", least=0, most=1)


@register_meta_learner("multi_nmt")
class MultiNMT(Joint):
    """Joint training with residual rows for the tokens of the source languages.

    They are the learner's own parameters, called ``rows.<name>`` or, with ``own_rows``, ``rows.<task>.<name>``, with
    `/` for each dot of task and name. Where episodes bring rows of a parameter, it has such a table.
    """

    settings_type = MultiNMTSettings
    one_worker = True  # with several, the optimiser would also move tables that no worker has an episode of
    settings: MultiNMTSettings

    def __init__(self, settings: MultiNMTSettings, theta: Mapping[str, Tensor], adapted: Sequence[str]) -> None:
        super().__init__(settings, theta, adapted)
        self._of_rows = {name: value.shape[1:] for name, value in theta.items() if value.dim() and not value.size(0)}
        self.rows = nn.ParameterDict()

    def meet(self, tasks: Mapping[Hashable, int]) -> None:
        sizes: Mapping[Hashable, int] = tasks if self.settings.own_rows else {"": max(tasks.values())}
        for name, shape in self._of_rows.items():
            for task, size in sizes.items():
                self.rows[self._key(task, name)] = nn.Parameter(torch.zeros(size, *shape))

    def episode(self, episode: Episode) -> EpisodeResult:
        visit, dropped = episode.visit, self.settings.row_dropout
        if visit is None or (dropped and float(torch.rand(())) < dropped):
            return super().episode(episode)
        own = {name: self._table(visit, name).detach()[visit.rows].requires_grad_() for name in self._of_rows}
        result = super().episode(replace(episode, theta={**episode.theta, **own}))
        for name in own:
            gradient, table = result.gradients.pop(name), self._table(visit, name)
            of_table = torch.zeros_like(table).index_copy_(0, visit.rows, gradient)
            result.gradients[f"{META_PREFIX}rows.{self._key(visit.task, name)}"] = of_table
        return result

    def _key(self, task: Hashable, name: str) -> str:
        return parameter_key(f"{task}.{name}" if self.settings.own_rows else name)

    def _table(self, visit: Visit, name: str) -> Tensor:
        table: Tensor = self.rows[self._key(visit.task, name)]
        return table
