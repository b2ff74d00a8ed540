"""Episode scheduling at a thousand languages and 64 workers, simulated: who waits for whom, and what memory it takes.

    python -m benchmarks.scheduling

Episodes are drawn by `EpisodeDataset`, and dealt to the workers as it deals them. There are no sentences: their lengths
are drawn at random. Four numbers, which are flags and not measured, describe a machine: tokens a second of one worker
(forward and backward), milliseconds that an episode takes however small it is, bytes a second between workers, and
microseconds that each message takes. The time of a meta-step is that of its slowest worker, plus that of the sum of the
gradients over a ring. Memory and the time to sort are measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.base.command_line import OneLineParser, run_command
from meta_nmt.data.episodes import EpisodeDataset, EpisodeSizes
from meta_nmt.data.parallel_corpus import ParallelCorpus

MEAN_LENGTH, SPREAD = 25.0, 0.6  # tokens of a sentence: log-normal, as of news text
SMALLEST = 2_000  # sentences of the smallest language
PARAMETERS = 46_000_000  # ulr_transformer_metanmt with 20,000 universal and 20,000 target pieces


@dataclass(frozen=True)
class Machine:
    """The speed of a worker and of the network between workers."""

    tokens_per_s: float
    episode_s: float
    bytes_per_s: float
    message_s: float

    def episodes(self, tokens: np.ndarray) -> np.ndarray:
        """The seconds of episodes of so many tokens each, padding included."""
        return self.episode_s + tokens / self.tokens_per_s

    def all_reduce(self, workers: int) -> float:
        """The seconds to sum the gradients over a ring, where each worker sends and receives 2 (W - 1) / W of them."""
        share = (workers - 1) / workers
        return 2 * share * 4 * PARAMETERS / self.bytes_per_s + 2 * (workers - 1) * self.message_s


def corpora(languages: int, lines: int, rng: np.random.Generator) -> dict[str, ParallelCorpus]:
    """Corpora of lengths alone, with sizes by Zipf's law: language r has 1 / r of the sentences of the first."""
    corpus_of = {}
    for rank in range(1, languages + 1):
        count = max(SMALLEST, lines // rank)
        lengths = np.exp(rng.normal(np.log(MEAN_LENGTH), SPREAD, count)).astype(np.int32) + 2
        target_lengths = np.maximum(2, lengths + rng.integers(-4, 5, count)).astype(np.int32)
        usable = np.flatnonzero((lengths <= 250) & (target_lengths <= 250))
        corpus_of[f"l{rank}"] = ParallelCorpus(f"l{rank}", None, None, lengths, target_lengths, usable)
    return corpus_of


def padded(corpus: ParallelCorpus, batches: Sequence[np.ndarray]) -> int:
    """The tokens of some batches with their padding, both sides."""
    return sum(
        len(batch) * int(corpus.source_sizes[batch].max() + corpus.target_sizes[batch].max()) for batch in batches
    )


def draw(dataset: EpisodeDataset, count: int) -> tuple[list[str], np.ndarray]:
    """The languages and the padded tokens (count,) of the first ``count`` episodes of an epoch."""
    languages, tokens = [], np.empty(count)
    for index in range(count):
        language, support, query = dataset.sentences(index)
        languages.append(language)
        tokens[index] = padded(dataset.corpora[language], [*support, *query])
    return languages, tokens


def step_seconds(seconds: np.ndarray, tasks: int, workers: int, greedy: bool) -> np.ndarray:
    """The seconds of the slowest worker in each meta-step (steps,), from the seconds of all episodes.

    Tasks are dealt to the workers in their order or, if ``greedy``, the longest first, to the worker with least time.
    """
    steps = seconds[: len(seconds) // tasks * tasks].reshape(-1, tasks)
    if not greedy:
        parts = np.array_split(np.arange(tasks), workers)
        return np.max([steps[:, part].sum(1) for part in parts], axis=0)
    loads = np.zeros((len(steps), workers))
    for column in np.sort(steps, axis=1)[:, ::-1].T:
        loads[np.arange(len(steps)), loads.argmin(1)] += column
    return loads.max(1)


def row(dataset: EpisodeDataset, tokens: np.ndarray, machine: Machine, workers: int, tasks: int) -> list[str]:
    seconds = machine.episodes(tokens)
    slowest = step_seconds(seconds, tasks, workers, greedy=False)
    greedy = step_seconds(seconds, tasks, workers, greedy=True)
    reduce = machine.all_reduce(workers)
    step, ideal = float(slowest.mean()) + reduce, float(seconds.mean()) * tasks / workers
    return [
        *(str(workers), str(tasks), f"{step:.2f}", f"{reduce:.2f}", f"{ideal / step:.0%}"),
        *(f"{ideal / (float(greedy.mean()) + reduce):.0%}", f"{tasks * dataset.sizes.total / step:,.0f}"),
    ]


def memory(dataset: EpisodeDataset) -> tuple[float, float, float]:
    """Bytes a sentence in each process that draws episodes, seconds a sentence to sort them, and all sentences."""
    began = time.perf_counter()
    largest = next(iter(dataset.corpora))
    order, before = dataset._sort_by_length(largest, 2)
    seconds = time.perf_counter() - began
    corpus = dataset.corpora[largest]
    held = order.nbytes + before.nbytes + corpus.usable.nbytes + corpus.source_sizes.nbytes + corpus.target_sizes.nbytes
    count = len(corpus.source_sizes)
    return held / count, seconds / count, sum(len(c.source_sizes) for c in dataset.corpora.values())


def get_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m benchmarks.scheduling",
        description=(__doc__ or "").split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--languages", type=int, default=1000, help="source languages")
    parser.add_argument(
        "--lines", type=int, default=1_000_000, help="sentences of the largest; the others by Zipf's law"
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 16, 64], help="workers, a GPU each")
    parser.add_argument("--tasks", type=int, nargs="+", default=[1, 2, 4], help="tasks a meta-step and worker")
    parser.add_argument("--episodes", type=int, default=20_000, help="episodes that are drawn")
    parser.add_argument("--tokens", type=int, default=2000, help="tokens of the support and of the query batch")
    parser.add_argument(
        "--tokens-per-second", type=float, default=40_000, help="of a worker, both sides, with gradients"
    )
    parser.add_argument("--episode-ms", type=float, default=40, help="that an episode takes besides, in milliseconds")
    parser.add_argument("--gigabytes-per-second", type=float, default=5, help="between workers on different machines")
    parser.add_argument("--message-us", type=float, default=20, help="of each message between workers, in microseconds")
    parser.add_argument("--temperature", type=float, default=5, help="T of p(language), proportional to tokens^(1/T)")
    parser.add_argument("--seed", type=int, default=1, help="of the sizes and of the episodes")
    return parser


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---:"] * len(head), *rows)]
    return "\n".join(lines)


def run(argv: Sequence[str] | None = None) -> int:
    args = get_parser().parse_args(argv)
    machine = Machine(
        args.tokens_per_second, args.episode_ms / 1e3, args.gigabytes_per_second * 1e9, args.message_us / 1e6
    )
    all_corpora = corpora(args.languages, args.lines, np.random.default_rng(args.seed))
    sizes = EpisodeSizes(args.tokens, args.tokens, 1)
    dataset = EpisodeDataset(all_corpora, {}, sizes, args.episodes, 1, args.temperature, args.seed)
    languages, tokens = draw(dataset, args.episodes)
    rows = [
        row(dataset, tokens, machine, workers, workers * tasks)
        for workers in args.workers
        for tasks in args.tasks
        if workers * tasks <= args.episodes
    ]
    head = ["workers", "tasks a step", "s a step", "of it sums", "busy", "busy, longest first", "budget tokens/s"]
    print(table(head, rows))
    held, sort_s, sentences = memory(dataset)
    episode, padding = machine.episodes(tokens), tokens.mean() / (2 * sizes.total) - 1
    sent = 8 * PARAMETERS * 63 / 64
    facts = [
        f"{args.episodes:,} episodes of {args.languages:,} languages drew {len(set(languages)):,}",
        f"padding {padding:.0%}; an episode takes {episode.mean():.2f} s, standard deviation {episode.std():.2f} s",
        f"gradients: {4 * PARAMETERS / 2**20:,.0f} MiB; each worker of 64 sends {sent / 2**20:,.0f} MiB a step",
        f"{sentences:,} sentences: {held:.0f} bytes of each in every process that draws episodes",
        f"that is {held * sentences / 2**30:.2f} GiB here, {held * 1e9 / 2**30:.0f} GiB at a billion sentences",
        f"sorted once an epoch by each of them: {sort_s * sentences:.1f} s here, {sort_s * 1e9:.0f} s at a billion",
    ]
    print("\n" + "\n".join(f"- {fact}" for fact in facts))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    return run_command(run, argv, prog="python -m benchmarks.scheduling")


if __name__ == "__main__":
    raise SystemExit(main())
