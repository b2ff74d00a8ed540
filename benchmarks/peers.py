"""Our fomaml against other libraries' first-order MAML, wrapped around our Transformer as their users would.

Batches and the outer Adam are the same on every side. Each side computes label smoothing in its own way, the libraries
by fairseq's criterion. For a fair comparison ours has the rule that all libraries have: `--inner-optimizer sgd
--adapt-params all`, one inner step. A library that is not installed is a row without figures.

- learn2learn: `MAML(model, lr, first_order=True)`, clone, adapt, backward.
- higher: `innerloop_ctx` without higher gradients.
- TorchOpt: its functional `sgd` on detached parameters (its MetaSGD has no first order); the model is called with them
  as ours is.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.few_shot.peer import learn2learn_class
from benchmarks.measure import Row, apart, compare, in_turns, peak_of, speeds, unmeasured
from benchmarks.settings import Settings
from benchmarks.transformer import Bench, optimizer_of, token_count, update
from meta_nmt.tasks.episode_loss import FunctionalModel

RATE = 0.1
Task = Callable[[Any, dict[str, Any], Callable[[Any, Any], Tensor]], None]  # adds an episode's gradients to p.grad


def learn2learn_task(model: nn.Module) -> Task:
    cls = learn2learn_class("fomaml")
    if cls is None:
        raise ImportError("learn2learn is not installed")
    learner = cls(model, lr=RATE, first_order=True, allow_unused=True)

    def task(_: Any, episode: dict[str, Any], loss: Callable[[Any, Any], Tensor]) -> None:
        clone = learner.clone()
        for batch in episode["support"]:
            clone.adapt(loss(clone.module, batch))
        for batch in episode["query"]:
            loss(clone.module, batch).backward()

    return task


def higher_task(model: nn.Module) -> Task:
    import higher

    inner = torch.optim.SGD(model.parameters(), lr=RATE)

    def task(network: Any, episode: dict[str, Any], loss: Callable[[Any, Any], Tensor]) -> None:
        with higher.innerloop_ctx(network, inner, track_higher_grads=False) as (copy, optimizer):
            for batch in episode["support"]:
                optimizer.step(loss(copy, batch))
            for batch in episode["query"]:
                add(network.parameters(), torch.autograd.grad(
                    loss(copy, batch), list(copy.parameters()), allow_unused=True))  # fmt: skip

    return task


def torchopt_task(model: nn.Module) -> Task:
    import torchopt

    inner = torchopt.sgd(lr=RATE)

    def task(network: Any, episode: dict[str, Any], loss: Callable[[Any, Any], Tensor]) -> None:
        names = [name for name, _ in network.named_parameters()]
        params = tuple(p.detach().requires_grad_() for p in network.parameters())
        state = inner.init(params)
        for batch in episode["support"]:
            at = FunctionalModel(network, dict(zip(names, params, strict=True)))
            grads = torch.autograd.grad(loss(at, batch), params, allow_unused=True, materialize_grads=True)
            updates, state = inner.update(grads, state, params=params, inplace=False)
            params = tuple(p.detach().requires_grad_() for p in torchopt.apply_updates(params, updates, inplace=False))
        for batch in episode["query"]:
            at = FunctionalModel(network, dict(zip(names, params, strict=True)))
            add(network.parameters(), torch.autograd.grad(loss(at, batch), params, allow_unused=True))

    return task


def add(parameters: Any, gradients: Any) -> None:
    """Add gradients to the ``grad`` of their parameters."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)


PEERS = {"learn2learn": learn2learn_task, "higher": higher_task, "torchopt": torchopt_task}


def peer_step(bench: Bench, peer: str) -> Callable[[], None]:
    """A function that makes a whole meta-step of a library.

    The model is ours, with the language's rows of the embedding as an ordinary parameter.
    """
    model, episodes = bench.ours(), bench.renumbered()
    embedding, most = model.encoder.embed_tokens, max(len(e["queries"]) for e in episodes)
    embedding.residual = nn.Parameter(torch.zeros(most, embedding.embedding_dim))
    for name in [n for n, p in model.named_parameters() if not p.requires_grad]:
        raise RuntimeError(f"{name} takes no gradient")
    task, optimizer = PEERS[peer](model), optimizer_of(model)

    def loss(network: Any, batch: Any) -> Tensor:
        value, size, _ = bench.criterion(network, batch)
        mean_loss: Tensor = value / size
        return mean_loss

    def step() -> None:
        model.train()
        for episode in episodes:
            embedding.queries = episode["queries"]
            task(model, episode, loss)
        update(model, optimizer, len(episodes))

    return step


def our_step(bench: Bench) -> Callable[[], None]:
    """A function that makes a whole meta-step of our fomaml, with the rule that the libraries have."""
    return bench.meta_step(bench.ours(), "fomaml", inner_optimizer="sgd", inner_lr=RATE, adapt_params="all")


def memory(side: str, arch: str, tokens: int, threads: int) -> dict[str, float]:
    """The MiB of two meta-steps of a side; to be called in a process of its own."""
    torch.set_num_threads(threads)
    bench = Bench(arch, tokens=tokens)
    step = our_step(bench) if side == "ours" else peer_step(bench, side)
    return peak_of(lambda: [step(), step()])


def rows(settings: Settings) -> Iterator[Row]:
    """The rows of tokens a second and of peak memory against each library."""
    bench = Bench("small", tokens=1000) if settings.quick else Bench("metanmt")
    steps: dict[str, Callable[[], object]] = {"ours": our_step(bench)}
    failed: dict[str, Exception] = {}
    for peer in PEERS:
        try:
            steps[peer] = peer_step(bench, peer)
            steps[peer]()
        except Exception as error:
            steps.pop(peer, None)
            failed[peer] = error
    seconds, tokens = in_turns(steps, settings.rounds), token_count(bench.episodes())
    what = f"{bench.arch}, one inner step of SGD on all parameters, batches of {bench.tokens} tokens"
    repeats = 1 if settings.quick else 3
    ours = [_memory("ours", bench, settings) for _ in range(repeats)] if len(steps) > 1 else []
    for peer in PEERS:
        names = f"fomaml_vs_{peer}_tokens_per_s", f"fomaml_vs_{peer}_peak_memory"
        if peer in failed:
            yield unmeasured(names[0], "tokens/s", failed[peer])
            yield unmeasured(names[1], "MiB", failed[peer])
            continue
        yield speeds(names[0], "tokens/s", tokens, seconds["ours"], seconds[peer], what)
        theirs = [_memory(peer, bench, settings) for _ in range(repeats)]
        whole = [statistics.median(side["whole"] for side in sides) for sides in (ours, theirs)]
        yield compare(names[1], "MiB", [side["added"] for side in ours], [side["added"] for side in theirs],
                      "added by two steps to the built model; lower is better; whole processes "
                      f"{whole[0]:.0f} and {whole[1]:.0f} MiB")  # fmt: skip


def _memory(side: str, bench: Bench, settings: Settings) -> dict[str, float]:
    return apart(memory, side, bench.arch, bench.tokens, settings.threads)
