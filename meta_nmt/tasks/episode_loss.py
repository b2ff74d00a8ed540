"""The loss that an episode's inner and outer loop see: a fairseq criterion at any parameters, as a mean per token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from data_prep.base.errors import InputError

EMBEDDING = "encoder.embed_tokens."
QUERIES, RESIDUAL, LOOKED_UP = f"{EMBEDDING}queries", f"{EMBEDDING}residual", f"{EMBEDDING}looked_up"
PIECE_TOKENS = 750  # most tokens of a piece on a CPU, padding included


class FunctionalModel:
    """A model at other parameters, for a fairseq criterion to call; the model's own parameters stay untouched."""

    def __init__(self, model: torch.nn.Module, parameters: dict[str, Tensor]) -> None:
        self._model, self._parameters = model, parameters

    def __call__(self, **net_input: Any) -> Any:
        return functional_call(self._model, self._parameters, args=(), kwargs=net_input)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class EpisodeLoss:
    """A function loss(parameters, batch), which gives a scalar, normalised by the batch's own tokens.

    Args:
        network: the model.
        criterion: a criterion of fairseq's.
        queries: (U, Q) vectors of the source tokens in play.
        padding_idx: id of the padding symbol.
        bf16: run forward passes under bfloat16 autocast.
        pieces: in how many pieces a batch is computed, at least, one after the other. Memory is that of one piece, and
            the gradient is that of the batch, up to rounding. ``parts`` gives the pieces to a caller that can take
            them one by one. A call with a whole batch keeps no activations, but computes them again on the way back.

    `log_of` gives what the criterion reported of a batch the last time that its loss was taken.
    """

    def __init__(
        self, network: Any, criterion: Any, queries: Tensor, padding_idx: int, bf16: bool = False, pieces: int = 1
    ) -> None:
        self.network, self.criterion, self.queries = network, criterion, queries
        self.padding_idx, self.bf16, self.pieces = padding_idx, bf16, pieces
        self._logs: dict[int, dict[str, Any]] = {}  # by the id() of the batch

    def restart(self, pieces: int) -> None:
        """Begin the episode again, with each batch in ``pieces`` pieces."""
        self.pieces = pieces
        self._logs.clear()

    def log_of(self, batches: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """The criterion's reports of some batches, added up; {} if the loss of none of them was taken."""
        return sum_logs(self._logs[id(batch)] for batch in batches if id(batch) in self._logs)

    def parts(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """The pieces of a batch, whose losses add up to the loss of the batch.

        On a CPU a piece has about PIECE_TOKENS tokens at most. Activations then take less memory, and a step takes 1 to
        4 % longer, since gradients of the pieces are added up.
        """
        if not hasattr(self.criterion, "sentence_avg"):  # nothing says what a piece's share of the batch is
            return [batch]
        tokens = max(batch["net_input"]["src_tokens"].numel(), batch["target"].numel())
        fitting = -(-tokens // PIECE_TOKENS) if batch["target"].device.type == "cpu" else 1
        parts = split_batch(batch, max(self.pieces, fitting), self.padding_idx)
        unit = "nsentences" if self.criterion.sentence_avg else "ntokens"
        if len(parts) > 1:
            for number, part in enumerate(parts):
                part |= {"part": number, "of": id(batch), "share": part[unit] / batch[unit]}
        return parts

    def shared(self, parameters: dict[str, Tensor], batch: dict[str, Any]) -> dict[str, Tensor]:
        """The embeddings of all source tokens of a batch, most of which its pieces share.

        The table has a row for each id; rows of ids that are not in the batch are zero.
        """
        embedding = self.network.encoder.embed_tokens
        of_embedding = {
            name[len(EMBEDDING) :]: value for name, value in parameters.items() if name.startswith(EMBEDDING)
        }
        distinct = batch["net_input"]["src_tokens"].unique()
        with torch.autocast(self.queries.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            rows = functional_call(embedding, of_embedding | {"queries": self.queries}, args=(distinct,))
        table = rows.new_zeros(embedding.num_special + len(self.queries), rows.size(1))
        return {LOOKED_UP: table.index_copy(0, distinct, rows)}

    def __call__(self, parameters: dict[str, Tensor], batch: dict[str, Any]) -> Tensor:
        if "part" in batch:
            loss, size, log = self._sum(parameters, batch)
            self._logs[batch["of"]] = sum_logs([self._logs[batch["of"]], log]) if batch["part"] else log
            return loss * (batch["share"] / size)
        parts = split_batch(batch, self.pieces, self.padding_idx)
        if len(parts) == 1:
            loss, size, log = self._sum(parameters, batch)
            self._logs[id(batch)] = log
            return loss / size
        reports: dict[int, tuple[Any, dict[str, Any]]] = {}

        def piece(number: int) -> Tensor:
            loss, *report = self._sum(parameters, parts[number])
            reports[number] = (report[0], report[1])  # computed again on the way back, the same report
            return loss

        losses = [checkpoint(piece, number, use_reentrant=False) for number in range(len(parts))]
        self._logs[id(batch)] = sum_logs(log for _, log in reports.values())
        total: Tensor = torch.stack(losses).sum() / sum(size for size, _ in reports.values())
        return total

    def _sum(self, parameters: dict[str, Tensor], batch: dict[str, Any]) -> tuple[Tensor, Any, dict[str, Any]]:
        model = FunctionalModel(self.network, {**parameters, QUERIES: self.queries})
        with torch.autocast(self.queries.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            loss, size, log = self.criterion(model, batch)
        return loss, size, log


def split_batch(batch: dict[str, Any], pieces: int, padding_idx: int) -> list[dict[str, Any]]:
    """A fairseq batch, split into at most ``pieces`` batches of about equally many sentences."""
    sentences = len(batch["target"])
    if min(pieces, sentences) == 1:
        return [batch]

    def rows(chosen: list[int], value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rows(chosen, entry) for key, entry in value.items()}
        return value[chosen[0] : chosen[-1] + 1] if isinstance(value, Tensor) else value

    parts = []
    for chosen in torch.arange(sentences).tensor_split(min(pieces, sentences)):
        part = rows(chosen.tolist(), batch)
        tokens = int(part["target"].ne(padding_idx).sum())
        parts.append(part | {"nsentences": len(chosen), "ntokens": tokens})
    return parts


def sum_logs(logs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The sum of several reports of a criterion, key by key."""
    all_logs = list(logs)
    return {key: sum(log.get(key, 0) for log in all_logs) for key in dict.fromkeys(k for log in all_logs for k in log)}


def accumulate_gradients(parameters: dict[str, torch.nn.Parameter], gradients: dict[str, Tensor]) -> None:
    """Add gradients to ``p.grad`` by name, except those of an episode's residual rows, which are not the model's.

    InputError names a gradient that a meta-learner gives of no parameter, or of another shape than its parameter's.
    """
    for name, gradient in gradients.items():
        if name == RESIDUAL:
            continue
        parameter = parameters.get(name)
        if parameter is None or parameter.shape != gradient.shape:
            shape = "no such parameter" if parameter is None else f"a parameter of shape {tuple(parameter.shape)}"
            raise InputError(
                f"the meta-learner's gradient of {name} must fit the model, but is of shape {tuple(gradient.shape)}, "
                f"and the model has {shape}"
            )
        parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
